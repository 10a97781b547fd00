"""A recipe's files as one archive: the same bytes for the same recipe, on every machine and at any time."""

import gzip
import io
import math
import tarfile
from collections.abc import Iterable
from pathlib import Path

from vmpattern.model import Recipe, RemoteFile
from vmpattern.recipe.sources import Entry, Kind, read_script, read_source

MODES = {Kind.FILE: 0o644, Kind.PROGRAM: 0o755, Kind.FOLDER: 0o755, Kind.LINK: 0o777}
TYPES = {Kind.FILE: tarfile.REGTYPE, Kind.PROGRAM: tarfile.REGTYPE, Kind.FOLDER: tarfile.DIRTYPE}


def pack(recipe: Recipe, directory: Path, *, field: str) -> bytes:
    """Return the recipe's own files and its script as a gzipped tar, to be unpacked at the root of the image.

    What is fetched by URL isn't in it.

    Raises:
        SpecError: a source isn't there.
        OSError: one can't be read.
    """
    return _packed(recipe, directory, field, math.inf)


def packed_bytes(recipe: Recipe, directory: Path, *, field: str, most: int) -> int:
    """Return how many bytes `pack` returns, `most` + 1 for all that is more: the rest isn't waited for.

    Raises:
        SpecError: a source isn't there.
        OSError: one can't be read.
    """
    try:
        return min(len(_packed(recipe, directory, field, most)), most + 1)
    except _Enough:
        return most + 1


class _Enough(Exception):
    """More is packed than anybody wants to know of."""


class _Content(io.BytesIO):
    """The bytes of an entry, until more than so many are packed."""

    def __init__(self, data: bytes, packed: io.BytesIO, most: float) -> None:
        super().__init__(data)
        self._packed = packed
        self._most = most

    def read(self, size: int | None = -1, /) -> bytes:
        """Read on.

        Raises:
            _Enough: more is packed.
        """
        if self._packed.tell() > self._most:
            raise _Enough
        return super().read(size)


def _packed(recipe: Recipe, directory: Path, field: str, most: float) -> bytes:
    entries = list(_script(recipe, directory, field))
    for target, source in sorted(recipe.files.items()):
        if not isinstance(source, RemoteFile):
            entries += read_source(directory, source, target, field=f'{field}.files["{target}"]').entries
    packed = io.BytesIO()
    # The name and time of a gzip header would tell archives apart that hold the same.
    with (
        gzip.GzipFile(filename="", fileobj=packed, mode="wb", mtime=0) as squeezed,
        tarfile.open(fileobj=squeezed, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for entry in sorted(entries, key=lambda entry: entry.path):
            data = entry.read()
            tar.addfile(_member(entry, len(data)), _Content(data, packed, most))
    return packed.getvalue()


def _script(recipe: Recipe, directory: Path, field: str) -> Iterable[Entry]:
    if recipe.provision is None:
        return ()
    return read_script(directory, recipe.provision, field=f"{field}.provision").entries


def _member(entry: Entry, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(entry.path.lstrip("/"))
    member.mode, member.size = MODES[entry.kind], size
    member.type = TYPES.get(entry.kind, tarfile.SYMTYPE)
    member.linkname = entry.leads_to
    return member
