"""A kernel as QEMU can start it without its packing: to unpack it takes an emulated processor a second of each boot.

Values only.

Source:
    The Linux x86 boot protocol, Documentation/arch/x86/boot.rst, and the notes of PVH in Xen's
    include/public/elfnote.h (read 2026-11).
"""

import struct
import zlib
from collections.abc import Iterator

SECTOR = 512
MAGIC, MAGIC_AT = b"HdrS", 0x202
SECTORS_AT, PAYLOAD_AT = 0x1F1, 0x248
GZIP, ELF = b"\x1f\x8b", b"\x7fELF"
NOTE = 4
ENTRY = (b"Xen\0", 18)
"""The note of a kernel that can be entered as it is."""


def unpacked(kernel: bytes) -> bytes | None:
    """Return what a kernel unpacks itself to, None where QEMU couldn't start that."""
    if kernel[MAGIC_AT : MAGIC_AT + len(MAGIC)] != MAGIC:
        return None
    offset, size = struct.unpack_from("<II", kernel, PAYLOAD_AT)
    begin = (kernel[SECTORS_AT] + 1) * SECTOR + offset
    payload = kernel[begin : begin + size]
    if not payload.startswith(GZIP):
        return None
    try:
        found = zlib.decompressobj(wbits=31).decompress(payload)
    except zlib.error:
        return None
    return found if found.startswith(ELF) and ENTRY in _notes(found) else None


def _notes(elf: bytes) -> Iterator[tuple[bytes, int]]:
    """Yield the owner and the kind of every note."""
    (table,) = struct.unpack_from("<Q", elf, 32)
    size, count = struct.unpack_from("<HH", elf, 54)
    for number in range(count):
        kind, _, at, _, _, length = struct.unpack_from("<IIQQQQ", elf, table + number * size)
        if kind == NOTE:
            yield from _notes_in(elf[at : at + length])


def _notes_in(segment: bytes) -> Iterator[tuple[bytes, int]]:
    at = 0
    while at + 12 <= len(segment):
        owner, content, kind = struct.unpack_from("<III", segment, at)
        yield segment[at + 12 : at + 12 + owner], kind
        at += 12 + _padded(owner) + _padded(content)


def _padded(size: int) -> int:
    return (size + 3) // 4 * 4
