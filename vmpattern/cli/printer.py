"""Where commands print: a console that takes text as it is, and goes quiet when nobody reads any more."""

from rich.console import Console

from vmpattern.cli.streams import silence


class Printer(Console):
    """A console without markup; `vmpattern plan | head` isn't an error, and never ends an apply in the middle."""

    def __init__(self, *, stderr: bool, color: bool) -> None:
        super().__init__(
            stderr=stderr, color_system="auto" if color else None, highlight=False, markup=False, emoji=False
        )

    def on_broken_pipe(self) -> None:
        """Print nothing from now on."""
        self.quiet = True
        silence(self.file)
