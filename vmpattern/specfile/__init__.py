"""The file `vmpattern.toml`: text to a Deployment, and back.

A file says one thing however it is formatted: the order of keys and tables, blanks and comments never reach the
Deployment. Nothing here looks at a cloud or knows which drivers are installed.
"""

import re
import tomllib
from pathlib import Path

from vmpattern.errors import Problem, SpecError
from vmpattern.files import read_text
from vmpattern.model import Deployment
from vmpattern.specfile.documents import DEPLOYMENT, write_document
from vmpattern.specfile.sheet import Sheet, Spot
from vmpattern.specfile.writing import render

__all__ = ["dumps", "load", "loads"]

MOST_BYTES = 2**24
"""A longer file isn't read: it was hardly written by a person."""

_AT_LINE = re.compile(r" \(at line (\d+), column \d+\)$")


def load(path: str | Path) -> Deployment:
    """Read a file; its directory, made absolute, is where relative paths in it start.

    Raises:
        SpecError: the file can't be read or anything in it is wrong; every problem that could be found.
    """
    file = Path(path)
    try:
        # A byte order mark, which some editors write, says nothing and is no TOML.
        text = read_text(file, most=MOST_BYTES, pipes=True).removeprefix("\ufeff")
    except OSError as error:
        raise SpecError((Problem("", f"can't be read: {error.strerror}"),), str(path)) from error
    except UnicodeDecodeError as error:
        raise SpecError((Problem("", f"isn't UTF-8 text: byte {error.start} is wrong"),), str(path)) from error
    return loads(text, source=str(path), directory=str(file.absolute().parent))


def loads(text: str, *, source: str = "", directory: str = ".") -> Deployment:
    """Read the text of a file; `source` names it in messages, `directory` is where relative paths start.

    Raises:
        SpecError: anything in it is wrong; every problem that could be found, in the order of the text.

    Guarantees:
        Texts that differ only in formatting and order give equal deployments, which iterate alike.
    """
    text = text.replace("\r\n", "\n")
    try:
        return _read(text, source, directory)
    except RecursionError:
        raise SpecError((Problem("", "is nested too deeply"),), source) from None


def _read(text: str, source: str, directory: str) -> Deployment:
    try:
        document = tomllib.loads(text)
    except ValueError as error:  # TOMLDecodeError, and Python's own limit on the digits of a number
        raise SpecError((_syntax_problem(str(error)),), source) from error
    sheet = Sheet(document, directory)
    deployment = Spot(document, (), sheet).attempt(DEPLOYMENT.read)
    if deployment is None:
        raise sheet.error(text, source)
    return deployment


def _syntax_problem(message: str) -> Problem:
    place = _AT_LINE.search(message)
    return Problem("", f"isn't valid TOML: {_AT_LINE.sub('', message)}", int(place[1]) if place else None)


def dumps(deployment: Deployment) -> str:
    """Write a deployment as a file would say it, in one canonical form without defaults.

    Guarantees:
        `loads(dumps(deployment), directory=...)` equals the deployment, if a file can say it at all.

    Raises:
        ValueError: an option is an infinite number or none.
    """
    return render(write_document(deployment))
