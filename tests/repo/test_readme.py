"""The README shows what the quickstart's commands print; `VMPATTERN_REWRITE=1` writes it there."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PLAN = re.compile(r"(?<=<!-- plan:begin -->\n)(.*)(?=<!-- plan:end -->)", re.S)


def vmpattern(folder: Path, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "vmpattern", "-f", "examples/quickstart/vmpattern.toml", *words],
        cwd=folder,
        env={**os.environ, "COLUMNS": "100", "PYTHONIOENCODING": "utf-8", "XDG_STATE_HOME": str(folder / ".state")},
        capture_output=True,
        encoding="utf-8",
    )
    assert not done.stderr.startswith("Traceback")
    return "".join(f"{line.rstrip()}\n" for line in done.stdout.splitlines())


def test_the_plan_in_the_readme_is_what_the_command_prints(tmp_path: Path) -> None:
    shutil.copytree(
        ROOT / "examples" / "quickstart", tmp_path / "examples/quickstart", ignore=shutil.ignore_patterns(".vmpattern")
    )
    file = tmp_path / "examples/quickstart/vmpattern.toml"
    vmpattern(tmp_path, "apply", "--yes")
    file.write_text(file.read_text("utf-8").replace('"img-web-1"', '"img-web-2"'), "utf-8")
    command = "$ vmpattern -f examples/quickstart/vmpattern.toml plan"
    printed = f"```console\n{command}\n{vmpattern(tmp_path, 'plan')}```\n"

    readme = ROOT / "README.md"
    text = readme.read_text("utf-8")
    if "VMPATTERN_REWRITE" in os.environ:
        readme.write_text(PLAN.sub(lambda _: printed, text), "utf-8")
    else:
        shown = PLAN.search(text)

        assert shown and printed == shown[1]
