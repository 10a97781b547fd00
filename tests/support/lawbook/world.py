"""The world in which schedules happen: clouds, a network that is slow and loses its callers, and one process at a time.

Nothing here knows what is right: the auditor does.
"""

import heapq
import itertools
import math
import random
from collections.abc import Callable, Mapping, Sequence

import attrs

from lawbook.auditor import Auditor
from lawbook.schedules import SHOP, Crash, Old, Schedule
from lawbook.truth import OpenCloud
from vmpattern.driver import LaunchReport, LaunchRequest, Selector
from vmpattern.errors import DriverError, OutcomeUnknown, Throttled
from vmpattern.executor import FleetOrder, carry_out
from vmpattern.executor.runtime import DEADLINE_FACTOR, Answer, Work, attempt
from vmpattern.forecast import plan
from vmpattern.model import (
    Capabilities,
    CloudObservation,
    Deployment,
    Health,
    HealthCheck,
    Image,
    ImageId,
    Instance,
    InstanceId,
    LaunchKey,
    MachineType,
    Market,
    Observation,
    Options,
    Outcome,
    Plan,
    Revision,
    Standing,
)
from vmpattern.planner import decide

QUIET_S = 100.0
STRANGER = "other"


class Crashed(BaseException):
    """The process is gone; nothing may catch it."""


@attrs.define(order=True)
class Pending:
    """Something on its way: at a moment, in the order in which it set out."""

    at: float
    order: int
    run: Callable[[], None] = attrs.field(order=False)


class World:
    """One or two clouds, the time, and the calls that are on their way to them."""

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self.clouds = {
            spec.name: OpenCloud(spec, faults=faults)
            for spec, faults in zip(schedule.clouds, schedule.faults, strict=True)
        }
        self.random = random.Random(schedule.seed)
        self.order = itertools.count()
        self.pending: list[Pending] = []
        self.auditor: Auditor | None = None
        self.crash: Crash | None = None
        self.calls = 0
        self.is_calm = False
        self.throttled = 0
        for number, old in enumerate(schedule.old):
            self._put(number, old)
        self.strangers = self._put_strangers() if schedule.strangers else ()
        self.advance(self.now + QUIET_S)

    @property
    def now(self) -> float:
        return next(iter(self.clouds.values())).clock.now()

    def advance(self, until: float) -> None:
        """Let time pass, with every call that arrives on the way."""
        while self.pending and self.pending[0].at <= until:
            arriving = heapq.heappop(self.pending)
            self._pass(arriving.at)
            arriving.run()
        self._pass(until)

    def _pass(self, until: float) -> None:
        for cloud in self.clouds.values():
            cloud.advance(until)
        if self.auditor is not None:
            self.auditor.moved()

    def calm_down(self) -> None:
        """No more faults, and no more slowness."""
        self.is_calm = True
        for cloud in self.clouds.values():
            cloud.calm_down()

    # -- who was there before -----------------------------------------------------------------------------------------

    def _put(self, number: int, old: Old) -> None:
        web = self.schedule.changes[0].desired.fleets["web"]
        self._launch(old.cloud, old.zone, f"k-old-{number}", SHOP, "web", old.revision, well=old.well)
        if web.balancer and number % 2 == 0:
            rows = [row.id for row in self.clouds[old.cloud].rows() if row.key == f"k-old-{number}"]
            self._quietly(lambda: self.clouds[old.cloud].register(web.balancer[old.cloud], rows))

    def _put_strangers(self) -> tuple[Instance, ...]:
        """Others' instances: of another deployment's fleet of the same name, of nobody's, one behind our balancer."""
        cloud = next(iter(self.clouds))
        for number, deployment in enumerate((STRANGER, STRANGER, "")):
            self._launch(cloud, "a", f"k-stranger-{number}", deployment, "web" if deployment else "", "r1", well=True)
        rows = tuple(row for row in self.clouds[cloud].rows() if row.deployment != SHOP)
        web = self.schedule.changes[0].desired.fleets["web"]
        if rows and cloud in web.balancer:
            self._quietly(lambda: self.clouds[cloud].register(web.balancer[cloud], [rows[0].id]))
        return rows

    def _launch(
        self, cloud: str, zone: str, key: str, deployment: str, fleet: str, revision: str, *, well: bool
    ) -> None:
        request = LaunchRequest(
            key=LaunchKey(key),
            count=1,
            deployment=deployment,
            fleet=fleet,
            revision=Revision(revision),
            zone=zone,
            machine_type="small",
            market=Market.ON_DEMAND,
            image=ImageId("img-0" if well else "img-bad"),
        )
        self._quietly(lambda: self.clouds[cloud].launch(request))
        self.advance(self.now + 10.0)

    @staticmethod
    def _quietly(act: Callable[[], object]) -> None:
        try:
            act()
        except DriverError:
            return

    # -- one apply ----------------------------------------------------------------------------------------------------

    def observe(self, deployment: Deployment) -> Observation:
        """Read every cloud once; one that can't be read says why."""
        return Observation(
            at=self.now, clouds={name: self._observed(deployment, cloud) for name, cloud in self.clouds.items()}
        )

    def _observed(self, deployment: Deployment, cloud: OpenCloud) -> CloudObservation:
        facts = {"name": cloud.name, "at": self.now, "capabilities": cloud.capabilities}
        try:
            rows = cloud.instances(Selector(deployment.name))
            members: dict[InstanceId, Standing] = {}
            probed: dict[InstanceId, Health] = {}
            for fleet in deployment.fleets.values():
                if cloud.name in fleet.balancer:
                    members.update(cloud.members(fleet.balancer[cloud.name]))
                check = deployment.services[fleet.service].health
                if check is not None:
                    ids = [row.id for row in rows if row.fleet == fleet.name and row.phase.is_live]
                    probed.update(cloud.probe(ids, check))
            return CloudObservation(
                **facts, instances=rows, machine_types=cloud.machine_types(), probed=probed, members=members
            )
        except DriverError as error:
            return CloudObservation(**facts, error=str(error))

    def apply(self, deployment: Deployment, *, crash: Crash | None = None, decider: "Decider" = decide) -> "Applied":
        """One process: observe, plan, carry out; it may die at a call."""
        planned = plan(deployment, self.observe(deployment))
        return self.carry_out(planned, crash=crash, decider=decider)

    def finish(self, deployment: Deployment, *, decider: "Decider" = decide) -> "Applied | None":
        """Observe, plan, and carry out what the plan changes; None if that is nothing."""
        planned = plan(deployment, self.observe(deployment))
        return self.carry_out(planned, decider=decider) if planned.changes else None

    def carry_out(self, planned: Plan, *, crash: Crash | None = None, decider: "Decider" = decide) -> "Applied":
        """One process carries out a plan."""
        desired = planned.deployment
        self.auditor = Auditor(desired, dict(planned.fleets), self.clouds)
        self.crash, self.calls, self.throttled = crash, 0, 0
        runtime = Passage(self, self.auditor)
        drivers = {name: AuditedDriver(cloud, self) for name, cloud in self.clouds.items()}
        orders = [
            FleetOrder(fleet=desired.fleets[name], slots=fleet.slots, named=frozenset(fleet.terminates))
            for name, fleet in planned.fleets.items()
        ]
        outcome, crashed = None, False
        try:
            outcome = carry_out(
                desired, orders, drivers, runtime, on_event=self.auditor.event, watch=False, decide=decider
            )
        except Crashed:
            crashed = True
            self._bury()
        auditor, self.auditor, self.crash = self.auditor, None, None
        return Applied(planned, outcome, crashed, auditor, self.throttled, self.calls)

    def _bury(self) -> None:
        """The process is dead: no answer finds it, but some of its calls still arrive."""
        alive = self.schedule.ghosts
        self.pending = [Pending(at.at, at.order, at.run) for at in self.pending if alive and self.random.random() < 0.7]
        heapq.heapify(self.pending)

    def haunt(self, work: Work) -> None:
        """A call of a dead process arrives: nobody answers for it."""
        living, self.auditor = self.auditor, None
        attempt(work)
        self.auditor = living
        if living is not None:
            living.moved(excused=True)


Decider = Callable[..., object]


@attrs.frozen
class Applied:
    """What became of one apply."""

    plan: Plan
    outcome: Outcome | None
    crashed: bool
    auditor: Auditor
    throttled: int
    calls: int


class Passage:
    """The runtime of one process: its calls take time on their way there and back."""

    def __init__(self, world: World, auditor: Auditor) -> None:
        self._world = world
        self._auditor = auditor
        self._answers: list[tuple[float, int, Answer, Work, object]] = []

    def now(self) -> float:
        return self._world.now

    def start(self, work: Work) -> None:
        world, changes, auditor = self._world, not work.what.endswith(": instances"), self._auditor
        auditor.call_started(changes=changes)
        there_s, back_s = self._delays(work)
        patience_s = work.timeout_s / DEADLINE_FACTOR  # the driver gives up before the executor takes it for hung
        asked_at, hangs = world.now, there_s + back_s > patience_s

        def arrive() -> None:
            if world.auditor is not auditor:
                world.haunt(work)
                return
            answer = attempt(work)
            shown = None
            if not changes and answer.error is None:
                shown = (work.what.split(":")[0], asked_at, auditor.read_took_effect(work.what.split(":")[0]))
            if hangs:
                late = OutcomeUnknown("no answer in time", code="TimedOut")
                answer, shown = Answer(work.ticket, error=late), None
            at = asked_at + patience_s if hangs else world.now + back_s
            heapq.heappush(self._answers, (at, next(world.order), answer, work, shown))

        if there_s <= 0.0:
            arrive()
        else:
            heapq.heappush(world.pending, Pending(asked_at + there_s, next(world.order), arrive))

    def _delays(self, work: Work) -> tuple[float, float]:
        slowness = self._world.schedule.slowness_s
        if slowness == 0.0 or self._world.is_calm:
            return 0.0, work.latency_s
        draw = self._world.random.random
        return draw() * slowness, draw() * slowness

    def wait(self, until: float) -> list[Answer]:
        world = self._world
        while True:
            following = min(
                until,
                self._answers[0][0] if self._answers else math.inf,
                world.pending[0].at if world.pending else math.inf,
            )
            if math.isinf(following):
                raise RuntimeError("nothing is in flight and nothing is awaited: virtual time would stand still")
            world.advance(max(following, world.now))
            came = []
            while self._answers and self._answers[0][0] <= world.now:
                came.append(self._deliver())
            if came or following >= until:
                return came

    def _deliver(self) -> Answer:
        _, _, answer, work, shown = heapq.heappop(self._answers)
        self._auditor.call_answered(changes=not work.what.endswith(": instances"))
        if shown is not None:
            self._auditor.read_delivered(*shown)  # type: ignore[misc]
        return answer

    def wake(self) -> None:
        """Nothing to wake: nobody sleeps here."""


class AuditedDriver:
    """A driver that tells the auditor what reaches the cloud, and at which the process may die."""

    def __init__(self, cloud: OpenCloud, world: World) -> None:
        self._cloud = cloud
        self._world = world

    @property
    def name(self) -> str:
        return self._cloud.name

    @property
    def capabilities(self) -> Capabilities:
        return self._cloud.capabilities

    def _call(self, act: Callable[[], object]) -> object:
        world = self._world
        world.calls += 1
        crash = world.crash if world.auditor is not None else None
        dies = crash is not None and world.calls == crash.call + 1
        if dies and crash is not None and not crash.after:
            raise Crashed
        try:
            return act()
        except Throttled:
            world.throttled += 1
            raise
        finally:
            if dies:
                raise Crashed

    def instances(self, selector: Selector) -> tuple[Instance, ...]:
        return self._call(lambda: self._cloud.instances(selector))  # type: ignore[return-value]

    def launch(self, request: LaunchRequest) -> LaunchReport:
        auditor = self._world.auditor
        if auditor is None:
            return self._cloud.launch(request)
        auditor.launch_begins(request)
        try:
            report = self._call(lambda: self._cloud.launch(request))
        except Exception as error:
            auditor.launch_took_effect(request, error)
            raise
        auditor.launch_took_effect(request, None)
        return report  # type: ignore[return-value]

    def terminate(self, ids: Sequence[InstanceId]) -> None:
        self._act("terminate", ids, lambda: self._cloud.terminate(ids))

    def label(self, ids: Sequence[InstanceId], labels: Mapping[str, str]) -> None:
        self._act("label", ids, lambda: self._cloud.label(ids, labels))

    def register(self, balancer: Options, ids: Sequence[InstanceId]) -> None:
        self._act("register", ids, lambda: self._cloud.register(balancer, ids))

    def deregister(self, balancer: Options, ids: Sequence[InstanceId]) -> None:
        self._act("deregister", ids, lambda: self._cloud.deregister(balancer, ids))

    def _act(self, verb: str, ids: Sequence[InstanceId], act: Callable[[], object]) -> None:
        auditor = self._world.auditor
        if auditor is None:
            act()
            return
        auditor.touched(verb, tuple(ids))
        try:
            self._call(act)
        except DriverError:
            auditor.act_failed(tuple(ids))
            raise
        finally:
            auditor.moved()

    def probe(self, ids: Sequence[InstanceId], check: HealthCheck) -> Mapping[InstanceId, Health]:
        return self._cloud.probe(ids, check)

    def members(self, balancer: Options) -> Mapping[InstanceId, Standing]:
        return self._call(lambda: self._cloud.members(balancer))  # type: ignore[return-value]

    def images(self, selector: Selector) -> tuple[Image, ...]:
        return self._cloud.images(selector)

    def delete_images(self, ids: Sequence[ImageId]) -> None:
        self._cloud.delete_images(ids)

    def machine_types(self) -> tuple[MachineType, ...]:
        return self._cloud.machine_types()

    def close(self) -> None:
        """Nothing to close."""
