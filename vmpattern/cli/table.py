"""The commands by name, in the order in which a newcomer needs them, and the overview made of them. Imports nothing."""

COMMANDS = {
    "init": "write a commented starter file",
    "plan": "show what would change, why, how long it takes and what it costs",
    "apply": "carry out a plan, with live progress",
    "status": "show every instance: health, revision, place, age, price",
    "bake": "make the images of services, unless they are there",
    "images": "show the images, and clear away those that nothing needs",
    "scale": "give a fleet another size",
    "destroy": "end every instance",
    "doctor": "check that the clouds can be reached, and that a plan wouldn't be refused",
    "drivers": "show which clouds can be driven, and what each can do",
}

LATER = (
    "rollback",
    "rehearse",
    "history",
    "events",
    "console",
    "sweep",
    "run",
    "inventory",
)

_OVERVIEW = """\
Usage: vmpattern [-f FILE] COMMAND [ARGUMENTS]

  Service instance per VM: fleets of identical virtual machines, on any cloud.

  Start with:  vmpattern init,  vmpattern plan,  vmpattern apply

Commands:
{commands}

Options:
  -f, --file FILE  the deployment's file  [default: vmpattern.toml]
  --version        print the version
  -h, --help       print this, or after COMMAND what it takes

Every command takes, before or after COMMAND:
  --json           one JSON document on standard output, nothing else there
  --fleet NAME     only this fleet; give it again for more
  -v, --verbose    say more, with tracebacks of errors
  --no-color       no colour

Exit status: 0 done or nothing to do, 1 failed or refused, 2 (plan only) there
are changes, 64 wrong usage or file, 130 interrupted.

With a later version:
  {later}
"""


def overview() -> str:
    """Return what `vmpattern --help` prints."""
    width = max(map(len, COMMANDS)) + 2
    commands = "\n".join(f"  {name:{width}}{words}" for name, words in COMMANDS.items())
    later = ", ".join(LATER[:7]) + ",\n  " + ", ".join(LATER[7:])
    return _OVERVIEW.format(commands=commands, later=later)
