"""The proxy behind a balancer: Caddy, started on demand in a folder of its own, told its members, ended with the last.

It outlives whoever started it. As with VMs, the lock of its file `alive` is held exactly as long as it runs.

Source:
    Caddy's documentation of its JSON configuration and of its administration interface (read 2026-11).
"""

import contextlib
import http.client
import json
import os
import re
import socket
import subprocess
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path

import attrs

from vmpattern.errors import Invalid, Transient
from vmpattern_local import files, handles, qmp

ALIVE = "alive"
CONFIG = "config.json"
LOG = "proxy.log"
PID = "pid"
SOCKET = "admin.sock"
HOST = "127.0.0.1"
START_S = 10.0
ASK_S = 5.0
STOP_S = 5.0
BACKLOG = 1024
_ILL = re.compile(r'^caddy_reverse_proxy_upstreams_healthy\{upstream="([^"]+)"\} 0$', re.MULTILINE)
NOBODY: Mapping[str, object] = {"not": [{}]}
"""Matches no request."""


@attrs.frozen(kw_only=True)
class Front:
    """What a proxy does: where it listens, which path tells that a member is well, and who gets requests.

    Those in `draining` get no new ones; the proxy goes on counting those that they still answer.
    """

    port: int
    health: str
    serving: tuple[str, ...] = ()
    draining: tuple[str, ...] = ()


class Proxy:
    """One proxy, running or not."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def is_running(self) -> bool:
        """Tell whether it runs."""
        return files.is_held(self._folder / ALIVE)

    def start(self, program: Path, front: Front) -> None:
        """Start it.

        Raises:
            Invalid: the port is taken.
            Transient: it didn't start.
        """
        config = self._folder / CONFIG
        alive = files.hold(self._folder / ALIVE)
        try:
            with listening(front.port) as listener, (self._folder / LOG).open("wb") as log:
                files.write(config, json.dumps(_config(front, f"fd/{listener.fileno()}")).encode())
                # Its output goes to a file: a pipe would stay open as long as the proxy runs.
                done = subprocess.run(
                    [program, "start", "--config", config, "--pidfile", PID],
                    cwd=self._folder,
                    env={"HOME": str(self._folder)},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    pass_fds=(alive, listener.fileno()),
                    timeout=START_S,
                )
        except subprocess.TimeoutExpired as error:
            raise Transient(f"the balancer's proxy didn't start within {START_S:g} s", code="TimedOut") from error
        finally:
            os.close(alive)
        if done.returncode:
            said = (self._folder / LOG).read_text(errors="replace").strip()[-400:]
            raise Transient(f"the balancer's proxy didn't start: {said}", code="NotStarted")

    def tell(self, front: Front) -> None:
        """Give it new members; requests that it is answering go on.

        Raises:
            Transient: it refused, or didn't answer.
        """
        path = self._folder / CONFIG
        config = json.dumps(_config(front, _listen(path))).encode()
        files.write(path, config)
        self._ask("POST", "/load", config)

    def busy(self) -> Mapping[str, int]:
        """Return how many requests each member is answering, by address."""
        answer: Sequence[Mapping[str, object]] = json.loads(self._ask("GET", "/reverse_proxy/upstreams") or b"[]")
        return {str(one["address"]): int(str(one["num_requests"])) for one in answer}

    def ill(self) -> frozenset[str]:
        """Return the addresses that get no requests since they don't answer well; up to ten seconds old."""
        return frozenset(_ILL.findall(self._ask("GET", "/metrics").decode(errors="replace")))

    def stop(self) -> None:
        """End it, by force if it doesn't end by itself."""
        with handles.opened(self._folder / PID, str(self._folder / CONFIG)) as process:
            if process is None:
                return
            try:
                self._ask("POST", "/stop")
            except Transient:
                process.kill()
            if not process.ends_within(STOP_S):
                process.kill()

    def _ask(self, method: str, path: str, body: bytes | None = None) -> bytes:
        try:
            with qmp.connected(self._folder / SOCKET, ASK_S) as channel:
                connection = _Connection(channel)
                connection.request(method, path, body, {"Content-Type": "application/json"})
                answer = connection.getresponse()
                text = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise Transient(f"the balancer's proxy doesn't answer: {error}", code="NoAnswer") from error
        if answer.status != http.client.OK:
            raise Transient(f"the balancer's proxy refused: {text.decode(errors='replace')[:400]}", code="Refused")
        return text


class _Connection(http.client.HTTPConnection):
    """A request over a socket that is connected already."""

    def __init__(self, channel: socket.socket) -> None:
        super().__init__("localhost")
        self.sock = channel


@contextlib.contextmanager
def listening(port: int) -> Generator[socket.socket]:
    """Listen at a port of this machine.

    The proxy inherits the socket: one that it opened itself it would open anew whenever members change, and lose what
    waits in the old one; and it would share the port with another program that agrees to that.

    Raises:
        Invalid: the port is taken.
    """
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
            listener.listen(BACKLOG)
        except OSError as error:
            text = f"port {port} of the balancer is taken by another program ({error.strerror})"
            raise Invalid(f"{text}; end that, or name another port", code="PortTaken", field="balancer") from error
        yield listener


def _listen(config: Path) -> str:
    """Return where a proxy that runs listens, as its configuration says."""
    return str(json.loads(config.read_bytes())["apps"]["http"]["servers"]["front"]["listen"][0])


def _config(front: Front, listen: str) -> Mapping[str, object]:
    handlers: list[Mapping[str, object]] = [
        # A connection for each request: none is idle, and so none is cut when members change.
        {"handler": "headers", "response": {"set": {"Connection": ["close"]}}},
        _forwarding(front.serving, front.health)
        if front.serving
        else {"handler": "static_response", "status_code": 503, "body": "no member\n"},
    ]
    routes: list[Mapping[str, object]] = [{"handle": handlers}]
    if front.draining:
        routes.insert(0, {"match": [NOBODY], "handle": [_forwarding(front.draining, front.health)]})
    server = {
        "listen": [listen],
        "automatic_https": {"disable": True},
        "protocols": ["h1"],
        "routes": routes,
    }
    return {
        "admin": {"listen": f"unix/{SOCKET}", "config": {"persist": False}},
        "logging": {"logs": {"default": {"level": "WARN"}}},
        # Without a grace period: it would also cut the requests that are being answered when members change.
        "apps": {"http": {"servers": {"front": server}}},
    }


def _forwarding(addresses: Sequence[str], health: str) -> Mapping[str, object]:
    return {
        "handler": "reverse_proxy",
        "upstreams": [{"dial": address} for address in addresses],
        "load_balancing": {
            "selection_policy": {"policy": "round_robin"},
            "try_duration": "10s",
            "try_interval": "100ms",
        },
        "health_checks": {
            "active": {"uri": health, "interval": "5s", "timeout": "10s", "fails": 3},
            "passive": {"fail_duration": "2s"},
        },
        "transport": {"protocol": "http", "dial_timeout": "2s", "keep_alive": {"enabled": False}},
    }
