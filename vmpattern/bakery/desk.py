"""What a bake does in one cloud: the driver's verbs as steps of a task, each held against the contract."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from vmpattern import naming
from vmpattern.access import Session
from vmpattern.access.images import checked_images
from vmpattern.access.reading import Probe
from vmpattern.access.requests import checked_report, checked_rows
from vmpattern.access.tasks import Ask, Task, Until, asked
from vmpattern.driver import Baker, CaptureRequest, Console, LaunchReport, LaunchRequest, Prober, Selector
from vmpattern.errors import NotFound, Throttled, Transient, Unsupported
from vmpattern.model import (
    Capabilities,
    Event,
    EventKind,
    Health,
    HealthCheck,
    Idempotency,
    Image,
    ImageId,
    Instance,
    InstanceId,
)

T = TypeVar("T")
MOST_POLL_S, LEAST_POLL_S = 5.0, 0.2
LOOKS = 40
"""A builder, or an image on its way, is looked at about so often while it takes as long as it usually does."""


class Desk:
    """One cloud and one deployment, for the tasks that bake there; `job` is in the labels of what they launch."""

    def __init__(
        self, cloud: str, deployment: str, session: Session, tell: Callable[[Event], None], *, job: str
    ) -> None:
        self.cloud = cloud
        self.deployment = deployment
        self.job = job
        self._driver = session.drivers[cloud]
        self._runtime = session.runtime
        self._tell = tell

    @property
    def capabilities(self) -> Capabilities:
        """What the cloud can do."""
        return self._driver.capabilities

    @property
    def poll_s(self) -> float:
        """How many seconds lie between two looks."""
        return min(MOST_POLL_S, max(LEAST_POLL_S, self.capabilities.latencies.build_s / LOOKS))

    @property
    def certain_s(self) -> float:
        """After how many seconds a list shows whatever was launched before it."""
        return self.capabilities.staleness_s + self.capabilities.call_timeout_s

    def is_own(self, row: Instance) -> bool:
        """Return whether a job of this name launched it, and so whoever holds the lock of its digest may end it."""
        return bool(self.job) and row.inputs.endswith(f"-{self.job}")

    def now(self) -> float:
        """Return the reconciler's moment."""
        return self._runtime.now()

    def tell(self, kind: EventKind, message: str, *instances: InstanceId) -> None:
        """Tell what happened, as an event."""
        self._tell(Event(at=self.now(), kind=kind, cloud=self.cloud, instances=instances, message=message))

    def sleep(self, seconds: float) -> Task[None]:
        """Wait."""
        yield Until(self.now() + seconds)

    def patiently(self, reading: Task[T]) -> Task[T | None]:
        """Read for somebody who will look again anyway: None where the cloud couldn't be read this time."""
        try:
            return (yield from reading)
        except (Throttled, Transient):
            return None

    # -- reading ------------------------------------------------------------------------------------------------------

    def images(self) -> Task[tuple[Image, ...]]:
        """List the deployment's images."""
        rows = yield from self._read("images", lambda: self._driver.images(Selector(self.deployment)))
        return checked_images(self._driver.name, self.deployment, rows)

    def crew(self, digest: str) -> Task[list[Instance]]:
        """List what was launched to bake a digest, as far as it exists and nobody ended it, the oldest first."""
        selector = Selector(self.deployment, naming.BUILDERS)
        rows = yield from self._read("instances", lambda: self._driver.instances(selector))
        found = checked_rows(self._driver.name, self.deployment, rows).instances
        own = (row for row in found if row.fleet == naming.BUILDERS and row.revision == digest and row.phase.is_live)
        return sorted(own, key=lambda row: (row.launched_at, row.id))

    def console(self, id: InstanceId) -> Task[str]:
        """Return what a builder printed; nothing where the driver can't show it."""
        if not self.capabilities.console or not isinstance(self._driver, Console):
            return ""
        console = self._driver
        try:
            return (yield from self._read("console", lambda: console.console(id)))
        except NotFound:
            return ""

    def probe(self, row: Instance, check: HealthCheck, ask: Probe) -> Task[Health]:
        """Ask for the health of an instance: through the driver where it can, else over the network by `ask`."""
        prober = self._driver if self.capabilities.probes and isinstance(self._driver, Prober) else None
        run = (lambda: ask([row], check)) if prober is None else (lambda: prober.probe([row.id], check))
        words = yield from self._read("probe", run)
        return words.get(row.id, Health.UNKNOWN)

    # -- acting -------------------------------------------------------------------------------------------------------

    def launch(self, request: LaunchRequest) -> Task[LaunchReport]:
        """Launch one builder; where a launch sent twice launches twice, an unknown outcome is raised."""
        once = self.capabilities.idempotency is not Idempotency.NONE
        report = yield from self._act(
            "launch",
            request.key,
            lambda: self._driver.launch(request),
            {"launch": 1, "launch-instances": 1},
            resend_unknown=once,
        )
        return checked_report(self._driver.name, request, report)

    def terminate(self, ids: Sequence[InstanceId]) -> Task[None]:
        """End builders."""
        costs = {"terminate": 1, "terminate-instances": len(ids)}
        yield from self._act("terminate", ",".join(ids), lambda: self._driver.terminate(ids), costs)

    def capture(self, request: CaptureRequest) -> Task[ImageId]:
        """Make an image of a stopped builder."""
        return (yield from self._act("capture", request.digest, lambda: self._baker.capture(request), {"image": 1}))

    def mark_verified(self, id: ImageId) -> Task[None]:
        """Mark an image as verified: from then on, instances may be launched from it."""
        yield from self._act("mark_verified", id, lambda: self._baker.mark_verified(id), {"image": 1})

    def stage(self, name: str, data: bytes, *, lifetime_s: float) -> Task[str]:
        """Put data where a builder finds it."""

        def stage() -> str:
            return self._baker.stage(name, data, lifetime_s=lifetime_s)

        return (yield from self._act("stage", name, stage, {"image": 1}))

    def unstage(self, name: str) -> Task[None]:
        """Remove staged data."""
        yield from self._act("unstage", name, lambda: self._baker.unstage([name]), {"image": 1})

    def delete_image(self, id: ImageId) -> Task[None]:
        """Delete an image."""
        yield from self._act("delete_images", id, lambda: self._driver.delete_images([id]), {"image": 1})

    @property
    def _baker(self) -> Baker:
        if not self.capabilities.baker or not isinstance(self._driver, Baker):
            raise Unsupported(f"the driver of {self.cloud} can't bake")
        return self._driver

    def _read(self, verb: str, run: Callable[[], T]) -> Task[T]:
        return self._call(verb, verb, run, {"read": 1}, mutating=False)

    def _act(
        self, verb: str, label: str, run: Callable[[], T], costs: Mapping[str, float], *, resend_unknown: bool = True
    ) -> Task[T]:
        return self._call(verb, label, run, costs, mutating=True, resend_unknown=resend_unknown)

    def _call(
        self,
        verb: str,
        label: str,
        run: Callable[[], T],
        costs: Mapping[str, float],
        *,
        mutating: bool,
        resend_unknown: bool = True,
    ) -> Task[T]:
        ask = Ask(
            cloud=self.cloud,
            verb=verb,
            label=label,
            run=run,
            costs=costs,
            mutating=mutating,
            resend_unknown=resend_unknown,
        )
        return asked(ask, run)
