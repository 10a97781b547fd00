"""Google's API as a verb uses it: within its deadline, about its subject, every page read, every warning heeded."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import attrs
from libcloud.common.base import Connection

from vmpattern.errors import DriverError, Scope, ScopeKind, Unauthenticated
from vmpattern_gcp.answers import Operation, Series, SeriesPage
from vmpattern_gcp.batches import Part, Sent, batched, parts_of
from vmpattern_gcp.credentials import Credentials
from vmpattern_gcp.errors import TABLE, read_fault, weight
from vmpattern_gcp.options import GcpOptions
from vmpattern_gcp.parsing import Aggregated, Listed, check_whole, in_page, parsed
from vmpattern_libcloud import Deadline, Endpoint, Fault, Page, Reply, Request, Session, Subject, document, every_page

Answer = TypeVar("Answer")
Json = Mapping[str, object]
Now = Callable[[], float]
COMPUTE = "/compute/v1"
PAGE = "500"


class Api:
    """Google's addresses, with the project that all paths are in."""

    def __init__(self, options: GcpOptions, credentials: Credentials, *, now: Now) -> None:
        self._options = options
        self._credentials = credentials
        self._now = now
        self._compute = self._session(options.endpoint)
        self._monitoring = self._session(options.monitoring_endpoint)

    @property
    def project(self) -> str:
        """The project's id, as written or as the credentials have it.

        Raises:
            Unauthenticated: neither says.
        """
        project = self._options.project or self._credentials.project()
        if not project:
            text = "neither the cloud's option `project` nor the credentials say which project is meant"
            raise Unauthenticated(text, code="NoProject", scope=Scope(ScopeKind.ACCOUNT))
        return project

    def calls(self, what: str, *, mutating: bool = False, subject: Subject | None = None) -> "Calls":
        """Return what a verb makes its calls with; its time begins now."""
        about = attrs.evolve(subject or Subject(what=what), what=what, mutating=mutating)
        seconds = self._options.call_timeout.total_seconds()
        return Calls(self._compute, self._monitoring, self.project, self._options.region, about, Deadline(seconds))

    def close(self) -> None:
        """Let go of every connection."""
        self._compute.close()
        self._monitoring.close()

    def _session(self, url: str) -> Session:
        options = self._options
        return Session(
            Endpoint(url=url.rstrip("/"), ca_file=options.ca_file, proxy=options.proxy),
            errors=TABLE,
            read_fault=lambda reply: read_fault(reply, now=self._now()),
            connect=_authorised(self._credentials),
            secrets=self._credentials.secrets,
        )


def _authorised(credentials: Credentials) -> type[Connection]:
    class Authorised(Connection):
        """Bears a token with each request."""

        def add_default_headers(self, headers: dict[str, str]) -> dict[str, str]:
            return {**headers, "Authorization": f"Bearer {credentials.token()}"}

    return Authorised


class Calls:
    """The calls of one verb. Paths are within the project; what they may raise is any `DriverError`.

    `region` is the driver's scope in the project.
    """

    def __init__(
        self, compute: Session, monitoring: Session, project: str, region: str, subject: Subject, deadline: Deadline
    ) -> None:
        self._compute = compute
        self._monitoring = monitoring
        self._deadline = deadline
        self.project = project
        self.region = region
        self.subject = subject

    def get(self, kind: type[Answer], path: str, **params: str) -> Answer:
        """Read one resource."""
        return parsed(kind, self._read("GET", self._path(path), params), self.subject.what)

    def find(self, kind: type[Answer], path: str, **params: str) -> Answer:
        """Read one resource by its whole path, `projects/...`, in whichever project."""
        return parsed(kind, self._read("GET", f"{COMPUTE}/{path}", params), self.subject.what)

    def ask(self, kind: type[Answer], path: str, body: Json) -> Answer:
        """Ask with a body, without an effect."""
        return parsed(kind, self._read("POST", self._path(path), {}, body), self.subject.what)

    def change(self, method: str, path: str, body: Json | None = None, **params: str) -> Operation:
        """Start an operation; one that has failed already raises nothing here."""
        return self._operation(self._sent(method, self._path(path), params, body, mutating=True))

    def wait(self, operation: Operation, scope: str) -> Operation:
        """Let Google wait for an operation in a scope such as `zones/z`; it may still run afterwards."""
        path = self._path(f"{scope}/operations/{operation.name}/wait")
        return self._operation(self._sent("POST", path, {}, mutating=True))

    def every(self, kind: type[Answer], path: str, *, method: str = "GET", **params: str) -> list[Answer]:
        """Read every page of a list."""

        def fetch(mark: str) -> Page[Answer]:
            page = parsed(Listed, self._page(method, path, params, mark), self.subject.what)
            check_whole(page, self.subject.what)
            items = [parsed(kind, item, self.subject.what) for item in page.items]
            return Page(items, after=page.next_page_token)

        return every_page(fetch)

    def in_region(self, kind: type[Answer], collection: str, *, fields: str, **params: str) -> list[Answer]:
        """Read every page of a list over every zone of the region, with these fields of each item.

        Google filters by no region, so that what others have is passed over here; that it can't be read matters not.
        """
        return self._aggregated(kind, collection, self.region, fields, params)

    def everywhere(self, kind: type[Answer], collection: str, *, fields: str, **params: str) -> list[Answer]:
        """Read every page of a list over every zone of the project: for what mustn't be used anywhere."""
        return self._aggregated(kind, collection, None, fields, params)

    def _aggregated(
        self, kind: type[Answer], collection: str, region: str | None, fields: str, params: Mapping[str, str]
    ) -> list[Answer]:
        mask = f"items/*({collection}({fields}),warning(code,message)),nextPageToken,unreachables,warning(code,message)"

        def fetch(mark: str) -> Page[Answer]:
            answer = self._page("GET", f"aggregated/{collection}", {**params, "fields": mask}, mark)
            page = parsed(Aggregated, answer, self.subject.what)
            found = in_page(page, collection, self.subject.what, region)
            items = [parsed(kind, item, self.subject.what) for item in found]
            return Page(items, after=page.next_page_token)

        return every_page(fetch)

    def together(self, parts: Sequence[Part]) -> list[Sent]:
        """Send requests in one: each has its own operation or error."""
        path = f"{COMPUTE}/projects/{self.project}"
        about = attrs.evolve(self.subject, mutating=True)
        boundary, body = batched([attrs.evolve(part, path=f"{path}/{part.path}") for part in parts])
        headers = {"Content-Type": f"multipart/mixed; boundary={boundary}"}
        request = Request(subject=about, method="POST", path="/batch/compute/v1", headers=headers, body=body)
        reply = self._compute.send(request, self._deadline)
        return [self._of_part(answer, about) for answer in parts_of(reply, len(parts), self.subject.what)]

    def series(self, **params: str) -> list[Series]:
        """Read every page of the series that Cloud Monitoring has."""

        def fetch(mark: str) -> Page[Series]:
            marked = {**params, **({"pageToken": mark} if mark else {})}
            request = Request(subject=self.subject, path=f"/v3/projects/{self.project}/timeSeries", params=marked)
            reply = self._monitoring.send(request, self._deadline)
            page = parsed(SeriesPage, document(reply, self.subject.what), self.subject.what)
            return Page(page.time_series, after=page.next_page_token)

        return every_page(fetch)

    def raised(self, operation: Operation) -> DriverError | None:
        """Return what an operation's errors are to raise, all of them told; None where it has none."""
        faults = operation.faults
        if not faults:
            return None
        message = "; ".join(dict.fromkeys(fault.message for fault in faults))
        errors = [
            self._compute.refusal(
                Fault(status=operation.http_error_status_code or 400, code=fault.code, message=message),
                attrs.evolve(self.subject, mutating=False),
            )
            for fault in faults
        ]
        return min(errors, key=weight)

    # -- the requests themselves --------------------------------------------------------------------------------------

    def _path(self, path: str) -> str:
        return f"{COMPUTE}/projects/{self.project}/{path}"

    def _page(self, method: str, path: str, params: Mapping[str, str], mark: str) -> Json:
        marked = {**params, "maxResults": PAGE, **({"pageToken": mark} if mark else {})}
        return self._read(method, self._path(path), marked, {} if method == "POST" else None)

    def _read(self, method: str, path: str, params: Mapping[str, str], body: Json | None = None) -> Json:
        return self._sent(method, path, params, body, mutating=False)

    def _sent(
        self, method: str, path: str, params: Mapping[str, str], body: Json | None = None, *, mutating: bool
    ) -> Json:
        request = Request(
            subject=attrs.evolve(self.subject, mutating=mutating),
            method=method,
            path=path,
            params=params,
            headers={"Content-Type": "application/json"} if body is not None else {},
            body=json.dumps(body).encode() if body is not None else b"",
        )
        return document(self._compute.send(request, self._deadline), self.subject.what)

    def _operation(self, answer: Json) -> Operation:
        return parsed(Operation, answer, self.subject.what)

    def _of_part(self, reply: Reply, subject: Subject) -> Sent:
        if reply.status >= 300:
            return Sent(error=self._compute.refusal(read_fault(reply, now=0.0), subject))
        return Sent(operation=self._operation(document(reply, subject.what)))
