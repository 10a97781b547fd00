"""The commands in the documentation are run, and print what the pages say they print.

A `console` block has commands after `$`, each with the lines that it prints below it; a line `...` stands for any
number of lines. A block with a caption writes the file of that name, or edits it if the block is a diff.
`VMPATTERN_REWRITE=1 pytest tests/repo/test_docs_run.py` writes what is printed into the pages.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import attrs
import pytest

ROOT = Path(__file__).resolve().parents[2]
REWRITE = "VMPATTERN_REWRITE" in os.environ
BLOCK = re.compile(
    r"^```(?P<kind>console|\{code-block\} \w+)\n(?:(?P<options>(?::[^\n]*\n)+)\n?)?(?P<body>.*?)^```$", re.M | re.S
)

RUNS = (
    pytest.param(
        ["tutorial/first-fleet.md", "tutorial/rolling-change.md", "tutorial/failing-launch.md"], id="the tutorial"
    ),
    pytest.param(["how-to/bake.md"], id="baking"),
    pytest.param(["how-to/read-a-plan.md"], id="reading a plan"),
    pytest.param(["how-to/save-a-plan.md"], id="saving a plan"),
    pytest.param(["how-to/rollout-knobs.md"], id="rollout knobs"),
    pytest.param(["how-to/ci.md"], id="in CI"),
)


@attrs.define
class Shell:
    """A folder in which commands are run one after another; `status` is that of the last one."""

    folder: Path
    status: int = 0

    def run(self, command: str) -> str:
        scripts = Path(sys.executable).parent
        environment = {
            **os.environ,
            "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}",
            "COLUMNS": "100",
            "PYTHONIOENCODING": "utf-8",
            "PYTHONUNBUFFERED": "1",
            "XDG_STATE_HOME": str(self.folder / ".state"),
        }
        done = subprocess.run(
            ["sh", "-c", f"(exit {self.status}); {command}"],
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            timeout=300,
        )
        self.status = done.returncode
        return "".join(f"{line.rstrip()}\n" for line in done.stdout.splitlines())


def run_page(page: Path, shell: Shell) -> tuple[str, str]:
    """Return the page's text as it is, and as it is with what the commands printed."""
    text = page.read_text("utf-8")
    parts, end = list[str](), 0
    for block in BLOCK.finditer(text):
        body = block["body"]
        name = re.search(r":caption: (\S+)", block["options"] or "")
        if block["kind"] == "console":
            body = "".join(run_commands(body, shell))
        elif name and block["kind"].endswith("diff"):
            edit(shell.folder / name[1], body)
        elif name:
            (shell.folder / name[1]).write_text(body, "utf-8")
        parts += [text[end : block.start("body")], body]
        end = block.end("body")
    return text, "".join([*parts, text[end:]])


def run_commands(body: str, shell: Shell) -> Iterator[str]:
    """Yield the lines of a block anew: each command, and what it printed, with the page's own omissions."""
    lines = body.splitlines(keepends=True)
    while lines:
        command = lines.pop(0)
        assert command.startswith("$ "), f"a block of commands begins with {command!r}"
        expected = list[str]()
        while lines and not lines[0].startswith("$ "):
            expected.append(lines.pop(0))
        yield command
        yield from told(expected, shell.run(command[2:]).splitlines(keepends=True))


def told(expected: Sequence[str], printed: Sequence[str]) -> Sequence[str]:
    """Return the expected lines if they fit what was printed, else what was printed."""
    pattern = "".join(r"(?:.*\n)*" if line == "...\n" else re.escape(line) for line in expected)
    return expected if re.fullmatch(pattern, "".join(printed)) else printed


def edit(file: Path, diff: str) -> None:
    """Replace the lines after `-` by those after `+`."""
    lines = diff.splitlines(keepends=True)
    before = "".join(line[1:] for line in lines if not line.startswith("+"))
    after = "".join(line[1:] for line in lines if not line.startswith("-"))
    text = file.read_text("utf-8")
    assert before in text, f"{file.name} hasn't the lines\n{before}"
    file.write_text(text.replace(before, after, 1), "utf-8")


@pytest.mark.parametrize("pages", RUNS)
def test_the_pages_show_what_the_commands_print(pages: list[str], tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    paths = [ROOT / "docs" / page for page in pages]
    if shutil.which("jq") is None and any("jq " in path.read_text("utf-8") for path in paths):
        pytest.skip("a command of these pages is jq, which isn't installed")
    for path in paths:
        shown, printed = run_page(path, shell)
        if REWRITE:
            path.write_text(printed, "utf-8")
        else:
            assert shown.splitlines() == printed.splitlines()
