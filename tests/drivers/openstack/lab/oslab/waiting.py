"""Waiting, always with an end."""

import http.client
import socket
import time
from collections.abc import Callable

from oslab.place import IP, PORTS, LabError, Place
from oslab.processes import Processes

PATIENCE_S = 120.0


def until(holds: Callable[[], bool], what: str, *, alive: Callable[[], bool] = lambda: True) -> None:
    """Wait until something holds.

    Raises:
        LabError: it doesn't in time, or what would have to do it has ended.
    """
    end = time.monotonic() + PATIENCE_S
    while not holds():
        if not alive():
            raise LabError(f"it ended before {what}")
        if time.monotonic() > end:
            raise LabError(f"{PATIENCE_S:g} s passed before {what}")
        time.sleep(0.2)


def is_open(port: int) -> bool:
    """Tell whether somebody listens."""
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((IP, port)) == 0


def answers(port: int, path: str) -> bool:
    """Tell whether an API answers, in whatever version or without a token."""
    connection = http.client.HTTPConnection(IP, port, timeout=10)
    try:
        connection.request("GET", path)
        return connection.getresponse().status in (200, 300, 401)
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def for_service(place: Place, processes: Processes, name: str, path: str | None) -> None:
    """Wait until a service listens, and answers at a path if there is one.

    Raises:
        LabError: it ended, or doesn't in time; names its log.
    """
    port = PORTS[name]
    ready = (lambda: is_open(port)) if path is None else (lambda: is_open(port) and answers(port, path))
    try:
        until(ready, f"{name} answers on port {port}", alive=lambda: processes.is_alive(name))
    except LabError as error:
        raise LabError(f"{name}: {error}; see {place.log(name)} and {place.state}/log/{name}.out") from None
