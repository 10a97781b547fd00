"""One apply a fleet at a time on one machine: a lock file each, released when the process ends, however it ends.

What locks and finds folders is imported where it is used: a plan needs neither, and shall start fast.
"""

from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from vmpattern.errors import Locked


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
    from filelock import FileLock, Timeout

    folder = folder or lock_folder()
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as held:
        for fleet in sorted(fleets):
            lock = FileLock(folder / f"{deployment}.{fleet}.lock")
            try:
                held.enter_context(lock.acquire(timeout=wait_s))
            except Timeout:
                message = f"another apply on this machine is changing fleet {fleet} of {deployment}: wait for its end"
                raise Locked(message) from None
        yield
