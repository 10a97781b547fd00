"""Every check by name: `python -m nox` runs the default ones in the environment that it is started in."""

import os
import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import nox

nox.options.default_venv_backend = "none"

ELSEWHERE = {
    "openstack": "because it needs a cloud: python -m nox -s openstack",
}
"""Examples that aren't carried out with the others, and why."""
LAB = Path("tests/drivers/openstack/lab")
SIDE_BY_SIDE = ("-n", str(max(3, os.cpu_count() or 1)), "--dist", "worksteal")
"""More tests at once than two cores carry out: many of them wait."""


def python(session: nox.Session, *arguments: str | Path, **options: object) -> None:
    session.run(sys.executable, *map(str, arguments), external=True, **options)


@nox.session
def lint(session: nox.Session) -> None:
    """Rules and format."""
    python(session, "-m", "ruff", "check")
    python(session, "-m", "ruff", "format", "--check")


@nox.session
def types(session: nox.Session) -> None:
    """Both type checkers, strictly."""
    python(session, "-m", "mypy")
    python(session, "-m", "pyright", "--pythonpath", sys.executable)


@nox.session
def tests(session: nox.Session) -> None:
    """The tests, side by side, as many of them wait; arguments after -- go to pytest instead."""
    python(session, "-m", "pytest", *(session.posargs or SIDE_BY_SIDE))


@nox.session
def docs(session: nox.Session) -> None:
    """The pages, no warning allowed, and every `>>>` example in pages and docstrings."""
    python(session, "-m", "sphinx", "-q", "-n", "-W", "--keep-going", "docs", "docs/_build/html")
    doctest = [
        "--doctest-modules",
        "--doctest-glob=*.md",
        "--ignore=drivers/example/tests",
        "vmpattern",
        "drivers",
        "docs",
        "README.md",
    ]
    python(session, "-m", "pytest", "-q", *doctest, success_codes=[0, 5])  # 5: there are none


@nox.session
def examples(session: nox.Session) -> None:
    """Carries out a fresh copy of every example but those in ELSEWHERE: its run.py, or else its deployment."""
    with TemporaryDirectory() as folder:
        copy = shutil.copytree("examples", Path(folder, "examples"), ignore=shutil.ignore_patterns(".vmpattern"))
        for example in sorted(path for path in copy.iterdir() if path.is_dir()):
            if example.name in ELSEWHERE:
                session.log(f"{example.name} is skipped, {ELSEWHERE[example.name]}")
            elif (example / "run.py").exists():
                python(session, example / "run.py")
            else:
                python(session, "-m", "vmpattern", "-f", example / "vmpattern.toml", "apply", "--yes")


@nox.session(default=False)
def openstack(session: nox.Session) -> None:
    """The driver for OpenStack against a real one, which is started and stopped: as root on Debian 12."""
    codes = [0, 5] if session.posargs else [0]  # 5: what was asked for is all in another run
    env = {"OSLAB_REQUIRED": "1"}
    several_pages = {**env, "OSLAB_MAX_LIMIT": "20"}
    restart = ["env", f"PYTHONPATH={LAB}", "/usr/bin/python3", "-s", "-m", "oslab", "restart", "nova-api"]

    def check(tests: str, marks: str, *how: str, env: dict[str, str]) -> None:
        chosen = ["tests/drivers", "-k", tests, "-m", f"not long and {marks}", *how, *session.posargs]
        python(session, "-m", "pytest", *chosen, env=env, success_codes=codes)

    session.run(str(LAB / "up.sh"), external=True)
    try:
        check("test_openstack_kit", "not alone", *SIDE_BY_SIDE, env=env)
        session.run(*restart, external=True, env=several_pages)
        check("openstack", "not alone", *SIDE_BY_SIDE, env=several_pages)
        check("openstack", "alone", env=several_pages)
        session.run(str(LAB / "example.sh"), sys.executable, external=True)
    finally:
        session.run(str(LAB / "down.sh"), external=True)


@nox.session(name="laws-long", default=False)
def laws_long(session: nox.Session) -> None:
    """The laws with a hundred times the examples, newly drawn."""
    every = ["-m", "long or not long", "tests/laws"]
    python(session, "-m", "pytest", *every, *session.posargs, env={"HYPOTHESIS_PROFILE": "long"})


@nox.session(name="drivers-long", default=False)
def drivers_long(session: nox.Session) -> None:
    """The tests of drivers that take minutes: applies that are killed again and again."""
    python(session, "-m", "pytest", "-m", "long", "tests/drivers", *session.posargs)


@nox.session(default=False)
def benchmarks(session: nox.Session) -> None:
    """Each prints a table and writes JSON; after -- come names, or --page docs/explanation/performance.md."""
    python(session, "-m", "benchmarks", *session.posargs)


@nox.session(venv_backend="venv", default=False)
def build(session: nox.Session) -> None:
    """Source archive and wheel; then the wheel alone, in an empty environment."""
    wheel = built(session, ".")
    session.install(str(wheel))
    session.chdir(wheel.parent)
    session.run("vmpattern", "drivers")


@nox.session(venv_backend="venv", default=False)
def example(session: nox.Session) -> None:
    """The example driver beside vmpattern, both as wheels in an empty environment: its tests, then its check."""
    wheels = built(session, "."), built(session, "drivers/example")
    session.install(f"{wheels[0]}[testing]", str(wheels[1]))
    folder = wheels[1].parent
    shutil.copytree("drivers/example/tests", folder / "tests")
    shutil.copy("drivers/example/setup.cfg", folder)
    session.chdir(folder)
    session.run("python", "-m", "pytest", *session.posargs)
    session.run("vmpattern", "drivers", "check", "example")


def built(session: nox.Session, source: str) -> Path:
    """Build a distribution's source archive, and from that its wheel, in a fresh folder."""
    folder = Path(session.create_tmp(), "dist", Path(source).name)
    shutil.rmtree(folder, ignore_errors=True)
    python(session, "-m", "build", "--outdir", folder, source)
    (wheel,) = folder.glob("*.whl")
    return wheel
