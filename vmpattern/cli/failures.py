"""How errors end: one message without a traceback on standard error, an exit status, and with --json a document."""

import errno
import json as jsons
import sys
import traceback

import attrs
import click

from vmpattern.errors import DriverError, Problem, SpecError, UnknownDriver, VmpatternError

FAILED = 1
USAGE = 64
INTERRUPTED = 130


class WrongUsage(click.ClickException):
    """A command line that can be read, and can't be followed; its message says what can."""

    exit_code = USAGE


class Interrupted(click.Abort):
    """A signal ended a command, before or after it may have changed something."""

    def __init__(self, status: int, *, acted: bool) -> None:
        super().__init__()
        self.status = status
        self.acted = acted


@attrs.frozen
class Told:
    """An error as it is told: its code, its text, the mistakes in a file if it is about one, and the exit status."""

    code: str
    message: str
    status: int = FAILED
    problems: tuple[Problem, ...] = ()


def tell(error: Exception, *, json: bool, verbose: bool, color: bool | None) -> int:
    """Print an error, with its traceback if `verbose`, and return the exit status; `color` None: on a terminal."""
    told = describe(error)
    if verbose:
        traceback.print_exception(error, file=sys.stderr)
    for line in told.message.splitlines():
        click.secho(line, err=True, fg="red", color=color)
    if json:
        problems = [attrs.asdict(problem) for problem in told.problems]
        document = {"error": {"code": told.code, "message": told.message, "problems": problems}}
        sys.stdout.write(jsons.dumps(document, indent=2) + "\n")
    return told.status


def describe(error: Exception) -> Told:
    """Say what an error means to the person at the terminal."""
    if isinstance(error, click.ClickException):
        return Told("WrongUsage", _usage(error), USAGE)
    if isinstance(error, Interrupted):
        end = "the same command again does what is left" if error.acted else "nothing was changed"
        return Told("Interrupted", f"Interrupted; {end}.", error.status)
    if isinstance(error, click.Abort):
        return Told("Interrupted", "Interrupted; nothing was changed.", INTERRUPTED)
    if isinstance(error, SpecError):
        return Told("SpecError", str(error), USAGE, error.problems)
    if isinstance(error, UnknownDriver):
        return Told("UnknownDriver", str(error), USAGE)
    if isinstance(error, DriverError):
        return Told(error.code, str(error))
    if isinstance(error, VmpatternError):
        return Told(type(error).__name__, str(error))
    if isinstance(error, OSError) and error.errno is not None:
        place = f"{error.filename}: " if error.filename else ""
        return Told(errno.errorcode.get(error.errno, "OSError"), f"{place}{error.strerror}")
    return Told("Unexpected", _unexpected(error))


def _usage(error: click.ClickException) -> str:
    if isinstance(error, click.UsageError) and error.ctx is not None:
        return f"{error.format_message()}\n`{error.ctx.command_path} --help` tells what it takes."
    return error.format_message()


def _unexpected(error: Exception) -> str:
    return (
        f"This shouldn't have happened: {type(error).__name__}: {error}\n"
        "It is a mistake in vmpattern or in a driver. Please report it with what the same command prints with -v."
    )
