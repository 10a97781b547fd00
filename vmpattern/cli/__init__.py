"""The command line. The overview is printed without importing anything, since it is what everybody asks for first."""

import sys
from collections.abc import Sequence

from vmpattern.cli.table import overview

__all__ = ["main"]


def main(args: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status; `args` default to those of the process."""
    words = list(sys.argv[1:] if args is None else args)
    try:
        if words in (["--help"], ["-h"]) and sys.stdout is not None:
            return _put(overview())
        try:
            from vmpattern.cli.run import run
        except KeyboardInterrupt:
            sys.stderr.write("Interrupted; nothing was changed.\n")
            return 130
        return run(words)
    except OSError as error:
        from vmpattern.cli.streams import cut_off

        return cut_off(error)


def _put(text: str) -> int:
    """Write to standard output, where a reader that went away has what it wanted; return the exit status."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        from vmpattern.cli.streams import silence

        silence(sys.stdout)
    return 0
