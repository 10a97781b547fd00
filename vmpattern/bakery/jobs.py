"""Whose a builder is: jobs that exclude each other by the same locks are one, so that a later one takes over.

A job that holds the lock of a digest is the only one of its name that bakes it. What bears its name and was there
before was left by a job that is over, however that ended.
"""

import os
import secrets
import socket
from pathlib import Path

from vmpattern import naming
from vmpattern.access.leases import lock_folder

NAME = "job"
SIZE = 8


def job_name(cloud: str, *, folder: Path | None = None) -> str:
    """Return the name of the jobs that bake in a cloud and take their locks in a folder, as it stands in labels.

    The folder gets a random number once. A copy of it, elsewhere or beside it, holds other locks and is another name.

    Args:
        cloud: the file's name for the cloud.
        folder: that of the lock files; the user's state folder by default.
    """
    path = (folder or lock_folder()) / NAME
    if not path.exists():
        _create(path)
    where = path.stat()
    return naming.digest(path.read_text("ascii"), socket.gethostname(), where.st_dev, where.st_ino, cloud, size=SIZE)


def lock_name(deployment: str, cloud: str, digest: str) -> str:
    """Return the name of the lock that one bake of a digest at a time holds."""
    return f"{deployment}.{cloud}.{digest}"


def _create(path: Path) -> None:
    """Write a random number, whole or not at all; another process may do the same at the same time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{NAME}.{secrets.token_hex(4)}")
    new.write_text(secrets.token_hex(16), "ascii")
    try:
        os.link(new, path)
    except FileExistsError:
        pass
    except OSError:
        # There are no links here. Of two that come at once, one gets another name than the jobs after it.
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)
