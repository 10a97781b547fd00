"""A small proxy that passes everything on, and counts the requests that go through it."""

import contextlib
import http.client
import threading
from collections import Counter
from collections.abc import Generator, Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

LOGIN = "/auth/tokens"
"""Requests for tokens are counted apart from the others of their method, under this."""
NOT_PASSED = {"connection", "proxy-connection", "transfer-encoding", "content-length", "keep-alive", "host"}


@contextlib.contextmanager
def counting() -> Generator[tuple[str, Counter[str]]]:
    """Serve the proxy; give its address, and the counts by method."""
    counts: Counter[str] = Counter()

    class Passing(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def serve(self) -> None:
            counts[LOGIN if self.path.endswith(LOGIN) else self.command] += 1
            target = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            connection = http.client.HTTPConnection(target.hostname or "", target.port, timeout=120)
            path = f"{target.path}?{target.query}" if target.query else target.path
            connection.request(self.command, path, body or None, _passed(self.headers.items()))
            got = connection.getresponse()
            answer = got.read()
            connection.close()
            self.send_response(got.status)
            for name, value in {**_passed(got.getheaders()), "Content-Length": str(len(answer))}.items():
                self.send_header(name, value)
            with contextlib.suppress(ConnectionError):  # whoever asked may have left
                self.end_headers()
                self.wfile.write(answer)

        do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = serve

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Passing)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", counts
    finally:
        server.shutdown()
        server.server_close()


def _passed(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    return {name: value for name, value in headers if name.lower() not in NOT_PASSED}
