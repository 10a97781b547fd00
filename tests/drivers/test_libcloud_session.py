"""Sessions against a real server on this machine: what is sent, what is raised, what threads share."""

import base64
import gzip
import json
import socket
import ssl
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import trustme
from loopback import Answer, Asked, Bad, Loopback, loopback

from vmpattern.errors import Invalid, OutcomeUnknown, QuotaExceeded, Transient
from vmpattern_libcloud import (
    Deadline,
    Endpoint,
    ErrorTable,
    Fault,
    Page,
    Reply,
    Request,
    Rule,
    Session,
    Subject,
    every_page,
    request_id,
    retry_after_s,
)

READ = Subject(what="list")
CHANGE = Subject(what="launch", mutating=True, secrets=("s3cret-env",))


def read_fault(reply: Reply) -> Fault:
    try:
        code = str(json.loads(reply.body)["code"])
    except (ValueError, KeyError):
        code = ""
    return Fault(status=reply.status, code=code, request_id=request_id(reply.headers, "x-request-id"))


def session(url: str, **endpoint: object) -> Session:
    table = ErrorTable([Rule("Full", QuotaExceeded)])
    return Session(
        Endpoint(url=url, **endpoint),  # type: ignore[arg-type]
        errors=table,
        read_fault=read_fault,
        secrets=lambda: ("t0ken-of-credentials",),
    )


def in_time(seconds: float = 20.0) -> Deadline:
    return Deadline(seconds)


def echo(asked: Asked) -> Answer:
    return Answer(body=asked.path.encode())


def test_a_request_arrives_as_it_was_made() -> None:
    request = Request(
        subject=CHANGE, method="POST", path="/v1/vms", params={"a": "b c"}, headers={"X-Own": "1"}, body=b"data"
    )
    with loopback(echo) as server:
        reply = session(f"{server.url}/base/").send(request, in_time())

    (asked,) = server.asked
    assert (200, b"/base/v1/vms?a=b+c") == (reply.status, reply.body)
    assert ("POST", b"data", "1") == (asked.method, asked.body, asked.headers["x-own"])


def test_the_provider_s_refusal_is_told_by_the_table() -> None:
    refusal = Answer(403, b'{"code": "Full"}', {"X-Request-Id": "r-7"})
    with loopback(lambda _: refusal) as server, pytest.raises(QuotaExceeded) as caught:
        session(server.url).send(Request(subject=CHANGE), in_time())

    assert ("Full", "r-7") == (caught.value.code, caught.value.request_id)


def test_a_request_is_sent_once_whatever_comes_back() -> None:
    with loopback(lambda _: Answer(503)) as server, pytest.raises(Transient):
        session(server.url).send(Request(subject=READ), in_time())

    assert 1 == len(server.asked)


def test_a_redirect_is_not_followed() -> None:
    with loopback(lambda _: Answer(302, headers={"Location": "/elsewhere"})) as server, pytest.raises(Invalid):
        session(server.url).send(Request(subject=READ), in_time())

    assert ["/"] == [asked.path for asked in server.asked]


@pytest.mark.parametrize("bad", [Bad.CLOSE, Bad.CUT, Bad.SILENCE])
@pytest.mark.parametrize(
    ("method", "subject", "kind"),
    [
        pytest.param("GET", READ, Transient, id="read"),
        pytest.param("POST", CHANGE, OutcomeUnknown, id="change"),
        pytest.param("DELETE", CHANGE, OutcomeUnknown, id="end"),  # which libraries take for safe to send again
    ],
)
def test_what_was_sent_and_not_answered_is_unknown_if_it_may_change_something(
    bad: Bad, method: str, subject: Subject, kind: type[Exception]
) -> None:
    seconds = 0.5 if bad is Bad.SILENCE else 20.0
    with loopback(lambda _: bad) as server, pytest.raises(kind) as caught:
        session(server.url).send(Request(subject=subject, method=method), in_time(seconds))

    assert kind is type(caught.value)
    assert 1 == len(server.asked)


def test_what_nobody_listens_to_was_not_sent() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and doesn't listen
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(Transient) as caught:
            session(url).send(Request(subject=CHANGE, method="POST"), in_time())

    assert "NotSent" == caught.value.code
    assert f"launch: not sent: nobody listens at {url.removeprefix('http://')}" == caught.value.message


def test_a_name_that_leads_nowhere_says_where_it_is_from() -> None:
    with pytest.raises(Transient) as caught:
        session("https://cloud.invalid", named_by="region").send(Request(subject=READ), in_time())

    assert (
        "list: not sent: no address is known for the name cloud.invalid: look at the option region, or the network"
        == caught.value.message
    )


def test_a_proxy_that_nobody_is_known_for_is_told_without_its_password() -> None:
    with pytest.raises(Transient) as caught:
        session("http://127.0.0.1", proxy="me:pass@proxy.invalid:3128").send(Request(subject=READ), in_time())

    assert "list: not sent: no address is known for the name proxy.invalid: look at the network" == caught.value.message


def test_nothing_is_sent_when_no_time_is_left() -> None:
    times = iter([0.0, 10.0])
    with loopback(echo) as server, pytest.raises(Transient) as caught:
        session(server.url).send(Request(subject=CHANGE), Deadline(10.0, clock=lambda: next(times)))

    assert "launch: not sent: no time was left for it" == caught.value.message
    assert [] == server.asked


def test_the_environment_sends_nothing_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    with loopback(lambda _: Answer(418)) as proxy, loopback(echo) as server:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        reply = session(server.url).send(Request(subject=READ), in_time())

    assert 200 == reply.status
    assert [] == proxy.asked


def test_the_proxy_of_the_endpoint_is_used() -> None:
    with loopback(echo) as proxy:
        session("http://cloud.invalid", proxy=proxy.url).send(Request(subject=READ, path="/x"), in_time())

    assert ["http://cloud.invalid/x"] == [asked.path for asked in proxy.asked]


def test_threads_share_neither_connections_nor_answers() -> None:
    together = threading.Barrier(8)
    with loopback(echo) as server:
        shared = session(server.url)

        def ask(number: int) -> bool:
            right = True
            for turn in range(10):
                together.wait()
                path = f"/{number}/{turn}"
                right &= path.encode() == shared.send(Request(subject=READ, path=path), in_time()).body
            return right

        with ThreadPoolExecutor(8) as threads:
            right = list(threads.map(ask, range(8)))
        shared.close()

    assert [True] * 8 == right
    assert 8 == len({(asked.path.split("/")[1], asked.port) for asked in server.asked})


def test_a_thread_keeps_its_connection() -> None:
    with loopback(echo) as server:
        shared = session(server.url)
        for _ in range(3):
            shared.send(Request(subject=READ), in_time())

    assert 1 == len({asked.port for asked in server.asked})


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


def test_a_certificate_of_an_unknown_authority_can_never_work(tls: ssl.SSLContext) -> None:
    with loopback(echo, tls=tls) as server, pytest.raises(Invalid) as caught:
        session(server.url).send(Request(subject=CHANGE), in_time())

    assert "Untrusted" == caught.value.code
    assert [] == server.asked


def test_neither_an_error_nor_its_causes_contain_a_secret() -> None:
    secrets = ("t0ken-of-credentials", "s3cret-env")
    headers = {"X-Token": "".join(f"{secret}\n" for secret in secrets)}
    with loopback(echo) as server, pytest.raises(OutcomeUnknown) as caught:
        session(server.url).send(Request(subject=CHANGE, headers=headers), in_time())

    told = f"{caught.value} {caught.value.__cause__} {caught.value.__cause__!r}"
    assert "Invalid header value" in told
    assert not [secret for secret in secrets if secret in told]
    assert [] == server.asked


def test_authorities_that_are_not_there_send_nothing(tls: ssl.SSLContext, tmp_path: Path) -> None:
    with loopback(echo, tls=tls) as server, pytest.raises(Transient) as caught:
        session(server.url, ca_file=tmp_path / "none.pem").send(Request(subject=CHANGE), in_time())

    assert "NotSent" == caught.value.code
    assert [] == server.asked


def test_a_file_is_sent_from_where_it_is_read_with_its_length(tmp_path: Path) -> None:
    file = tmp_path / "disk"
    file.write_bytes(b"headthe rest" * 10_000)
    with loopback(echo) as server, file.open("rb") as body:
        body.seek(4)
        session(server.url).send(Request(subject=CHANGE, method="PUT", body=body), in_time())

    (asked,) = server.asked
    assert file.read_bytes()[4:] == asked.body
    assert str(file.stat().st_size - 4) == asked.headers["content-length"]


def test_an_answer_may_be_compressed() -> None:
    packed = Answer(body=gzip.compress(b"the answer"), headers={"Content-Encoding": "gzip"})
    with loopback(lambda _: packed) as server:
        reply = session(server.url).send(Request(subject=READ), in_time())

    assert b"the answer" == reply.body


@pytest.mark.parametrize("scheme", ["http://", ""])
def test_a_proxy_is_told_who_asks(scheme: str) -> None:
    with loopback(echo) as proxy:
        address = f"{scheme}some%40one:s%3Acret@{proxy.url.removeprefix('http://')}"
        session("http://cloud.invalid", proxy=address).send(Request(subject=READ), in_time())

    (asked,) = proxy.asked
    assert b"some@one:s:cret" == base64.b64decode(asked.headers["proxy-authorization"].removeprefix("Basic "))


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:1", "http://[", "http://[::1", "http://:x"])
def test_a_proxy_that_cannot_be_used_sends_nothing(proxy: str) -> None:
    with pytest.raises(Transient) as caught:
        session("http://cloud.invalid", proxy=proxy).send(Request(subject=CHANGE), in_time())

    assert "NotSent" == caught.value.code


@pytest.mark.parametrize("trusting", ["ca_file", "verify"])
def test_the_endpoint_says_whom_to_trust(
    tls: ssl.SSLContext, authority: trustme.CA, tmp_path: Path, trusting: str
) -> None:
    file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(file))
    trust = {"ca_file": file} if trusting == "ca_file" else {"verify": False}
    with loopback(echo, tls=tls) as server:
        if trusting == "verify":
            with pytest.warns(match="Unverified HTTPS request"):
                reply = session(server.url, **trust).send(Request(subject=READ), in_time())
        else:
            reply = session(server.url, **trust).send(Request(subject=READ), in_time())

    assert 200 == reply.status


def pages_of(server: Loopback) -> list[str]:
    shared = session(server.url)

    def fetch(mark: str) -> Page[str]:
        reply = shared.send(Request(subject=READ, params={"mark": mark}), in_time())
        found = json.loads(reply.body)
        return Page(found["items"], found["next"])

    return every_page(fetch)


def page(items: list[str], after: str) -> Answer:
    return Answer(body=json.dumps({"items": items, "next": after}).encode())


def test_every_page_is_fetched() -> None:
    pages = {"/?mark=": page(["a", "b"], "2"), "/?mark=2": page([], "3"), "/?mark=3": page(["c"], "")}
    with loopback(lambda asked: pages[asked.path]) as server:
        found = pages_of(server)

    assert ["a", "b", "c"] == found


def test_a_page_that_fails_fails_the_list() -> None:
    pages = {"/?mark=": page(["a"], "2"), "/?mark=2": Answer(500)}
    with loopback(lambda asked: pages[asked.path]) as server, pytest.raises(Transient):
        pages_of(server)


def test_pages_that_begin_anew_are_no_list() -> None:
    pages = {"/?mark=": page(["a"], "2"), "/?mark=2": page(["b"], "2")}
    with loopback(lambda asked: pages[asked.path]) as server, pytest.raises(Invalid):
        pages_of(server)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        pytest.param("3", 3.0, id="seconds"),
        pytest.param("0.5", 0.5, id="part of a second"),
        pytest.param("Thu, 01 Jan 1970 00:01:40 GMT", 40.0, id="a date"),
        pytest.param("Thu, 01 Jan 1970 00:00:10 GMT", 0.0, id="a date that has passed"),
        pytest.param("soon", None, id="neither"),
    ],
)
def test_retry_after_is_read_in_both_forms(text: str, seconds: float | None) -> None:
    assert seconds == retry_after_s({"retry-after": text}, now=60.0)


def test_no_retry_after_is_none() -> None:
    assert retry_after_s({}, now=60.0) is None
