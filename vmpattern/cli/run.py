"""From words to an exit status: the group of commands, each loaded when asked for, and the end of every error."""

import os
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module

import click

from vmpattern.cli import failures
from vmpattern.cli.command import SHARED
from vmpattern.cli.engine import Engine
from vmpattern.cli.interrupt import ignore_more
from vmpattern.cli.streams import cut_off, flush, make_printable, open_streams
from vmpattern.cli.table import COMMANDS, LATER, overview

COMPLETION = "_VMPATTERN_COMPLETE"
"""Set by the shell when it completes a command line; see click's documentation."""


class Overview(click.Group):
    """The group of all commands; its help is the overview."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands that are there, in the overview's order."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return the command, or one that says that it comes later; None where no such name is known."""
        if cmd_name in LATER:
            from vmpattern.cli.commands.later import later

            return later(cmd_name)
        if cmd_name not in COMMANDS:
            return None
        command = import_module(f"vmpattern.cli.commands.{cmd_name}").command
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or say which one may have been meant."""
        name = args[0]
        if not ctx.resilient_parsing and not name.startswith("-") and name not in (*COMMANDS, *LATER):
            near = get_close_matches(name, [*COMMANDS, *LATER], n=1)
            hint = f"did you mean {near[0]}?" if near else "`vmpattern --help` lists them"
            raise click.UsageError(f"there is no command {name}: {hint}", ctx)
        return super().resolve_command(ctx, args)

    def get_help(self, ctx: click.Context) -> str:
        """Return the overview."""
        return overview().rstrip("\n")


def _version(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        from importlib.metadata import PackageNotFoundError, version

        try:
            number = version("vmpattern")
        except PackageNotFoundError:
            number = "(not installed)"
        click.echo(f"vmpattern {number}")
        ctx.exit()


@click.group(cls=Overview, params=[*SHARED], context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--version", is_flag=True, expose_value=False, is_eager=True, callback=_version)
def group(**shared: object) -> None:
    """Service instance per VM. What stands before COMMAND is taken by the command: see `Command.invoke`."""


def run(args: Sequence[str], *, engine: Engine | None = None) -> int:
    """Run one command line and return the exit status; errors are told, never raised.

    Args:
        engine: what the commands call; the library's own by default.
    """
    is_heard = open_streams()
    for stream in (sys.stdout, sys.stderr):
        make_printable(stream)
    if not is_heard:
        sys.stderr.write("The output can't be written: standard output is closed. Let it go to /dev/null, or a file.\n")
        return failures.FAILED
    try:
        status = _run(args, engine)
        flush(sys.stdout)
    except OSError as error:  # standard output or error can't be written to: the disk is full, or has an error
        return cut_off(error)
    return status


def _run(args: Sequence[str], engine: Engine | None) -> int:
    if not args and COMPLETION not in os.environ:
        sys.stderr.write(overview())
        return failures.USAGE
    try:
        status: object = group.main(list(args), prog_name="vmpattern", standalone_mode=False, obj=engine or Engine())
    except Exception as error:
        if isinstance(error, click.Abort):
            ignore_more()
        color = False if "--no-color" in args or os.environ.get("NO_COLOR") else None
        verbose = "-v" in args or "--verbose" in args
        return failures.tell(error, json="--json" in args, verbose=verbose, color=color)
    return status if isinstance(status, int) else 0
