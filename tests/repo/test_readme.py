"""The README shows what the quickstart prints (`VMPATTERN_REWRITE=1` writes it there), and its program runs."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = re.compile(r"```python\n(.*?)```", re.S)
PLAN = re.compile(r"(?<=<!-- plan:begin -->\n)(.*)(?=<!-- plan:end -->)", re.S)


def run(folder: Path, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env={**os.environ, "COLUMNS": "100", "PYTHONIOENCODING": "utf-8", "XDG_STATE_HOME": str(folder / ".state")},
        capture_output=True,
        encoding="utf-8",
    )
    assert "Traceback" not in done.stderr
    return "".join(f"{line.rstrip()}\n" for line in done.stdout.splitlines())


def vmpattern(folder: Path, *words: str) -> str:
    return run(folder, "-m", "vmpattern", "-f", "examples/quickstart/vmpattern.toml", *words)


def copy_quickstart(folder: Path) -> Path:
    quickstart = folder / "examples/quickstart"
    shutil.copytree(ROOT / "examples/quickstart", quickstart, ignore=shutil.ignore_patterns(".vmpattern"))
    return quickstart / "vmpattern.toml"


def test_the_plan_in_the_readme_is_what_the_command_prints(tmp_path: Path) -> None:
    file = copy_quickstart(tmp_path)
    vmpattern(tmp_path, "apply", "--yes")
    file.write_text(file.read_text("utf-8").replace('"img-web-1"', '"img-web-2"'), "utf-8")
    command = "$ vmpattern -f examples/quickstart/vmpattern.toml plan"
    printed = f"```console\n{command}\n{vmpattern(tmp_path, 'plan')}```\n"

    readme = ROOT / "README.md"
    text = readme.read_text("utf-8")
    if "VMPATTERN_REWRITE" in os.environ:
        readme.write_text(PLAN.sub(lambda _: printed, text), "utf-8")
    else:
        assert [printed] == PLAN.findall(text)


def test_the_program_in_the_readme_runs(tmp_path: Path) -> None:
    copy_quickstart(tmp_path)
    (program,) = PROGRAM.findall((ROOT / "README.md").read_text("utf-8"))
    printed = run(tmp_path, "-c", program)

    assert printed.startswith("web: 6 new, 0 replaced, 0 ended\n")
    assert printed.count(" ready\n") == 6
