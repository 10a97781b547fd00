"""A plan kept in a file between `plan -o` and `apply`: private, whole or not there, and nothing else overwritten."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, cast

from vmpattern.errors import DamagedPlan, Refused
from vmpattern.files import read_text, write_text
from vmpattern.model.jsontext import parse_json

if TYPE_CHECKING:
    from vmpattern.model import Plan
    from vmpattern.serialization import Json


def read_plan(path: Path) -> "Plan":
    """Read a plan that `write_plan` wrote.

    Raises:
        DamagedPlan: the file isn't a plan, was edited or cut short, or another version wrote it.
        OSError: it can't be read.
    """
    from vmpattern.serialization import plan_from_json

    try:
        data = cast("Json", parse_json(read_text(path, pipes=True)))
    except ValueError as error:
        raise DamagedPlan(f"{path} isn't a plan: {error}") from error
    try:
        return plan_from_json(data)
    except DamagedPlan as error:
        raise DamagedPlan(f"{path}: {error}") from error


def check_target(path: Path) -> None:
    """Check, before anything is asked of a cloud, that a plan can be written and nothing else is overwritten.

    Raises:
        Refused: there is something else at `path`, or its folder isn't there or can't be written to.
    """
    if not path.parent.is_dir():
        raise Refused(f"{path} can't be written: there is no folder {path.parent}. Make it, or name another file.")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise Refused(f"{path} can't be written: the folder {path.parent} doesn't permit it. Name another file.")
    if os.path.lexists(path) and not _is_plan(path):
        raise Refused(f"{path} is there and isn't a plan: it is left alone. Name another file, or move that one away.")


def write_plan(plan: "Plan", path: Path) -> None:
    """Write a plan for its owner's eyes only; whoever reads `path` sees the old file or the new one, whole.

    Raises:
        Refused: there is something at `path` that isn't a plan, or it can't be written.
    """
    from vmpattern.serialization import plan_to_json

    check_target(path)
    text = json.dumps(plan_to_json(plan), indent=1) + "\n"
    try:
        write_text(path, text)
    except OSError as error:
        raise Refused(f"{path} can't be written: {error.strerror}. No plan was saved; name another file.") from error


def _is_plan(path: Path) -> bool:
    """Whether it looks like one: a plan that is damaged or of another version may be overwritten, too."""
    try:
        data = parse_json(read_text(path))
    except (OSError, ValueError):
        return False
    return isinstance(data, dict) and {"version", "steps", "digest"} <= data.keys()
