"""The checks, a module for each part of the contract. Importing this registers them, in the order of the page."""

# isort: off
from vmpattern.testing.checks import (
    facts,
    listing,
    launching,
    answering,
    ending,
    owning,
    errors,
    quiet,
    optional,
    histories,
)

__all__ = ["answering", "ending", "errors", "facts", "histories", "launching", "listing", "optional", "owning", "quiet"]
