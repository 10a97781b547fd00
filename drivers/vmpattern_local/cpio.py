"""The archive that a kernel takes as its first file system: "newc" of cpio, read and written. Values only.

Source:
    cpio(5), and Documentation/driver-api/early-userspace/buffer-format.rst of Linux (read 2026-11).
"""

from collections.abc import Iterable, Iterator

import attrs

MAGIC = b"070701"
END = "TRAILER!!!"
HEADER = 110


@attrs.frozen
class Entry:
    """One file, folder or link: its path without a leading slash, its mode with the file's type, its content."""

    name: str
    mode: int
    body: bytes = b""

    @property
    def is_plain(self) -> bool:
        """Whether it is a file with content."""
        return self.mode >> 12 == 0o10


def read(data: bytes) -> Iterator[Entry]:
    """Yield the entries of an archive, in its order.

    Raises:
        ValueError: it isn't one.
    """
    offset = 0
    while True:
        if data[offset : offset + 6] != MAGIC:
            raise ValueError(f"no cpio archive: no entry begins at byte {offset}")
        header = data[offset : offset + HEADER]
        fields = [int(header[place : place + 8], 16) for place in range(6, HEADER, 8)]
        mode, size, name_size = fields[1], fields[6], fields[11]
        name = data[offset + HEADER : offset + HEADER + name_size - 1].decode()
        begin = _padded(offset + HEADER + name_size)
        if name == END:
            return
        yield Entry(name, mode, data[begin : begin + size])
        offset = _padded(begin + size)


def write(entries: Iterable[Entry]) -> bytes:
    """Return the archive of these entries; the same entries give the same bytes."""
    out = bytearray()
    for number, entry in enumerate((*entries, Entry(END, 0)), start=1):
        name = entry.name.encode() + b"\0"
        fields = (number, entry.mode, 0, 0, 1, 0, len(entry.body), 0, 0, 0, 0, len(name), 0)
        out += MAGIC + b"".join(b"%08X" % field for field in fields) + name
        out += bytes(-len(out) % 4) + entry.body
        out += bytes(-len(out) % 4)
    return bytes(out)


def _padded(offset: int) -> int:
    return (offset + 3) // 4 * 4
