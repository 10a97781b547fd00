"""A Compute Engine on this machine in real time, only faster, with a key to it: for whole commands, not for one verb.

    python tests/support/gce/lab.py FOLDER [SPEED]

serves one until it is ended, writes its key into FOLDER, and prints what a file says of the cloud, as JSON.
"""

import json
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from gce.catalog import furnish
from gce.clock import Clock
from gce.emulator import Emulator
from gce.fronts import furnish_front
from gce.serving import served
from gce.tokens import TokenService
from gce.world import Delays, World

FRONT = "front"


@attrs.frozen
class Lab:
    """An emulator that is being served, and the options of a cloud that lead to it."""

    emulator: Emulator
    options: dict[str, object]


@contextmanager
def lab(folder: Path, *, speed: float = 20.0) -> Generator[Lab]:
    """Serve a Compute Engine, so many times as fast as a real one, with a backend service named `front`.

    Raises:
        AssertionError: something wasn't asked or answered as Google's documents say.
    """
    usual = attrs.asdict(Delays())
    delays = Delays(**{name: seconds / speed for name, seconds in usual.items()})
    world = furnish(World(clock=Clock(pace=1.0, beginning=time.time()), delays=delays))
    furnish_front(world, FRONT, draining_s=1)
    emulator = Emulator(world)
    tokens = TokenService(emulator)
    with served(counted(tokens, emulator)) as url:
        key = tokens.write_key(folder / "key.json", url, project=world.project)
        yield Lab(
            emulator,
            {
                "region": world.region,
                "credentials": str(key),
                "endpoint": url,
                "monitoring_endpoint": url,
                "call_timeout": "5s",
            },
        )
    if emulator.violations:
        raise AssertionError("\n".join(emulator.violations[:10]))


def counted(app: Callable[..., Iterable[bytes]], emulator: Emulator) -> Callable[..., Iterable[bytes]]:
    """Return an app that tells at /counts how often the emulator was asked, and what was wrong with that."""

    def answer(environ: dict[str, Any], start: Callable[..., object]) -> Iterable[bytes]:
        if environ["PATH_INFO"] != "/counts":
            return app(environ, start)
        told = {"requests": emulator.requests, "calls": emulator.calls.total(), "violations": emulator.violations}
        start("200 OK", [("Content-Type", "application/json")])
        return [json.dumps(told).encode()]

    return answer


def main(folder: Path, speed: float) -> None:
    with lab(folder, speed=speed) as served_lab:
        print(json.dumps(served_lab.options), flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]) if len(sys.argv) > 2 else 20.0)
