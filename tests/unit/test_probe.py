import socket
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from situations import instance

from vmpattern.access.probing import NetworkProber
from vmpattern.driver.asking import answers
from vmpattern.model import Health, HealthCheck, InstanceId

HTTP = HealthCheck(http="/200", timeout_s=5.0)
TCP = HealthCheck(timeout_s=5.0)
QUICK = HealthCheck(http="/200", timeout_s=0.05)
HERE = "127.0.0.1"
SELF = InstanceId("i1")


class Service(BaseHTTPRequestHandler):
    """Answers /NUMBER with that status."""

    def do_GET(self) -> None:
        self.send_response(int(self.path.strip("/")))
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet."""


@pytest.fixture(scope="module")
def service() -> Iterator[int]:
    """A service that runs: its port."""
    with ThreadingHTTPServer((HERE, 0), Service) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


@pytest.fixture
def closed() -> int:
    """A port on which nobody listens."""
    with socket.create_server((HERE, 0)) as server:
        return int(server.getsockname()[1])


@pytest.fixture
def silent() -> Iterator[int]:
    """A port on which somebody listens who never says a word."""
    with socket.create_server((HERE, 0)) as server:
        yield int(server.getsockname()[1])


@pytest.fixture
def babbling() -> Iterator[int]:
    """A port on which somebody speaks another language than HTTP."""
    with socket.create_server((HERE, 0)) as server:

        def speak() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b"hello there\r\n\r\n")

        thread = threading.Thread(target=speak)
        thread.start()
        yield int(server.getsockname()[1])
        thread.join()


def asked(prober: NetworkProber, port: int, check: HealthCheck = HTTP) -> Health:
    """Ask an instance whose service is at this port."""
    return prober([instance("i1", address=f"{HERE}:{port}")], check)[SELF]


def prober(ports: Mapping[str, int | None] | None = None) -> NetworkProber:
    return NetworkProber({"web": 80} if ports is None else ports)


def acquainted(service: int) -> NetworkProber:
    """Return a prober that has had an answer from the fleet's network."""
    one = prober()
    asked(one, service)
    return one


@pytest.mark.parametrize(
    ("health", "path"),
    [
        pytest.param(Health.HEALTHY, "/200", id="200 is healthy"),
        pytest.param(Health.HEALTHY, "/204", id="204 is healthy"),
        pytest.param(Health.HEALTHY, "/302", id="a redirection is healthy and isn't followed"),
        pytest.param(Health.UNHEALTHY, "/404", id="404 is unhealthy"),
        pytest.param(Health.UNHEALTHY, "/500", id="500 is unhealthy"),
        pytest.param(Health.UNHEALTHY, "/503", id="503 is unhealthy"),
    ],
)
def test_a_status_is_taken_for_health(health: Health, path: str, service: int) -> None:
    assert health is asked(prober(), service, HealthCheck(http=path, timeout_s=5.0))


def test_a_port_that_takes_connections_is_healthy_by_tcp(silent: int) -> None:
    assert Health.HEALTHY is asked(prober(), silent, TCP)


def test_a_refused_connection_is_unhealthy_though_nothing_was_reached_before(closed: int) -> None:
    assert Health.UNHEALTHY is asked(prober(), closed)


def test_another_language_than_http_is_unhealthy(babbling: int) -> None:
    assert Health.UNHEALTHY is asked(prober(), babbling)


def test_silence_says_nothing_before_anything_was_reached(silent: int) -> None:
    assert Health.UNKNOWN is asked(prober(), silent, QUICK)


def test_silence_is_unhealthy_once_something_was_reached(silent: int, service: int) -> None:
    assert Health.UNHEALTHY is asked(acquainted(service), silent, QUICK)


def test_an_error_page_counts_as_reached(silent: int, service: int) -> None:
    one = prober()
    asked(one, service, HealthCheck(http="/500", timeout_s=5.0))

    assert Health.UNHEALTHY is asked(one, silent, QUICK)


def test_a_refusal_counts_as_reached(silent: int, closed: int) -> None:
    one = prober()
    asked(one, closed)

    assert Health.UNHEALTHY is asked(one, silent, QUICK)


def test_an_answer_from_another_cloud_says_nothing_of_this_one(silent: int, service: int) -> None:
    one = acquainted(service)
    other = instance("i1", cloud="lab", address=f"{HERE}:{silent}")

    assert Health.UNKNOWN is one([other], QUICK)[SELF]


@pytest.mark.parametrize(
    ("address", "ports"),
    [
        pytest.param(None, {"web": 80}, id="that has no address yet"),
        pytest.param(HERE, {"web": None}, id="whose service has no port"),
        pytest.param(HERE, {}, id="of a fleet that isn't known"),
    ],
)
def test_nothing_is_known_of_an_instance(address: str | None, ports: Mapping[str, int | None]) -> None:
    assert {SELF: Health.UNKNOWN} == prober(ports)([instance("i1", address=address)], QUICK)


def test_the_port_of_the_service_is_asked_unless_the_address_has_one(service: int) -> None:
    assert Health.HEALTHY is prober({"web": service})([instance("i1", address=HERE)], HTTP)[SELF]


def test_everybody_is_asked(service: int) -> None:
    ids = [f"i{number}" for number in range(50)]
    words = prober()([instance(id, address=f"{HERE}:{service}") for id in ids], HTTP)

    assert {InstanceId(id): Health.HEALTHY for id in ids} == words


def test_nobody_is_asked_where_there_is_nobody() -> None:
    assert {} == prober()([], HTTP)


def test_asking_once_tells_a_refusal_from_silence(closed: int) -> None:
    with pytest.raises(ConnectionRefusedError):
        answers(HERE, closed, HTTP)


def test_asking_once_tells_silence_from_a_refusal(silent: int) -> None:
    with pytest.raises(TimeoutError):
        answers(HERE, silent, QUICK)


class ServerOfIpv6(ThreadingHTTPServer):
    address_family = socket.AF_INET6


@pytest.fixture(scope="module")
def service_of_ipv6() -> Iterator[int]:
    """A service that runs on an IPv6 address: its port."""
    try:
        server = ServerOfIpv6(("::1", 0), Service)
    except OSError:
        pytest.skip("this machine has no IPv6")
    with server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    "address",
    [pytest.param("::1", id="with the service's port"), pytest.param("[::1]:{port}", id="with a port of its own")],
)
def test_an_ipv6_address_is_asked(address: str, service_of_ipv6: int) -> None:
    one = instance("i1", address=address.format(port=service_of_ipv6))

    assert {SELF: Health.HEALTHY} == prober({"web": service_of_ipv6})([one], HTTP)
