"""Files and folders on this disk as they get into an image: bytes, whether they can be run, links. No times, no owners.

A file's mode in the image is 0755 or 0644, by whether its owner may run it here: what a umask made of the rest would
make the same recipe another one on the next machine.
"""

import enum
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import attrs

from vmpattern.errors import Problem, SpecError

PROVISION = "/etc/vmpattern/provision"
"""Where a provisioning script is while it runs; everything in that folder belongs to vmpattern."""


class Kind(enum.Enum):
    """What an entry of an image is."""

    FILE = "file"
    PROGRAM = "program"
    FOLDER = "folder"
    LINK = "link"


@attrs.frozen(kw_only=True)
class Entry:
    """One file, empty folder or link: its absolute path in the image, and where its bytes are, or where it leads."""

    path: str
    kind: Kind
    file: Path | None = None
    leads_to: str = ""

    def read(self) -> bytes:
        """Return the bytes; none of a folder or link."""
        return b"" if self.file is None else self.file.read_bytes()


@attrs.frozen(kw_only=True)
class Source:
    """What one line of `files` brings into the image, sorted by path."""

    path: str
    entries: tuple[Entry, ...]


def read_source(directory: Path, name: str, path: str, *, field: str) -> Source:
    """Look at a file, or at everything in a folder, that goes to `path` in the image.

    Raises:
        SpecError: it isn't there, or is, or holds, something else than files, folders and links.
    """
    root = directory / name
    target = path.rstrip("/")
    if root.is_dir():
        entries = tuple(sorted(_walk(root, target, field), key=lambda entry: entry.path))
    elif root.is_file():
        entries = (_file(root, target),)
    else:
        wrong = "is neither a file nor a folder" if root.exists() else "isn't there"
        raise SpecError([Problem(field, f"{name} {wrong}; paths start at {directory.absolute()}")])
    return Source(path=path, entries=entries)


def read_script(directory: Path, name: str, *, field: str) -> Source:
    """Look at a provisioning script; whether it can be run here doesn't matter.

    Raises:
        SpecError: it isn't there, or is no file.
    """
    if (directory / name).is_dir():
        raise SpecError([Problem(field, f"{name} is a folder; expected a script")])
    source = read_source(directory, name, PROVISION, field=field)
    return attrs.evolve(source, entries=tuple(attrs.evolve(entry, kind=Kind.PROGRAM) for entry in source.entries))


def fingerprint(source: Source) -> str:
    """Return a digest of what the source brings: paths in the image, kinds, bytes.

    Raises:
        OSError: a file can't be read.
    """
    whole = hashlib.sha256()
    for entry in source.entries:
        inner = os.path.relpath(entry.path, source.path)
        whole.update(f"{inner}\0{entry.kind.value}\0{entry.leads_to}\0".encode(errors="surrogateescape"))
        whole.update(_digest(entry.file))
    return whole.hexdigest()


def _digest(path: Path | None) -> bytes:
    if path is None:
        return b""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _walk(root: Path, target: str, field: str) -> Iterator[Entry]:
    for folder, folders, files in os.walk(root):
        here = Path(folder)
        inside = PurePosixPath(target, *here.relative_to(root).parts)
        for name in [*files, *(name for name in folders if (here / name).is_symlink())]:
            path = here / name
            if path.is_symlink():
                yield Entry(path=str(inside / name), kind=Kind.LINK, leads_to=os.readlink(path))
            elif path.is_file():
                yield _file(path, str(inside / name))
            else:
                raise SpecError([Problem(field, f"{path} is neither a file, a folder nor a link")])
        if not files and not folders:
            yield Entry(path=str(inside), kind=Kind.FOLDER)


def _file(path: Path, target: str) -> Entry:
    kind = Kind.PROGRAM if path.stat().st_mode & 0o100 else Kind.FILE
    return Entry(path=target, kind=kind, file=path)
