"""A builder's script, as far as a simulated VM follows it: it prints what `echo` lines say, and may power off.

Nothing is looked up or run; a line that begins with `exit` is the last.
"""

import shlex
from collections.abc import Iterator
from itertools import takewhile


def printed(script: str) -> Iterator[str]:
    """Yield what the lines that begin with `echo` print, in order."""
    return (" ".join(words[1:]) for words in _lines(script) if words[0] == "echo")


def powers_off(script: str) -> bool:
    """Tell whether the script has a line that begins with `poweroff`."""
    return any(words[0] == "poweroff" for words in _lines(script))


def _lines(script: str) -> Iterator[list[str]]:
    lines = (line.strip() for line in script.splitlines())
    told = (_words(line) for line in lines if line.startswith(("echo ", "poweroff", "exit")))
    return takewhile(lambda words: words[0] != "exit", told)


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError:
        return line.split()
