"""Answers one HTTP request on standard input: a file of the folder named by the first argument, until it expires.

QEMU starts this for each connection that a builder makes to the address of staged data: no port is open, nothing runs
in between. It is run as a file by itself, so it imports nothing of this package.
"""

import re
import sys
import time
from pathlib import Path
from typing import BinaryIO

LONGEST_LINE = 4096


def answer(folder: Path, request: BinaryIO, reply: BinaryIO, *, now: float) -> None:
    """Read a request and write the reply; a file has expired once its time of modification has come."""
    words = request.readline(LONGEST_LINE).split()
    while request.readline(LONGEST_LINE).strip():
        pass
    name = words[1].decode(errors="replace").lstrip("/") if len(words) > 1 else ""
    path = folder / name
    if not re.fullmatch("[0-9a-f]{8,64}", name) or not path.is_file() or path.stat().st_mtime <= now:
        reply.write(b"HTTP/1.0 404 Not Found\r\nContent-Length: 0\r\n\r\n")
        return
    data = path.read_bytes()
    reply.write(b"HTTP/1.0 200 OK\r\nContent-Type: application/octet-stream\r\n")
    reply.write(b"Content-Length: %d\r\n\r\n" % len(data))
    reply.write(data)


if __name__ == "__main__":
    answer(Path(sys.argv[1]), sys.stdin.buffer, sys.stdout.buffer, now=time.time())
