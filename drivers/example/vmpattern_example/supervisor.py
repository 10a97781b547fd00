"""Runs one process and ends it, apart from whoever launched it. Needs the standard library only.

The host starts it in the process's folder, with two locked files to hold; it goes on in the background. The kernel lets
go of a lock when the last holder ends, so a lock that is held says more than a process id, which is given out again:
`alive` is held by whatever runs here, `watched` by the supervisor alone. A killed process leaves both behind, free.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
import traceback
from pathlib import Path

RECORD, ENDING = Path("record.json"), Path("ending")
POLL_S = 0.1


def supervise(service: "subprocess.Popen[bytes]", *, grace_s: float) -> None:
    """Wait until the service ends, or its end is asked for or its record is gone: then make an end of it."""
    while service.poll() is None and RECORD.exists() and not ENDING.exists():
        time.sleep(POLL_S)
    if service.poll() is None:
        os.killpg(0, signal.SIGTERM)
        try:
            service.wait(grace_s)
        except subprocess.TimeoutExpired:
            service.kill()
            service.wait()
    if ENDING.exists():
        remove(Path.cwd())


def remove(folder: Path) -> None:
    """Remove a folder in one step, as others see it."""
    gone = folder.with_name(f".gone-{folder.name}")
    with contextlib.suppress(FileNotFoundError):
        folder.rename(gone)
        shutil.rmtree(gone)


def main() -> None:
    """Start the service in the background, and supervise it there; the caller waits no longer than for the start."""
    command, grace_s, alive = sys.argv[1:]
    there, started = os.pipe()
    if os.fork():
        os.close(started)
        os._exit(0 if os.read(there, 1) else 1)
    os.setsid()
    # A handler, unlike SIG_IGN, isn't passed on to the service.
    signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        service = subprocess.Popen(["/bin/sh", "-c", command], pass_fds=[int(alive)])
        os.write(started, b"1")
        os.close(started)
        supervise(service, grace_s=float(grace_s))
    except Exception:
        traceback.print_exc()
    finally:
        # Whatever the service has left running in the background, and this process, the leader of the group.
        os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main()
