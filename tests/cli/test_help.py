"""What `vmpattern --help` costs: nothing that it doesn't need is imported."""

import json
import subprocess
import sys

import pytest

HEAVY = {"click", "rich", "attr", "attrs", "cattrs", "hypothesis", "libcloud", "tenacity", "sqlalchemy", "inspect"}
REPORT = "import json, sys; from vmpattern.cli import main; status = main(sys.argv[1:]); " + (
    "print(json.dumps([status, sorted(sys.modules)]), file=sys.stderr)"
)


def modules(*words: str) -> tuple[int, set[str]]:
    ran = subprocess.run([sys.executable, "-c", REPORT, *words], capture_output=True, text=True, check=True)
    status, names = json.loads(ran.stderr.splitlines()[-1])
    return status, set(names)


@pytest.mark.parametrize("word", ["--help", "-h"])
def test_the_overview_imports_nothing_heavy(word: str) -> None:
    status, names = modules(word)

    assert (0, set()) == (status, HEAVY & names)


@pytest.mark.parametrize("name", ["plan", "apply", "status", "destroy", "doctor", "drivers"])
def test_the_help_of_a_command_imports_no_library_of_the_work(name: str) -> None:
    status, names = modules(name, "--help")

    assert (0, set()) == (status, {"rich", "cattrs", "hypothesis", "libcloud", "tenacity", "vmpattern.model"} & names)


def test_completion_knows_the_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    environment = {"_VMPATTERN_COMPLETE": "bash_complete", "COMP_WORDS": "vmpattern s", "COMP_CWORD": "1"}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    ran = subprocess.run([sys.executable, "-m", "vmpattern"], capture_output=True, text=True, check=True)

    assert ["plain,status", "plain,scale"] == ran.stdout.split()
