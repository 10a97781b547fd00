"""VMs of the local driver for tests: real ones under software emulation, and folders that only look like one."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs
import pytest

from vmpattern.driver import LaunchRequest, Selector
from vmpattern.model import ImageId, LaunchKey, Market, Revision
from vmpattern_local import Acceleration, LocalDriver, LocalOptions, process, vms
from vmpattern_local.vms import Record, Vms

OURS = Selector("shop")
PATIENCE_S = 240.0
"""Software emulation on a machine that is busy with other tests takes its time."""

needs_qemu = pytest.mark.skipif(
    not all(map(shutil.which, ("qemu-system-x86_64", "qemu-img"))),
    reason="because QEMU isn't installed: apt-get install -y qemu-system-x86 qemu-utils",
)


def options(**changes: object) -> LocalOptions:
    usual = LocalOptions(path=Path("local"), acceleration=Acceleration.TCG)
    return attrs.evolve(usual, **changes)


def one_vm(image: str) -> str:
    """Return a file with a fleet of one VM, whose image is as these lines say."""
    return f"""\
deployment = "shop"

[clouds.here]
driver = "local"
path = "local"
acceleration = "tcg"

[services.web]
port = 8080
resources = {{ memory = "128MiB" }}

[services.web.image]
{image}
[fleets.web]
service = "web"
size = 1
placements = [{{ cloud = "here" }}]
"""


def free_port() -> int:
    """Return a port that nobody listens on: tests may run side by side."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def local(folder: Path, *, clock: Callable[[], float] = time.time, **changes: object) -> LocalDriver:
    return LocalDriver(options(**changes), cloud="here", directory=folder, clock=clock)


def request(key: str = "k1", count: int = 1, **changes: object) -> LaunchRequest:
    usual = LaunchRequest(
        key=LaunchKey(key),
        count=count,
        deployment=OURS.deployment,
        fleet="web",
        revision=Revision("r1"),
        zone="local",
        machine_type="tiny",
        market=Market.ON_DEMAND,
        image=ImageId("alpine"),
    )
    return attrs.evolve(usual, **changes)


def wait(holds: Callable[[], object], what: str) -> None:
    """Wait until something holds; a test that waits in vain fails."""
    until = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < until, f"waited in vain for {what}"
        time.sleep(0.2)


@contextlib.contextmanager
def cleared(folder: Path) -> Iterator[None]:
    """Kill whatever a test leaves running."""
    try:
        yield
    finally:
        store = Vms(folder / "local")
        for record in store.all():
            process.kill(store.folder(record.id), record.uuid)


@attrs.frozen
class Pretended:
    """A folder that looks like a VM's; `runs` holds the process that looks like QEMU."""

    record: Record
    folder: Path
    runs: "subprocess.Popen[bytes]"


@contextlib.contextmanager
def pretended(folder: Path, *, bears_uuid: bool = True, **changes: object) -> Iterator[Pretended]:
    """Make a VM without QEMU: a process that sleeps, with or without the mark by which a VM's is known."""
    store = Vms(folder / "local")
    usual = attrs.evolve(vms.new_record(request(), 0, now=1000.0), address="127.0.0.1:9")
    record = attrs.evolve(usual, **changes)
    alive = store.create(record)
    mark = record.uuid if bears_uuid else "somebody else's"
    command = [sys.executable, "-c", "import time; print(flush=True); time.sleep(600)", mark]
    with subprocess.Popen(command, pass_fds=(alive,) if bears_uuid else (), stdout=subprocess.PIPE) as runs:
        os.close(alive)
        assert runs.stdout is not None
        runs.stdout.readline()
        place = store.folder(record.id)
        (place / process.PID).write_text(str(runs.pid))
        try:
            yield Pretended(record, place, runs)
        finally:
            runs.kill()


@contextlib.contextmanager
def control(folder: Path) -> Iterator[list[str]]:
    """Answer on a VM's control socket, and write down the commands that came."""
    heard: list[str] = []
    here = os.getcwd()
    with socket.socket(socket.AF_UNIX) as server:
        os.chdir(folder)  # the path may be longer than a socket's name
        try:
            server.bind("qmp.sock")
        finally:
            os.chdir(here)
        server.listen()

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    channel, _ = server.accept()
                    with channel, channel.makefile("rwb", buffering=0) as stream:
                        stream.write(b'{"QMP": {}}\n')
                        for line in stream:
                            heard.append(json.loads(line)["execute"])
                            stream.write(b'{"event": "X"}\n{"return": {}}\n')

        threading.Thread(target=serve, daemon=True).start()
        yield heard
        server.shutdown(socket.SHUT_RDWR)
