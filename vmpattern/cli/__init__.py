"""The command line. The overview is printed without importing anything, since it is what everybody asks for first."""

import sys
from collections.abc import Sequence

from vmpattern.cli.table import overview

__all__ = ["main"]


def main(args: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status; `args` default to those of the process."""
    words = list(sys.argv[1:] if args is None else args)
    if words in (["--help"], ["-h"]):
        sys.stdout.write(overview())
        return 0
    from vmpattern.cli.run import run

    return run(words)
