"""Sphinx: MyST pages, the furo theme, and reference pages from the docstrings."""

import enum
import os
import re
import sys
from configparser import ConfigParser
from pathlib import Path

import attrs
from docutils.nodes import Element
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

ROOT = Path(__file__).parents[1]
sys.path.insert(0, os.fspath(ROOT))

metadata = ConfigParser()
metadata.read(ROOT / "setup.cfg", encoding="utf-8")

project = "vmpattern"
release = metadata["metadata"]["version"]
copyright = "the vmpattern authors"

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]
default_role = "literal"

autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints_format = "short"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_custom_sections = ["Guarantees", "Source"]

# What a command prints isn't always what a shell could read.
suppress_warnings = ["misc.highlighting_failure"]

html_theme = "furo"
html_title = f"vmpattern {release}"

# Nothing is looked up on the network, so what others document is no link.
nitpick_ignore_regex = [
    ("py:.*", r"(collections|contextlib|datetime|enum|immutabledict|importlib|pathlib|types|typing)\..*"),
    ("py:.*", r"(bool|bytes|dict|float|frozenset|int|list|object|set|str|tuple|type|None|Exception|Ellipsis|\.\.\.)"),
]


# Types that a signature shows and no page describes.
UNLINKED = {
    *("ImageId", "ImageSource", "InstanceId", "LaunchKey", "Revision"),
    *("Answer", "Bench", "Connection", "Converter", "Item", "Json", "Option", "Options", "OptionsT", "Scalar"),
    *("SurveyRow", "immutabledict"),
}


def link_public_name(app: Sphinx, env: BuildEnvironment, node: pending_xref, contnode: Element) -> Element | None:
    """Link a name to where it is documented: values are written in one module and offered by another."""
    name = str(node.get("reftarget", "")).rpartition(".")[2]
    domain = env.domains.python_domain
    for module in (
        "vmpattern",
        "vmpattern.driver",
        "vmpattern.model",
        "vmpattern.errors",
        "vmpattern.testing",
        "vmpattern_libcloud",
        "vmpattern_gcp",
    ):
        if f"{module}.{name}" in domain.objects:
            return domain.resolve_xref(env, node["refdoc"], app.builder, "obj", f"{module}.{name}", node, contnode)
    return contnode if name in UNLINKED else None


def show_defaults(app: Sphinx, what: str, name: str, kind: object, options: object, signature: str, returns: str):
    """Show the defaults of an attrs class, which its generated constructor has in a table."""
    if not (signature and isinstance(kind, type) and attrs.has(kind)):
        return None
    fields = attrs.fields_dict(kind)
    shown = re.sub(r"attr_dict\['(\w+)'\]\.default", lambda found: written(fields[found[1]].default), signature)
    return shown, returns


def written(value: object) -> str:
    """Return a default as a person would write it."""
    if isinstance(value, enum.Enum):
        return str(value)
    if isinstance(value, attrs.Factory):
        return f"{value.factory.__name__}()"
    if isinstance(value, frozenset):
        return f"{{{', '.join(sorted(map(written, value)))}}}"
    return repr(value)


def setup(app: Sphinx) -> None:
    """Connect the above."""
    app.connect("autodoc-process-signature", show_defaults)
    app.connect("missing-reference", link_public_name)
