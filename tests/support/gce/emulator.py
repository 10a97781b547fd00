"""The app: takes a request, holds it against the document, lets it act on the world, checks what is answered."""

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any
from urllib.parse import parse_qsl

from gce import balancing, disks, images, instances, lists, monitoring, operations
from gce.batches import batch_app
from gce.catalog import furnish
from gce.checker import Checker, Match, load
from gce.faults import Unanswered, Where
from gce.masks import masked
from gce.methods import HANDLERS
from gce.refusal import Refusal
from gce.world import Call, Resource, World

TOKEN = "a-token-of-the-tests"
NOUNS = (balancing, disks, images, instances, lists, monitoring, operations)
STATUS = {400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 409: "Conflict"}
STATUS |= {200: "OK", 412: "Precondition Failed", 429: "Too Many Requests", 500: "Internal Server Error"}
STATUS |= {503: "Service Unavailable"}


class Emulator:
    """A WSGI app over a world.

    `violations` has a sentence for everything that isn't as Google's documents say, in a request or in an answer: a
    test that used the emulator has to look whether it is empty. `calls` counts requests by method, `requests` what came
    over the wire, a batch as one. `last_answer` is the text of the last one.
    """

    def __init__(self, world: World | None = None) -> None:
        self.world = world or furnish(World())
        self.violations: list[str] = []
        self.calls: Counter[str] = Counter()
        self.requests = 0
        self.last_answer = ""
        self._checkers = _checkers()
        self._counting = threading.Lock()

    def __call__(self, environ: dict[str, Any], start: Callable[..., object]) -> Iterable[bytes]:
        with self._counting:
            self.requests += 1
        length = int(environ.get("CONTENT_LENGTH") or 0)
        raw = environ["wsgi.input"].read(length) if length else b""
        if environ["PATH_INFO"].startswith("/batch/"):
            return batch_app(self, environ, raw, start)
        query = parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True)
        token = environ.get("HTTP_AUTHORIZATION", "")
        status, headers, answer = self.answer(environ["REQUEST_METHOD"], environ["PATH_INFO"], query, raw, token)
        self.last_answer = json.dumps(answer)
        data = self.last_answer.encode()
        usual = [("Content-Type", "application/json; charset=UTF-8"), ("Content-Length", str(len(data)))]
        start(f"{status} {STATUS[status]}", [*usual, *headers])
        return [data]

    def answer(
        self, verb: str, path: str, query: list[tuple[str, str]], raw: bytes, token: str
    ) -> tuple[int, list[tuple[str, str]], Resource]:
        """Carry out one request: the status, headers, and body of the answer.

        Raises:
            Unanswered: there is none.
        """
        try:
            if token != f"Bearer {TOKEN}":
                raise Refusal(401, "authError", "Request had invalid authentication credentials.")
            return 200, [], self._carried_out(verb, path, query, raw)
        except Refusal as refusal:
            wait = refusal.retry_after_s
            return refusal.status, [("Retry-After", str(wait))] if wait is not None else [], refusal.body()

    def _carried_out(self, verb: str, path: str, query: list[tuple[str, str]], raw: bytes) -> Resource:
        checker, match = self._matched(verb, path)
        with self._counting:
            self.calls[match.id] += 1
        body = json.loads(raw) if raw else None
        self._note(match.id, checker.problems_of_request(match, query, body))
        call = Call(match.id, path.removeprefix("/" + checker.document["servicePath"]), dict(query), body or {})
        with self.world.clock.lock:
            self.world.clock.catch_up()
            answer = self._asked(call)
            self._note(match.id, checker.problems_of_answer(match, answer))
            answer = json.loads(json.dumps(answer))
        return masked(answer, call.query["fields"]) if "fields" in call.query else answer

    def _asked(self, call: Call) -> Resource:
        world = self.world
        fault = world.strike(call.method, Where.REQUEST, Where.NO_ANSWER)
        if fault is not None and fault.where is Where.NO_ANSWER:
            raise Unanswered
        if fault is not None:
            raise fault.refusal
        if (before := world.asked_before(call)) is not None:
            return before
        fault = world.strike(call.method, Where.OPERATION)
        if fault is not None:
            call = Call(call.method, call.path, call.query, call.body, fault.errors, fault.status)
        answer = HANDLERS[call.method](world, call)
        if call.query.get("requestId"):
            world.note_asked(call, answer)
        if world.strike(call.method, Where.ANSWER) is not None:
            raise Unanswered
        return answer

    def _matched(self, verb: str, path: str) -> tuple[Checker, Match]:
        for checker in self._checkers:
            match = checker.match(verb, path)
            if match is not None:
                return checker, match
        self._note(verb, [f"no method has the path {path}"])
        raise Refusal(404, "notFound", f"The requested URL {path} was not found on this server.")

    def _note(self, method: str, problems: list[str]) -> None:
        self.violations += [f"{method}: {problem}" for problem in problems]


@cache
def _checkers() -> tuple[Checker, ...]:
    return load("compute.v1"), load("monitoring.v3")
