"""The world in which schedules happen: clouds, a network that is slow and loses its callers, and one process at a time.

Nothing here knows what is right: the auditor does.
"""

import heapq
import itertools
import math
import os
import random
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import attrs

from lawbook.auditor import Auditor
from lawbook.remembering import Knowledge, Memory
from lawbook.schedules import SECRET, SHOP, Change, Crash, Old, Outside, Schedule
from lawbook.truth import OpenCloud, is_well
from vmpattern import naming
from vmpattern.access import Session, read_clouds
from vmpattern.access.runtime import DEADLINE_FACTOR, Answer, Work, attempt
from vmpattern.driver import LaunchReport, LaunchRequest, Selector, TokenBucket
from vmpattern.errors import DriverError, OutcomeUnknown, Problem, Refused, SpecError, Throttled
from vmpattern.forecast import plan
from vmpattern.model import (
    OUTSIDE,
    Capabilities,
    Deployment,
    Fleet,
    Health,
    HealthCheck,
    Image,
    ImageId,
    Instance,
    InstanceId,
    LaunchKey,
    Limit,
    MachineType,
    Market,
    Membership,
    Observation,
    Options,
    Outcome,
    Plan,
    Revision,
    Service,
    Standing,
)
from vmpattern.operations import apply_in
from vmpattern.planner import decide

QUIET_S = 100.0
STRANGER = "other"
DAMAGE = ((naming.FLEET, "Web.1"), (naming.FLEET, ""), (naming.REVISION, ""), (naming.KEY, ""))
"""How labels are damaged by hand: what is written there instead."""


class Crashed(BaseException):
    """The process is gone; nothing may catch it."""


@attrs.define(order=True)
class Pending:
    """Something on its way: at a moment, in the order in which it set out; it `lasts` if no process sent it."""

    at: float
    order: int
    run: Callable[[], None] = attrs.field(order=False)
    lasts: bool = attrs.field(default=False, order=False)


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
        self.clock_s = 0.0
        self.budgets: dict[str, dict[str, TokenBucket]] = {}
        self.throttled = 0
        self.memory = Memory()
        self.relabelled: dict[InstanceId, float] = {}
        for number, old in enumerate(schedule.old):
            self._put(number, old)
        self.tell_secret(schedule.changes[0].secret)
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

    @staticmethod
    def tell_secret(value: str) -> None:
        """Let the secret that environments name have this value from now on."""
        os.environ[SECRET] = value

    def serves(self, row: Instance, fleet: Fleet, service: Service) -> bool:
        """Whether an instance serves in truth: it runs, is well, and is behind the fleet's balancer if that has one."""
        cloud = self.clouds[row.cloud]
        native = cloud.capabilities.native_health
        well = is_well(row, cloud.answers(row.id), service.health, native=native)
        balancer = fleet.balancer.get(row.cloud)
        if balancer is None or not well:
            return well
        return cloud.standing(balancer).get(row.id, OUTSIDE).membership is Membership.HEALTHY

    def calm_down(self) -> None:
        """No more faults, no more slowness, and a clock that is right."""
        self.is_calm = True
        self.memory.no_room = ()  # as half a day later: evenness is held against what clouds have, not what was noted
        self.clock_s = 0.0
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

    def session(self, auditor: Auditor | None = None) -> Session:
        """What one verb works with: the drivers and the network, watched by an auditor where one is given."""
        drivers = {name: AuditedDriver(cloud, self) for name, cloud in self.clouds.items()}
        return Session(drivers, Passage(self, auditor), budgets=self.budgets)

    def observe(self, deployment: Deployment) -> Observation:
        """Read the clouds as `observe` does; one that can't be read says why."""
        return read_clouds(deployment, self.session(), check=True, limits=True, recorded=self.memory.read(deployment))

    def play(self, change: Change, *, decider: "Decider" = decide) -> "Applied":
        """Carry out one change of the schedule, with what happens meanwhile."""
        self.advance(self.now + change.pause_s)
        self.tell_secret(change.secret)
        self.clock_s = change.clock_s
        if change.forgets:
            self.memory.lose()
        for happening in change.outside:
            run = partial(self._happen, happening)
            heapq.heappush(self.pending, Pending(self.now + happening.after_s, next(self.order), run, lasts=True))
        return self.apply(change.desired, crash=change.crash, stop_at_call=change.stop_at_call, decider=decider)

    def _happen(self, happening: Outside) -> None:
        """Let something from outside happen to one of our instances."""
        rows = sorted(
            (row.id, name) for name, cloud in self.clouds.items() for row in cloud.rows() if self._is_ours(row)
        )
        if not rows:
            return
        id, name = rows[happening.number % len(rows)]
        cloud = self.clouds[name]
        if happening.what == "deregister":
            cloud.take_out(id)
        elif happening.what == "stop":
            cloud.halt(id)
        elif happening.what == "sicken":
            cloud.sicken(id)
        elif happening.what == "relabel":
            self.relabelled[id] = self.now
            cloud.relabel(id, *DAMAGE[happening.number % len(DAMAGE)])
        elif happening.what == "kill" or cloud.market(id) is Market.SPOT:
            cloud.kill(id)

    def _is_ours(self, row: Instance) -> bool:
        return row.deployment == SHOP and row.phase.is_live and row.id not in self.relabelled

    def apply(
        self,
        deployment: Deployment,
        *,
        crash: Crash | None = None,
        stop_at_call: int | None = None,
        decider: "Decider" = decide,
    ) -> "Applied":
        """One process, as a user starts it: observe, plan, apply; it may die at a call of the apply, or be stopped."""
        self.budgets = {}
        try:
            planned = plan(deployment, self.observe(deployment))
        except (SpecError, Refused) as refusal:
            return Applied(None, None, refusal)
        return self.carry_out(planned, crash=crash, stop_at_call=stop_at_call, decider=decider)

    def carry_out(
        self,
        planned: Plan,
        *,
        crash: Crash | None = None,
        stop_at_call: int | None = None,
        decider: "Decider" = decide,
    ) -> "Applied":
        """One process applies a plan."""
        self.auditor = auditor = Auditor(
            planned, self.clouds, Knowledge.of(self.memory), self.relabelled, ahead_s=self.clock_s
        )
        self.crash, self.calls, self.throttled = crash, 0, 0
        outcome: Outcome | None = None
        refusal: Exception | None = None
        try:
            outcome = apply_in(
                self.session(auditor),
                planned,
                on_event=auditor.event,
                stop=lambda: stop_at_call is not None and self.calls >= stop_at_call,
                record=self.memory,
                decide=decider,
            )
        except (SpecError, Refused) as error:
            refusal = error
        except Crashed:
            self._bury()
        self.auditor, self.crash = None, None
        return Applied(planned, outcome, refusal, auditor, self.throttled, self.calls)

    def _bury(self) -> None:
        """The process is dead: no answer finds it, but some of its calls still arrive."""
        alive = self.schedule.ghosts
        self.pending = [one for one in self.pending if one.lasts or (alive and self.random.random() < 0.7)]
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
    """What became of one process: its plan, and its outcome, why it was refused, or neither if it crashed."""

    plan: Plan | None
    outcome: Outcome | None
    refusal: Exception | None = None
    auditor: Auditor | None = None
    throttled: int = 0
    calls: int = 0

    @property
    def crashed(self) -> bool:
        return self.outcome is None and self.refusal is None

    @property
    def broken(self) -> list[str]:
        return self.auditor.broken if self.auditor else []

    @property
    def is_good(self) -> bool:
        """Whether it ended with everything as desired."""
        return self.outcome is not None and self.outcome.ok

    @property
    def end(self) -> str:
        """How it ended, in a word."""
        if self.outcome is not None:
            return self.outcome.result.value
        return "crashed" if self.crashed else f"refused ({type(self.refusal).__name__})"

    @property
    def story(self) -> str:
        """How it ended, and how many instances it launched and terminated."""
        fleets = self.outcome.fleets.values() if self.outcome is not None else ()
        return f"{self.end} +{sum(one.created for one in fleets)} -{sum(one.destroyed for one in fleets)}"


READS = ("instances", "members", "shares", "machine_types", "images", "resolve", "check", "limits")
"""Verbs that change nothing."""


class Passage:
    """The runtime of one process: its calls take time on their way there and back."""

    def __init__(self, world: World, auditor: Auditor | None) -> None:
        self._world = world
        self._auditor = auditor
        self._answers: list[tuple[float, int, Answer, Work, object]] = []
        self._ahead_s = world.clock_s

    def now(self) -> float:
        """Return the operator's time, whose clock may be wrong."""
        return self._world.now + self._ahead_s

    def start(self, work: Work) -> None:
        world, auditor = self._world, self._auditor
        cloud, verb = work.what.split(": ")
        changes = verb not in READS
        if auditor is not None:
            auditor.call_started(changes=changes)
            if verb == "instances":
                auditor.list_started(cloud)
        there_s, back_s = self._delays(work)
        patience_s = work.timeout_s / DEADLINE_FACTOR  # the driver gives up before the reconciler takes it for hung
        asked_at, hangs = world.now, there_s + back_s > patience_s

        def arrive() -> None:
            if world.auditor is not auditor:
                world.haunt(work)
                return
            answer = attempt(work)
            shown = None
            if auditor is not None and verb == "instances" and answer.error is None:
                listed = answer.result.instances  # type: ignore[attr-defined]
                shown = (cloud, asked_at, auditor.read_took_effect(cloud, listed))
            if hangs and verb in ("members", "shares") and auditor is not None:
                auditor.answer_lost(cloud, verb)
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
        world, until = self._world, until - self._ahead_s
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
        if self._auditor is not None:
            self._auditor.call_answered(changes=work.what.split(": ")[1] not in READS)
        if self._auditor is not None and shown is not None:
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
        else:
            if verb in ("terminate", "deregister"):
                auditor.act_done(tuple(ids))
        finally:
            auditor.moved()

    def probe(self, ids: Sequence[InstanceId], check: HealthCheck) -> Mapping[InstanceId, Health]:
        return self._cloud.probe(ids, check)

    def members(self, balancer: Options) -> Mapping[InstanceId, Standing]:
        auditor, name = self._world.auditor, str(balancer["name"])
        try:
            found = self._call(lambda: self._cloud.members(balancer))
        except DriverError:
            if auditor is not None:
                auditor.members_read(self.name, name, is_known=False)
            raise
        if auditor is not None:
            auditor.members_read(self.name, name, is_known=True)
        return found  # type: ignore[return-value]

    def check(self, requests: Sequence[LaunchRequest], balancer: Options | None) -> tuple[Problem, ...]:
        return self._call(lambda: self._cloud.check(requests, balancer))  # type: ignore[return-value]

    def limits(self) -> tuple[Limit, ...]:
        return self._call(self._cloud.limits)  # type: ignore[return-value]

    def images(self, selector: Selector) -> tuple[Image, ...]:
        return self._cloud.images(selector)

    def delete_images(self, ids: Sequence[ImageId]) -> None:
        self._cloud.delete_images(ids)

    def machine_types(self) -> tuple[MachineType, ...]:
        return self._cloud.machine_types()

    def close(self) -> None:
        """Nothing to close."""
