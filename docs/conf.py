"""Sphinx: MyST pages, the furo theme."""

from configparser import ConfigParser
from pathlib import Path

metadata = ConfigParser()
metadata.read(Path(__file__).parents[1] / "setup.cfg", encoding="utf-8")

project = "vmpattern"
release = metadata["metadata"]["version"]
copyright = "the vmpattern authors"

extensions = ["myst_parser"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]

html_theme = "furo"
html_title = f"vmpattern {release}"
