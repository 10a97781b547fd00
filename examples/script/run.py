"""Runs the script as its users would, and checks what it says: a first deployment, nothing to do, too much to do."""

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def deploy(*words: str) -> tuple[int, str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", HERE / "deploy.sh", *words], env={**os.environ, "PATH": path}, stdout=subprocess.PIPE, text=True
    )
    print(done.stdout, end="")
    return done.returncode, done.stdout


def expect(expected: int, text: str, got: tuple[int, str]) -> None:
    if got[0] != expected or text not in got[1]:
        sys.exit(f"expected the status {expected} and {text!r}, found the status {got[0]} and {got[1]!r}")


def main() -> None:
    file = HERE / "vmpattern.toml"
    expect(0, "api: 6 ready\ncomplete\n", deploy())
    expect(0, "nothing to do\n", deploy())
    file.write_text(file.read_text("utf-8").replace("img-api-1", "img-api-2"), "utf-8")
    expect(3, "api: 0 new, 6 replaced, 0 ended\n", deploy("3"))
    expect(0, "api: 6 ready\ncomplete\n", deploy("6"))


if __name__ == "__main__":
    main()
