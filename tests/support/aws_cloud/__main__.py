"""`python -m aws_cloud`: serve on a free port of this machine, print its address, until standard input ends."""

import logging
import os
import sys
import threading

os.environ["MOTO_ENABLE_AMI_VALIDATION"] = "true"

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

from aws_cloud.layer import Layer


class Handler(WSGIRequestHandler):
    """Keeps connections open, as AWS does, and logs nothing."""

    protocol_version = "HTTP/1.1"

    def log(self, type: str, message: str, *args: object) -> None:
        pass


def main() -> None:
    logging.disable()
    layer = Layer(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", int(sys.argv[1]) if sys.argv[1:] else 0, layer, True, request_handler=Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    sys.stdin.read()
    os._exit(0)


main()
