"""One cloud's API for several threads: a request in, an answer or a `DriverError` out, within a deadline.

One attempt a request: nothing is sent again here, and nobody sleeps.
"""

import email.utils
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from urllib.parse import urlsplit

import attrs
import urllib3.exceptions
from libcloud.common.base import Connection

from vmpattern.errors import DriverError
from vmpattern_libcloud.connection import Connect, Endpoint, Line, Reply, Request, trust
from vmpattern_libcloud.errors import ErrorTable, Failure, Fault, NoAnswer, Subject, redacted, unanswered

Clock = Callable[[], float]


class Deadline:
    """How long a verb may still take, over all of its requests, in seconds."""

    def __init__(self, seconds: float, *, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._until = clock() + seconds

    def left(self) -> float:
        """Return the seconds that are left, 0 if none are."""
        return max(0.0, self._until - self._clock())


class Session:
    """Sends requests to one endpoint, on a connection of libcloud's for each thread.

    Args:
        read_fault: makes a `Fault` of an answer whose status is 300 or above.
        connect: makes connections that sign or authorise as the provider wants it.
        secrets: what no error may contain, besides what a request says: credentials. Asked when there is an error.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        errors: ErrorTable,
        read_fault: Callable[[Reply], Fault],
        connect: Connect = Connection,
        secrets: Callable[[], Iterable[str]] = tuple,
    ) -> None:
        self._endpoint = endpoint
        self._errors = errors
        self._read_fault = read_fault
        self._connect = connect
        self._secrets = secrets
        self._own = threading.local()
        self._lock = threading.Lock()
        self._trusted: ssl.SSLContext | None = None
        self._lines: list[Line] = []

    def send(self, request: Request, deadline: Deadline) -> Reply:
        """Send a request once, and return its answer.

        Raises:
            Transient: nothing was sent, or there is no answer to a request that changes nothing.
            OutcomeUnknown: there is no answer to a request that may have changed something.
            DriverError: the provider refused, as the table of errors says.
        """
        try:
            reply = self._exchange(request, deadline.left())
        except NoAnswer as problem:
            raise unanswered(problem, request.subject) from problem
        if reply.status < 300:
            return reply
        raise self.refusal(self._read_fault(reply), request.subject)

    def refusal(self, fault: Fault, subject: Subject) -> DriverError:
        """Return what is to be raised for a fault, also for one that an answer of success tells of."""
        return self._errors.error(fault, attrs.evolve(subject, secrets=(*subject.secrets, *self._secrets())))

    def close(self) -> None:
        """Close every thread's connection; the session isn't used afterwards."""
        with self._lock:
            lines, self._lines = self._lines, []
        for line in lines:
            line.close()

    def _exchange(self, request: Request, left_s: float) -> Reply:
        if left_s <= 0:
            raise NoAnswer(Failure.UNSENT, "no time was left for it")
        try:
            line = self._line()
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            raise self._no_answer(Failure.UNSENT, error, request) from None
        try:
            return line.exchange(request, left_s)
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            raise self._no_answer(failure_of(error), error, request) from None

    def _no_answer(self, failure: Failure, error: Exception, request: Request) -> NoAnswer:
        return NoAnswer(failure, redacted(told(error, self._endpoint), (*request.subject.secrets, *self._secrets())))

    def _line(self) -> Line:
        line: Line | None = getattr(self._own, "line", None)
        if line is None:
            with self._lock:
                if self._trusted is None and self._endpoint.secure:
                    self._trusted = trust(self._endpoint)
                line = self._own.line = Line(self._endpoint, self._connect, self._trusted)
                self._lines.append(line)
        return line


_BEFORE = (
    urllib3.exceptions.NewConnectionError,
    urllib3.exceptions.ConnectTimeoutError,
    urllib3.exceptions.LocationValueError,
)


def failure_of(error: BaseException) -> Failure:
    """Tell how far a request came that ended with this error: sent, unless it is certain that it wasn't."""
    chain = list(_reasons(error))
    if any(isinstance(one, ssl.SSLCertVerificationError) for one in chain):
        return Failure.UNTRUSTED
    if any(isinstance(one, _BEFORE) for one in chain):
        return Failure.UNSENT
    return Failure.UNANSWERED


def told(error: BaseException, endpoint: Endpoint) -> str:
    """Say why there is no answer: of what happens to people most, what to look at, and not the libraries' words."""
    address = endpoint.proxy or endpoint.url  # which may be no address at all
    for one in _reasons(error):
        if isinstance(one, urllib3.exceptions.NameResolutionError):
            named = f"the option {endpoint.named_by}, or " if endpoint.named_by and not endpoint.proxy else ""
            return f"no address is known for the name {urlsplit(address).hostname}: look at {named}the network"
        if isinstance(one, ConnectionRefusedError):
            return f"nobody listens at {urlsplit(address).netloc.rpartition('@')[2]}"
    return f"{type(error).__name__}: {error}"


def _reasons(error: BaseException) -> Iterator[BaseException]:
    """Yield an error, and every error that it was made of."""
    seen: set[int] = set()
    left: list[object] = [error]
    while left:
        one = left.pop()
        if isinstance(one, BaseException) and id(one) not in seen:
            seen.add(id(one))
            yield one
            left += [one.__cause__, one.__context__, getattr(one, "reason", None), *one.args]


def retry_after_s(headers: Mapping[str, str], *, now: float) -> float | None:
    """Return the seconds that the header Retry-After asks for, as a number or a date; None without a readable one."""
    text = headers.get("retry-after", "").strip()
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - now)
    except ValueError:
        return None


def request_id(headers: Mapping[str, str], *names: str) -> str:
    """Return the first of these headers that is there: what a provider's support asks for."""
    return next((headers[name] for name in names if headers.get(name)), "")
