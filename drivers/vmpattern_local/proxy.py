"""The proxy behind a balancer: Caddy, started on demand in a folder of its own, and ended with its last member.

It outlives whoever started it. As with VMs, the lock of its file `alive` is held exactly as long as it runs.

Its configuration never changes, since each change would cut some requests: it has slots, and before each request it
reads in a small file where the slot leads. A slot that leads nowhere refuses at once, and the next one is tried.

Source:
    Caddy's documentation of its JSON configuration and of its administration interface (read 2026-11). That a change of
    configuration cuts requests was seen with Caddy 2.11: one or two of some hundreds a second, each time.
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
from typing import cast

import attrs

from vmpattern.errors import Invalid, Transient
from vmpattern.model.jsontext import parse_json
from vmpattern_local import files, handles, qmp

ALIVE = "alive"
CONFIG = "config.json"
LOG = "proxy.log"
PID = "pid"
SOCKET = "admin.sock"
SLOTS = "slots"
COUNT = 32
"""A proxy has so many slots."""

HOST = "127.0.0.1"
NOBODY = f"{HOST}:1"
"""Where a slot leads that is free: a port at which nobody listens."""

START_S = 10.0
ASK_S = 5.0
STOP_S = 5.0
BACKLOG = 1024
_SLOT = re.compile(r"/(\d+)\}$")


@attrs.frozen
class Slot:
    """How many requests are being answered through a slot, and how many have failed in the last seconds."""

    busy: int
    fails: int


class Proxy:
    """One proxy, running or not."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def is_running(self) -> bool:
        """Tell whether it runs."""
        return files.is_held(self._folder / ALIVE)

    def start(self, program: Path, port: int) -> None:
        """Start it, with all slots free.

        Raises:
            Invalid: the port is taken.
            Transient: it didn't start.
        """
        (self._folder / SLOTS).mkdir(exist_ok=True, mode=0o700)
        for slot in range(COUNT):
            self.lead(slot, NOBODY)
        config = self._folder / CONFIG
        alive = files.hold(self._folder / ALIVE)
        try:
            with listening(port) as listener, (self._folder / LOG).open("wb") as log:
                files.write(config, json.dumps(_config(f"fd/{listener.fileno()}")).encode())
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

    def lead(self, slot: int, address: str) -> None:
        """Let a slot lead somewhere else, from the next request on."""
        files.write(self._folder / SLOTS / str(slot), address.encode())

    def leads(self, slot: int) -> str:
        """Return where a slot leads."""
        return (self._folder / SLOTS / str(slot)).read_text()

    def slots(self) -> Mapping[int, Slot]:
        """Return what goes on in each slot."""
        text = self._ask("GET", "/reverse_proxy/upstreams") or b"[]"
        try:
            answer = cast("Sequence[Mapping[str, object]]", parse_json(text))
        except ValueError as error:
            raise Transient(f"the balancer's proxy answers no JSON: {error}", code="NoAnswer") from error
        found: dict[int, Slot] = {}
        for one in answer:
            if number := _SLOT.search(str(one["address"])):
                found[int(number[1])] = Slot(int(str(one["num_requests"])), int(str(one["fails"])))
        return found

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
                process.ends_within(STOP_S)

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

    The proxy inherits the socket: with its own, it would share the port with any other program that agrees to that.

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


def _config(listen: str) -> Mapping[str, object]:
    handlers: list[Mapping[str, object]] = [
        # A connection for each request: none is idle, and so none is cut when the proxy ends.
        {"handler": "headers", "response": {"set": {"Connection": ["close"]}}},
        {
            "handler": "reverse_proxy",
            "upstreams": [{"dial": f"{{file.{SLOTS}/{slot}}}"} for slot in range(COUNT)],
            "load_balancing": {
                "selection_policy": {"policy": "round_robin"},
                "try_duration": "10s",
                "try_interval": "1ms",
            },
            "health_checks": {"passive": {"fail_duration": "2s"}},
            "transport": {"protocol": "http", "dial_timeout": "2s", "keep_alive": {"enabled": False}},
        },
    ]
    server = {
        "listen": [listen],
        "automatic_https": {"disable": True},
        "protocols": ["h1"],
        "routes": [{"handle": handlers}],
    }
    return {
        "admin": {"listen": f"unix/{SOCKET}", "config": {"persist": False}},
        "logging": {"logs": {"default": {"level": "WARN"}}},
        "apps": {"http": {"servers": {"front": server}}},
    }
