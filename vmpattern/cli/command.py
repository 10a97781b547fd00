"""What all commands share: their options, the terminal, and the way to the deployment."""

import json
import sys
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import click

from vmpattern.cli.engine import Engine
from vmpattern.cli.failures import Interrupted, WrongUsage
from vmpattern.cli.interrupt import Interruption, raising
from vmpattern.errors import Refused

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from vmpattern.model import Deployment


@attrs.frozen(kw_only=True)
class App:
    """One call of a command: what all commands take, and where they print."""

    file: Path
    fleets: tuple[str, ...]
    json: bool
    verbose: bool
    color: bool
    engine: Engine
    interruption: Interruption = attrs.field(factory=Interruption)

    def deployment(self) -> "Deployment":
        """Read the file, and check that the fleets of --fleet are in it.

        Raises:
            SpecError: the file is wrong.
            WrongUsage: there is no file, it is a folder or a device, or a fleet isn't in it.
        """
        if not self.file.exists():
            raise WrongUsage(f"there is no file {self.file}: `vmpattern init` writes one, -f names another")
        if self.file.is_dir():
            raise WrongUsage(f"{self.file} is a folder: name a file in it, as in -f {self.file / 'vmpattern.toml'}")
        if not self.file.is_file():
            raise WrongUsage(f"{self.file} isn't a regular file: -f names the deployment's file")
        deployment = self.engine.load(self.file)
        for name in self.fleets:
            known_fleet(deployment, name)
        return deployment

    @property
    def command(self) -> str:
        """The beginning of a command line for the same file, for hints."""
        return "vmpattern" if str(self.file) == "vmpattern.toml" else f"vmpattern -f {self.file}"

    def console(self, *, err: bool = False) -> "Console":
        """Return standard output, or standard error if asked for or if only JSON may stand on standard output."""
        from vmpattern.cli.printer import Printer

        return Printer(stderr=err or self.json, color=self.color)

    def show(self, renderable: "RenderableType") -> None:
        """Print a result for people."""
        self.console().print(renderable)

    def tell(self, message: str, *, style: str = "") -> None:
        """Print a message on standard error."""
        self.console(err=True).print(message, style=style or None, soft_wrap=True)

    def document(self, value: object) -> None:
        """With --json: print the one document."""
        if self.json:
            sys.stdout.write(json.dumps(value, indent=2) + "\n")

    def confirm(self, question: str, *, answer: str = "yes") -> None:
        """Ask on the terminal, where only `answer` is a yes.

        Raises:
            WrongUsage: there is no terminal to ask on.
            Refused: the answer was another.
        """
        if not sys.stdin.isatty():
            raise WrongUsage("there is no terminal to ask on: --yes goes ahead without asking")
        said = click.prompt(f"{question} Type {answer} to go ahead", default="", show_default=False, err=True)
        if said.strip() != answer:
            raise Refused("Not confirmed; nothing was changed.")


def known_fleet(deployment: "Deployment", name: str) -> None:
    """Check that the deployment has the fleet.

    Raises:
        WrongUsage: it hasn't; the message names the nearest.
    """
    if name not in deployment.fleets:
        near = get_close_matches(name, deployment.fleets, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(deployment.fleets) or 'none'}"
        raise WrongUsage(f"{deployment.name} has no fleet {name}: {hint}")


class Command(click.Command):
    """A command with the options that all of them take; its function gets an `App` first and returns the status."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return the command's own parameters, then the shared ones."""
        own = super().get_params(ctx)
        return [*own[:-1], *SHARED, *own[-1:]]

    def invoke(self, ctx: click.Context) -> object:
        """Call the function."""
        if ctx.invoked_subcommand is not None:
            return None
        engine = ctx.find_object(Engine) or Engine()
        given = {str(option.name): _given(ctx, str(option.name)) for option in SHARED}
        for name in given:
            ctx.params.pop(name)
        app = App(
            file=given["file"] or Path("vmpattern.toml"),
            fleets=given["fleet"] or (),
            json=bool(given["json"]),
            verbose=bool(given["verbose"]),
            color=not given["no_color"],
            engine=engine,
        )
        return self.call(ctx, app)

    def call(self, ctx: click.Context, app: App) -> object:
        """Call the function."""
        assert self.callback is not None
        return ctx.invoke(self.callback, app, **ctx.params)


class Acting(Command):
    """A command that changes something: a signal stops it at any time, and it says whether anything was changed."""

    def call(self, ctx: click.Context, app: App) -> object:
        """Call the function.

        Raises:
            Interrupted: a signal came, and the function didn't end on its own.
        """
        with raising() as interruption:
            try:
                return super().call(ctx, attrs.evolve(app, interruption=interruption))
            except (KeyboardInterrupt, click.Abort) as stop:
                raise Interrupted(interruption.status, acted=interruption.acts) from stop


class Branch(click.Group, Command):
    """A command with commands of its own; its function is called where none of them is named."""


def _given(ctx: click.Context, name: str) -> Any:
    """Return what was given for an option, here or before: `drivers --json check` is `drivers check --json`.

    Of an option that may be given several times, all of it counts.
    """
    here, before = ctx.params.get(name), _given(ctx.parent, name) if ctx.parent is not None else None
    return (*before, *here) if isinstance(before, tuple) and isinstance(here, tuple) else here or before


SHARED: tuple[click.Option, ...] = (
    click.Option(["-f", "--file"], type=click.Path(path_type=Path), help="The deployment's file."),
    click.Option(["--json"], is_flag=True, help="One JSON document on standard output, nothing else there."),
    click.Option(["--fleet"], multiple=True, metavar="NAME", help="Only this fleet; give it again for more."),
    click.Option(["-v", "--verbose"], is_flag=True, help="Say more, with tracebacks of errors."),
    click.Option(["--no-color"], is_flag=True, help="No colour."),
)
YES = click.Option(["--yes", "-y"], is_flag=True, help="Go ahead without asking.")
