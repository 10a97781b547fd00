"""`vmpattern images`: the images that were baked. `vmpattern images prune`: without those that nothing needs."""

from typing import TYPE_CHECKING

import click

from vmpattern.cli.command import App, Branch, Command
from vmpattern.cli.failures import FAILED, WrongUsage

if TYPE_CHECKING:
    from vmpattern.model import Observation
    from vmpattern.planner import ImageUse

KEEP = 3


@click.group("images", cls=Branch, invoke_without_command=True)
def command(app: App) -> int:
    """Show the images that were baked, and what each is needed for."""
    from vmpattern.report.images import images_to_json, render_images

    uses, observation = _images(app, keep=KEEP)
    app.document(images_to_json(uses, observation))
    if not app.json:
        console = app.console()
        width = console.width if console.is_terminal else None
        console.print(render_images(uses, observation, width=width), soft_wrap=width is None)
    return _status(observation)


@command.command("prune", cls=Command)
@click.option(
    "--keep",
    type=click.IntRange(min=1),
    metavar="N",
    default=KEEP,
    show_default=True,
    help="So many of each service in each cloud stay in any case, the newest.",
)
@click.option("-y", "--yes", is_flag=True, help="Delete them; without it, they are only shown.")
def prune(app: App, keep: int, yes: bool) -> int:
    """Show the images that nothing needs, and with --yes delete them.

    Never deleted is an image from which an instance runs, which a fleet of the file wants, which is being made, or of
    which that can't be told.
    """
    from vmpattern.report.images import pruned_to_json, render_images, render_pruned

    uses, observation = _images(app, keep=keep)
    useless = tuple(use for use in uses if not use.needed)
    if not yes or not useless:
        app.document(pruned_to_json(useless, None))
        if not app.json:
            app.show(render_images(useless, observation, width=None) if useless else render_pruned(None))
        if useless:
            app.tell(f"Nothing was deleted yet. Delete these:  {app.command} images prune --keep {keep} --yes")
        return _status(observation)
    pruned = app.engine.prune(app.deployment(), keep=keep)
    app.document(pruned_to_json(useless, pruned))
    if not app.json:
        app.show(render_pruned(pruned))
    return _status(observation) if pruned.ok else FAILED


def _images(app: App, *, keep: int) -> "tuple[tuple[ImageUse, ...], Observation]":
    if app.fleets:
        raise WrongUsage("images are of services, and fleets share them: leave --fleet away")
    return app.engine.images(app.deployment(), keep=keep)


def _status(observation: "Observation") -> int:
    return FAILED if any(cloud.error is not None for cloud in observation.clouds.values()) else 0
