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
    "listing",
    "optional",
    "owning",
    "quiet",
]
