"""The driver `example`: every instance is a process of this machine, its console a file."""

from vmpattern_example.driver import ExampleDriver
from vmpattern_example.settings import ExampleOptions

__all__ = ["ExampleDriver", "ExampleOptions"]
