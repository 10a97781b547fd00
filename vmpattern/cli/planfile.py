"""A plan kept in a file between `plan -o` and `apply`: private, whole or not there, and nothing else overwritten."""

import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from vmpattern.errors import DamagedPlan, Refused

if TYPE_CHECKING:
    from vmpattern.model import Plan


def read_plan(path: Path) -> "Plan":
    """Read a plan that `write_plan` wrote.

    Raises:
        DamagedPlan: the file isn't a plan, was edited or cut short, or another version wrote it.
        OSError: it can't be read.
    """
    from vmpattern.forms import plan_from_json

    try:
        data = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise DamagedPlan(f"{path} isn't a plan: {error}") from error
    try:
        return plan_from_json(data)
    except DamagedPlan as error:
        raise DamagedPlan(f"{path}: {error}") from error


def check_target(path: Path) -> None:
    """Check that nothing but an older plan would be overwritten.

    Raises:
        Refused: there is something else at `path`.
    """
    if os.path.lexists(path) and not _is_plan(path):
        raise Refused(f"{path} is there and isn't a plan: it is left alone. Name another file, or move that one away.")


def write_plan(plan: "Plan", path: Path) -> None:
    """Write a plan for its owner's eyes only; whoever reads `path` sees the old file or the new one, whole.

    Raises:
        Refused: there is something at `path` that isn't a plan.
        OSError: it can't be written.
    """
    from vmpattern.forms import plan_to_json

    check_target(path)
    text = json.dumps(plan_to_json(plan), indent=1) + "\n"
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 0600
    try:
        with open(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


def _is_plan(path: Path) -> bool:
    """Whether it looks like one: a plan that is damaged or of another version may be overwritten, too."""
    try:
        data = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(data, dict) and {"version", "steps", "digest"} <= data.keys()
