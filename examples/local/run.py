"""Bakes a small service, runs three VMs of it behind a balancer, and rolls a change over while a client keeps asking.

Everything happens in a copy of this folder, which goes away at the end unless something in it still runs.
`--record FILE` keeps what happened as JSON, from which timeline.py draws a picture.
"""

import argparse
import json
import shutil
import socket
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

import vmpattern as vmp

HERE = Path(__file__).parent
URL = "http://127.0.0.1:8430/"
PAUSE_S = 0.5
PATIENCE_S = 600.0
"""A machine that is busy with other things takes its time."""


class Client:
    """Asks again and again until it is told to stop, and writes down each answer: when, how long it took, and what."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.answers: list[tuple[float, float, str]] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._ask)

    def __enter__(self) -> "Client":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def counts(self) -> Counter[str]:
        """How often each version answered, and how often nobody did."""
        return Counter(what for _, _, what in self.answers)

    def wait_for(self, version: str) -> None:
        """Wait until a version has answered."""
        until = time.monotonic() + PATIENCE_S
        while not self.counts[version]:
            if time.monotonic() > until:
                sys.exit(f"{version} answered nothing within {PATIENCE_S:.0f} s; answers: {dict(self.counts)}")
            time.sleep(PAUSE_S)

    def _ask(self) -> None:
        while not self._stop.wait(PAUSE_S):
            began = time.time()
            try:
                with urllib.request.urlopen(self._url, timeout=60) as answer:
                    what = answer.read().decode().rpartition(", ")[2].strip()
            except OSError as error:
                what = f"failed: {error}"
            self.answers.append((began, time.time() - began, what))


def apply(folder: Path, events: list[vmp.Event], size: int | None = None) -> None:
    """Bring what runs to what the file says, or to another size, and print what happens."""

    def follow(event: vmp.Event) -> None:
        events.append(event)
        print(f"  {event.at - began:6.1f} s  {event}", flush=True)

    deployment = vmp.load(folder / "vmpattern.toml")
    if size is not None:
        deployment = deployment.resized({"hello": size})
    began = time.time()
    outcome = vmp.apply(vmp.plan(deployment, vmp.observe(deployment)), on_event=follow, locks=folder)
    print(f"{outcome.result.value} after {outcome.duration_s:.0f} s")
    outcome.raise_for_failure()


def users(folder: Path) -> set[int]:
    """Return the processes that have a file open below a folder."""
    found: set[int] = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            places = [link.readlink() for link in (process / "fd").iterdir()]
        except OSError:
            continue  # it has ended, or is somebody else's
        if any(folder in place.parents for place in places):
            found.add(int(process.name))
    return found


def check_nothing_is_left(folder: Path, url: str) -> None:
    """Leave with an error if a process, a port or a file of a VM or balancer is still there."""
    local = folder / ".vmpattern/local"
    left = [
        str(path.relative_to(local)) for kind in ("vms", "balancers", "staged") for path in local.glob(f"{kind}/*/*")
    ]
    if left or users(folder):
        sys.exit(f"left behind: files {left}, processes {users(folder)}")
    with socket.socket() as client:
        if client.connect_ex(("127.0.0.1", urlsplit(url).port)) == 0:
            sys.exit(f"something still answers at {url}")


def roll_over(folder: Path, events: list[vmp.Event]) -> Client:
    """Run the service, change it, and return the client that kept asking meanwhile."""
    print("bake, and run three VMs:")
    apply(folder, events)
    with Client(URL) as client:
        client.wait_for("version 1")
        (folder / "hello/version").write_text("2\n")
        print("change the service, and roll it over while a client keeps asking:")
        apply(folder, events)
        client.wait_for("version 2")
    return client


def end(folder: Path, events: list[vmp.Event]) -> None:
    """End everything and remove the folder, which stays as long as something runs: by it, that can be ended."""
    print("end everything:")
    try:
        apply(folder, events, size=0)
        check_nothing_is_left(folder, URL)
    except BaseException:
        print(f"not everything has ended: run  vmpattern -f {folder}/vmpattern.toml destroy", file=sys.stderr)
        raise
    shutil.rmtree(folder.parent)


def main() -> None:
    """Do it all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--record", type=Path, metavar="FILE")
    record = parser.parse_args().record
    if not (shutil.which("qemu-system-x86_64") and shutil.which("qemu-img")):
        print("skipped, because QEMU isn't installed: apt-get install -y qemu-system-x86 qemu-utils")
        return
    place = Path(tempfile.mkdtemp()).resolve()
    folder = shutil.copytree(HERE, place / "local", ignore=shutil.ignore_patterns(".vmpattern"))
    events: list[vmp.Event] = []
    try:
        client = roll_over(folder, events)
    finally:
        end(folder, events)
    if record is not None:
        told = [{"at": one.at, "kind": one.kind.value, "instances": one.instances} for one in events]
        record.write_text(json.dumps({"events": told, "answers": client.answers}))
    print(f"{len(client.answers)} requests: {dict(client.counts)}")
    if set(client.counts) != {"version 1", "version 2"}:
        sys.exit("expected answers of both versions, and nothing else")


if __name__ == "__main__":
    main()
