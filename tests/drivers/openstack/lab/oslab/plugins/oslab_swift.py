"""All of Swift in one process: the proxy as its configuration says, and the three servers behind it, with one disk.

Nothing replicates, audits or removes: what has expired is refused, and lies there until the lab's state is purged.
"""

import sys
from pathlib import Path

import eventlet
import eventlet.wsgi
from swift.account.server import AccountController
from swift.common import utils
from swift.common.ring.builder import RingBuilder
from swift.common.wsgi import SwiftHttpProtocol, loadapp
from swift.container.server import ContainerController
from swift.obj.server import ObjectController

BACKENDS = {"account": AccountController, "container": ContainerController, "object": ObjectController}
DISK = "disk"
PART_POWER = 4


def main() -> None:
    """Serve as the file at the end of the command line says, until the process is ended."""
    path = sys.argv[-1]
    settings = utils.readconf(path, "oslab")
    utils.validate_hash_conf()
    rings = Path(settings["swift_dir"])
    (Path(settings["devices"]) / DISK).mkdir(parents=True, exist_ok=True)
    rings.mkdir(exist_ok=True)
    for kind, backend in BACKENDS.items():
        port = int(settings[f"{kind}_port"])
        _write_ring(rings / f"{kind}.ring.gz", settings["ip"], port)
        eventlet.spawn(_serve, backend(settings), settings["ip"], port)
    _serve(loadapp(path), settings["ip"], int(settings["proxy_port"]))


def _serve(app: object, ip: str, port: int) -> None:
    eventlet.wsgi.server(eventlet.listen((ip, port)), app, utils.NullLogger(), protocol=SwiftHttpProtocol)


def _write_ring(path: Path, ip: str, port: int) -> None:
    builder = RingBuilder(PART_POWER, 1, 0)
    builder.add_dev({"id": 0, "region": 1, "zone": 1, "weight": 1.0, "ip": ip, "port": port, "device": DISK})
    builder.rebalance(seed=0)
    builder.get_ring().save(str(path))
