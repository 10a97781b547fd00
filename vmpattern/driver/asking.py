"""Asking a service for its health as a client does: an HTTP request or a TCP connection.

What opens connections is imported where it is used: most commands ask no instance, and shall start fast.
"""

from vmpattern.model import HealthCheck


def answers(address: str, port: int, check: HealthCheck) -> bool:
    """Ask once; an HTTP check wants a status below 400, a TCP check an accepted connection.

    Args:
        address: `host`, `host:port`, an IPv6 address, or one in brackets with a port; `port` is for those without one.

    Raises:
        OSError: nothing answered; ConnectionRefusedError when the host did.
    """
    import http.client
    import socket

    where = host_and_port(address, port)
    if check.http is None:
        with socket.create_connection(where, timeout=check.timeout_s):
            return True
    connection = http.client.HTTPConnection(*where, timeout=check.timeout_s)
    try:
        connection.request("GET", check.http, headers={"User-Agent": "vmpattern"})
        return connection.getresponse().status < 400
    except http.client.HTTPException:
        return False
    finally:
        connection.close()


def host_and_port(address: str, port: int) -> tuple[str, int]:
    """Take an address apart: `host`, `host:port`, an IPv6 address, or one in brackets with a port."""
    host, colon, own_port = address.rpartition(":")
    if colon and (":" not in host or host.endswith("]")):
        return host.strip("[]"), int(own_port)
    return address.strip("[]"), port
