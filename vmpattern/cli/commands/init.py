"""`vmpattern init`: a starter file."""

import click

from vmpattern.cli.command import App, Command
from vmpattern.errors import Refused
from vmpattern.files import create_text


@click.command("init", cls=Command)
@click.option("--driver", metavar="NAME", default="memory", show_default=True, help="Which cloud it starts with.")
def command(app: App, driver: str) -> int:
    """Write a commented starter file; never overwrites one.

    The memory driver simulates a cloud: it needs no account and no server. `vmpattern drivers` lists the others.
    """
    text = app.engine.starter(driver)
    try:
        create_text(app.file, text)
    except FileExistsError:
        raise Refused(f"{app.file} is there already and is left as it is; -f names another file.") from None
    except OSError as error:
        raise Refused(f"{app.file} can't be written: {error.strerror}; -f names another file.") from error
    following = [f"{app.command} plan", f"{app.command} apply", f"{app.command} status"]
    if not app.json:
        click.echo(f"Wrote {app.file}. Read it, then:")
        for line in following:
            click.echo(f"  {line}")
    app.document({"file": str(app.file), "driver": driver, "next": following})
    return 0
