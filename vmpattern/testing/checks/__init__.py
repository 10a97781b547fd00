"""The checks, a module for each part of the contract. Importing this registers them, in the order of the page."""

# isort: off
from vmpattern.testing.checks import (
    facts,
    imaging,
    listing,
    launching,
    answering,
    ending,
    owning,
    errors,
    quiet,
    foresight,
    limits,
    optional,
    histories,
)

__all__ = [
    "answering",
    "ending",
    "errors",
    "facts",
    "foresight",
    "histories",
    "imaging",
    "launching",
    "limits",
    "listing",
    "optional",
    "owning",
    "quiet",
]
