"""`python -m aws_cloud`: serve on a free port of this machine, print its address, until standard input ends."""

import logging
import os
import sys
import threading
from pathlib import Path

os.environ["MOTO_ENABLE_AMI_VALIDATION"] = "true"
os.environ["MOTO_AMIS_PATH"] = os.fspath(Path(__file__).with_name("amis.json"))

# isort: off
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

from aws_cloud.layer import Layer

TYPES = ("t3.micro", "m5.large", "m6g.large")
"""The machine types that tests choose from: moto takes seconds to tell of them for the first time."""


class Handler(WSGIRequestHandler):
    """Keeps connections open, as AWS does, and logs nothing."""

    protocol_version = "HTTP/1.1"

    def log(self, type: str, message: str, *args: object) -> None:
        pass


def main() -> None:
    logging.disable()
    layer = Layer(DomainDispatcherApplication(create_backend_app))
    layer.warm_up(TYPES)
    server = make_server("127.0.0.1", int(sys.argv[1]) if sys.argv[1:] else 0, layer, True, request_handler=Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    sys.stdin.read()
    os._exit(0)


main()
