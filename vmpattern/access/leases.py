"""One apply a fleet at a time on one machine: a lock file each, released when the process ends, however it ends.

What locks and finds folders is imported where it is used: most commands lock nothing, and shall start fast.
"""

from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from vmpattern.errors import Locked, Refused


def lock_folder() -> Path:
    """Return where the lock files are: the user's state folder, the same for every working directory."""
    from platformdirs import user_state_path

    return user_state_path("vmpattern") / "locks"


@contextmanager
def fleets_locked(
    deployment: str, fleets: Sequence[str], *, folder: Path | None = None, wait_s: float = 0.0
) -> Generator[None, None, None]:
    """Hold the locks of these fleets, all or none, in sorted order so that two applies can't block each other.

    It excludes this machine's processes only; a store will exclude other machines.

    Raises:
        Locked: another apply holds one of them after `wait_s` seconds.
    """

    def refused(name: str) -> Locked:
        fleet = name.rpartition(".")[2]
        return Locked(f"another apply on this machine is changing fleet {fleet} of {deployment}: wait for its end")

    with locked([f"{deployment}.{fleet}" for fleet in fleets], folder=folder, wait_s=wait_s, refused=refused):
        yield


@contextmanager
def locked(
    names: Sequence[str], *, folder: Path | None, wait_s: float, refused: Callable[[str], Locked | None]
) -> Generator[None, None, None]:
    """Hold the locks of these names, all or none, in sorted order.

    Args:
        refused: asked whenever another process has held a lock for `wait_s` seconds, with its name: the error to raise,
            or None to go on waiting.

    Raises:
        Locked: what `refused` returned.
        Refused: there can't be locks in the folder.
    """
    from filelock import FileLock, Timeout

    folder = folder or lock_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as wrong:
        way = "let XDG_STATE_HOME name a folder that can be written to"
        raise Refused(f"no lock can be taken in {folder}: {wrong.strerror}. Nothing was touched; {way}.") from wrong
    with ExitStack() as held:
        for name in sorted(names):
            lock = FileLock(folder / f"{name}.lock")
            while not lock.is_locked:
                try:
                    held.enter_context(lock.acquire(timeout=wait_s))
                except Timeout:
                    if error := refused(name):
                        raise error from None
        yield
