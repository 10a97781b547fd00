"""Data for builders: files in a folder, which a builder fetches from an address that only it can see."""

import contextlib
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from vmpattern import naming
from vmpattern_local import files, serving

FOLDER = "staged"
ADDRESS = "10.0.2.100"


class Staging:
    """The staged data of a root folder."""

    def __init__(self, root: Path) -> None:
        self.folder = root / FOLDER

    def stage(self, name: str, data: bytes, *, until: float, now: float) -> str:
        """Keep data until a moment, and return the URL at which builders find it; what has expired is removed."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for other in self.folder.iterdir():
            if other.stat().st_mtime <= now and not other.name.startswith("."):
                other.unlink(missing_ok=True)
        path = self._path(name)
        files.write(path, data)
        os.utime(path, (until, until))
        return f"http://{ADDRESS}/{path.name}"

    def unstage(self, names: Sequence[str]) -> None:
        """Remove data, and the folder with the last."""
        for name in names:
            self._path(name).unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self.folder.rmdir()

    def command(self) -> list[str]:
        """Return the command that answers one request for staged data."""
        return [sys.executable, "-I", serving.__file__, str(self.folder)]

    def network(self) -> str:
        """Return the part of QEMU's network that leads a builder to its data."""
        # QEMU takes a comma for the end unless it is doubled.
        command = shlex.join(self.command()).replace(",", ",,")
        return f",guestfwd=tcp:{ADDRESS}:80-cmd:{command}"

    def _path(self, name: str) -> Path:
        return self.folder / naming.digest(name, size=32)
