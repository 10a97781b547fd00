"""A real HTTP server on this machine that answers as a test says, badly where that is what is tested."""

import contextlib
import enum
import queue
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import attrs


@attrs.frozen
class Asked:
    """A request as it came; `port` is the caller's, so one for each connection."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    port: int


@attrs.frozen
class Answer:
    status: int = 200
    body: bytes = b"{}"
    headers: Mapping[str, str] = attrs.field(factory=dict)


class Bad(enum.Enum):
    """How a server fails to answer."""

    CLOSE = "closes the connection"
    CUT = "sends half an answer, then closes"
    SILENCE = "reads, and says nothing"


@attrs.define
class Loopback:
    url: str
    asked: list[Asked]


@contextlib.contextmanager
def loopback(answer: Callable[[Asked], Answer | Bad], *, tls: ssl.SSLContext | None = None) -> Iterator[Loopback]:
    """Serve on a free port until the block is left; every request is answered by `answer`."""
    asked: list[Asked] = []
    done: queue.SimpleQueue[None] = queue.SimpleQueue()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def serve(self) -> None:
            size = int(self.headers.get("content-length") or 0)
            headers = {name.lower(): value for name, value in self.headers.items()}
            one = Asked(self.command, self.path, headers, self.rfile.read(size), self.client_address[1])
            asked.append(one)
            self.give(answer(one))

        def give(self, given: Answer | Bad) -> None:
            if isinstance(given, Answer):
                self.send_response(given.status)
                for name, value in {"Content-Length": str(len(given.body)), **given.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(given.body)
                return
            self.close_connection = True
            if given is Bad.CUT:
                self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
            elif given is Bad.SILENCE:
                done.get()

        do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = serve

        def log_message(self, format: str, *args: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            pass  # whoever hung up first was the one that is tested

    server = Server(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield Loopback(f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}", asked)
    finally:
        for _ in range(100):
            done.put(None)
        server.shutdown()
        server.server_close()
