"""Answers one HTTP request on standard input as a cloud's metadata service: with the file of that path in a folder.

QEMU starts this for each connection that a VM makes to the service's address, so it imports nothing of the tests. A
file `busy` in the folder makes it fail, once.
"""

import sys
from pathlib import Path


def answer(folder: Path, path: str) -> tuple[str, bytes]:
    """Return the status and the data of a reply."""
    try:
        (folder / "busy").unlink()
    except FileNotFoundError:
        found = folder / path.lstrip("/")
        return ("200 OK", found.read_bytes()) if found.is_file() else ("404 Not Found", b"")
    return "503 Service Unavailable", b""


if __name__ == "__main__":
    _, asked, _ = sys.stdin.readline().split()
    while sys.stdin.readline().strip():
        pass
    status, data = answer(Path(sys.argv[1]), asked)
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(data)}\r\nConnection: close\r\n\r\n"
    sys.stdout.buffer.write(head.encode() + data)
