"""A recipe's files as one archive: the same bytes for the same recipe, on every machine and at any time."""

import gzip
import io
import tarfile
from collections.abc import Iterable
from pathlib import Path

from vmpattern.model import Recipe, RemoteFile
from vmpattern.recipe import Entry, Kind, read_script, read_source

MODES = {Kind.FILE: 0o644, Kind.PROGRAM: 0o755, Kind.FOLDER: 0o755, Kind.LINK: 0o777}
TYPES = {Kind.FILE: tarfile.REGTYPE, Kind.PROGRAM: tarfile.REGTYPE, Kind.FOLDER: tarfile.DIRTYPE}


def pack(recipe: Recipe, directory: Path, *, field: str) -> bytes:
    """Return the recipe's own files and its script as a gzipped tar, to be unpacked at the root of the image.

    What is fetched by URL isn't in it.

    Raises:
        SpecError: a source isn't there.
        OSError: one can't be read.
    """
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
            tar.addfile(_member(entry, len(data)), io.BytesIO(data))
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
