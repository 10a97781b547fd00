"""Starting: the command line beside an empty Python, by turns, and what each imports.

The installed command is taken where there is one, else `python -m vmpattern`. Planning needs the installed drivers.
Each command runs once before it is measured, and Python's bytecode caches are on, as after an installation by pip:
compiling vmpattern's own modules anew each time would take as long as half of the rest.
"""

import shutil
import sys
import tempfile
from pathlib import Path

from benchmarks.spending import Deadline, Failed, Spent, best_and_median, run, with_bytecode
from benchmarks.tables import Cell, Report, Table

EXAMPLE = Path(__file__).parents[1] / "examples" / "quickstart" / "vmpattern.toml"
ROUNDS = 15
GOOD = (0, 2)
"""Exit codes: nothing to do, or something, as `plan` says."""

IMPORTED = """
import sys
from vmpattern.cli import main
sys.argv[0] = "vmpattern"
try:
    main()
except SystemExit:
    pass
print(len(sys.modules), any(name.partition(".")[0] == "libcloud" for name in sys.modules))
"""


def report(deadline: Deadline) -> Report:
    """Measure the commands by turns, as long as there is time."""
    with tempfile.TemporaryDirectory() as folder:
        file = shutil.copy(EXAMPLE, folder)
        installed = shutil.which("vmpattern", path=str(Path(sys.executable).parent))
        vmpattern = [installed] if installed else [sys.executable, "-m", "vmpattern"]
        arguments = {"vmpattern --help": ["--help"], "vmpattern plan (quickstart)": ["-f", file, "plan"]}
        commands = {"python -c pass": [sys.executable, "-c", "pass"]}
        commands |= {title: [*vmpattern, *given] for title, given in arguments.items()}
        env = with_bytecode(Path(folder, "bytecode"))
        for command in commands.values():
            run(command, timeout_s=60.0, env=env, good=range(256))
        samples: dict[str, list[Spent]] = {title: [] for title in commands}
        troubles: dict[str, str] = {}
        for _ in range(ROUNDS):
            if deadline.is_over() and all(samples.values()):
                break
            for title, command in commands.items():
                if title not in troubles:
                    try:
                        samples[title].append(run(command, timeout_s=60.0, env=env, good=GOOD)[0])
                    except Failed as error:
                        troubles[title] = f"`{title}` skipped: {error}"
        modules = {title: _imported(given) for title, given in arguments.items() if title not in troubles}
    least = best_and_median([spent.wall_s for spent in samples["python -c pass"]])[0]
    rows = [[title, *_figures(spent, least), *modules.get(title, (None, None))] for title, spent in samples.items()]
    columns = [
        "command",
        "wall s, best",
        "median",
        "CPU s, best",
        "median",
        "times pass",
        "modules",
        "libcloud",
    ]
    kind = "The installed command." if installed else "As `python -m vmpattern`."
    note = " ".join([kind, "Best against best: `times pass`.", *troubles.values()])
    raw = {title: [[spent.wall_s, spent.cpu_s] for spent in taken] for title, taken in samples.items()}
    return Report("start", [Table("start: whole processes, by turns", columns, rows, note)], raw)


def _figures(spent: list[Spent], least: float) -> list[Cell]:
    if not spent:
        return [None] * 5
    wall, cpu = best_and_median([one.wall_s for one in spent]), best_and_median([one.cpu_s for one in spent])
    return [*wall, *cpu, wall[0] / least]


def _imported(arguments: list[str]) -> tuple[int, str]:
    """Count the modules of a command, and tell whether a cloud library is among them."""
    _, text = run([sys.executable, "-c", IMPORTED, *arguments], timeout_s=60.0)
    count, libcloud = text.strip().splitlines()[-1].split()
    return int(count), "imported" if libcloud == "True" else "no"
