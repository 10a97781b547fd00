"""Serving an app on loopback, each request in a thread of its own; an answer may fail to come."""

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import ServerHandler, WSGIRequestHandler, WSGIServer

from gce.faults import Unanswered


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = 64

    def server_bind(self) -> None:
        super().server_bind()
        self.failures: list[BaseException] = []


class _Quiet(ServerHandler):
    def run(self, application: Any) -> None:
        try:
            self.setup_environ()
            self.result = application(self.environ, self.start_response)
            self.finish_response()
        except (Unanswered, ConnectionError):
            self.close()
        except Exception as error:
            self.request_handler.server.failures.append(error)
            raise


class _Handler(WSGIRequestHandler):
    def log_message(self, format: str, *arguments: object) -> None:
        pass

    def handle(self) -> None:
        self.raw_requestline = self.rfile.readline(65537)
        if self.raw_requestline and self.parse_request():
            handler = _Quiet(self.rfile, self.wfile, self.get_stderr(), self.get_environ(), multithread=True)
            handler.request_handler = self
            handler.run(self.server.get_app())


@contextmanager
def served(app: Callable[..., Any], *, port: int = 0) -> Generator[str]:
    """Serve an app while the block runs; gives the URL."""
    server = _Server(("127.0.0.1", port), _Handler)
    server.set_app(app)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
    if server.failures:
        raise AssertionError(f"the emulator failed: {server.failures[0]!r}") from server.failures[0]
