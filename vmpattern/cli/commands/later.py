"""The commands that come with a later version say so."""

import click

from vmpattern.cli.failures import WrongUsage


def later(name: str) -> click.Command:
    """Return a command that takes anything and refuses it in one sentence."""

    @click.command(name, hidden=True, context_settings={"ignore_unknown_options": True, "help_option_names": []})
    @click.argument("words", nargs=-1, type=click.UNPROCESSED)
    def command(words: tuple[str, ...]) -> None:
        raise WrongUsage(f"{name} comes with a later version of vmpattern.")

    return command
