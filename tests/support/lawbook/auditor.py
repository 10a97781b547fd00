"""The auditor: holds everything that an apply does against the invariants, in terms of what is true in the world.

It believes nobody: what the reconciler announces is compared with what reaches the clouds, what was ready with what is
ready. The only excuse is what no single observer can know: it judges health by the latest readings that were delivered.
"""

import math
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction

import attrs

from lawbook.remembering import Knowledge
from lawbook.schedules import SECRET
from lawbook.truth import FleetTruth, OpenCloud, Seen, is_well
from vmpattern.driver import LaunchRequest
from vmpattern.errors import OutcomeUnknown, Throttled, Transient
from vmpattern.model import (
    Event,
    EventKind,
    Fleet,
    FleetPlan,
    Health,
    HealthCheck,
    Instance,
    InstanceId,
    Membership,
    Phase,
    Place,
    Plan,
    Secret,
    Service,
    Share,
    Slot,
)

SILENCE_S = 60.0
"""A balancer that can't be read for so long keeps nobody waiting whose fleet is to vanish."""

LAUNCHES_PER_INSTANCE, MORE_LAUNCHES, ENDS_PER_INSTANCE = 5, 20, 10
"""A fleet launches at most so many for each instance of its size, and so many more; what was decided before comes on
top: as many as may be there at once. Calls that fail are sent again, until the deadline for progress: so often."""
READ_AGE_S = 15.0
"""Nothing may be acted upon that was asked for longer ago."""


def expected_env(service: Service) -> dict[str, str]:
    """What every instance of a service is launched with, as the file and this process's environment have it now."""
    return {name: os.environ[SECRET] if isinstance(value, Secret) else value for name, value in service.env.items()}


@attrs.frozen(kw_only=True)
class Bounds:
    """How far a rollout may go, reckoned here from what the file says, not by the planner's own arithmetic."""

    most: int
    least: int
    failures: int
    blast: int

    @classmethod
    def of(cls, fleet: Fleet) -> "Bounds":
        size, rollout = fleet.size, fleet.rollout
        surge = _part(rollout.max_surge, size, math.ceil)
        unavailable = _part(rollout.max_unavailable, size, math.floor)
        if surge + unavailable == 0:
            unavailable = 1
        return cls(
            most=size + surge,
            least=max(0, size - unavailable),
            failures=_part(rollout.max_failures, size, math.ceil) if rollout.max_failures else max(1, -(-size // 10)),
            blast=_part(rollout.blast_budget, size, math.ceil) if rollout.blast_budget else max(5, -(-size // 5)),
        )


def _part(share: Share, size: int, rounded: Callable[[Fraction], int]) -> int:
    return rounded(Fraction(share.number * size, 100)) if share.percent else share.number


@attrs.frozen
class Shown:
    """What a delivered reading showed of one fleet in one cloud: the truth of the moment at which it took effect."""

    asked_at: float
    seen: dict[InstanceId, Seen]


@attrs.define(eq=False)
class Watched:
    """One fleet under audit: what is desired of it, what is true of it, and what this apply has announced.

    `keys` are those of announced launches, with the clouds that had been read by then. `launching` are those whose
    outcome the reconciler doesn't know yet, with what may still come of them. `stopped` are those that were told as
    failed when they had stopped. `unread_at`: since when its balancer can't be read, by cloud. `let_go` are those that
    a reading showed draining, whoever began it: they serve nobody any more.
    """

    fleet: Fleet
    plan: FleetPlan
    bounds: Bounds
    check: HealthCheck | None
    truths: dict[str, FleetTruth]
    env: dict[str, str]
    shown: dict[str, Shown] = attrs.field(factory=dict)
    leaving: set[InstanceId] = attrs.field(factory=set)
    approved: set[InstanceId] = attrs.field(factory=set)
    let_go: set[InstanceId] = attrs.field(factory=set)
    announced: set[InstanceId] = attrs.field(factory=set)
    launching: dict[str, int] = attrs.field(factory=dict)
    keys: dict[str, frozenset[str]] = attrs.field(factory=dict)
    drained_at: dict[InstanceId, float] = attrs.field(factory=dict)
    destroyed_at: list[float] = attrs.field(factory=list)
    reported_at: dict[InstanceId, float] = attrs.field(factory=dict)
    before: int = 0
    launched: int = 0
    stopped: set[InstanceId] = attrs.field(factory=set)
    unread_at: dict[str, float] = attrs.field(factory=dict)
    ends: Counter[InstanceId] = attrs.field(factory=Counter)

    def live(self, clouds: set[str]) -> int:
        """Truly live instances in these clouds, and whatever launches without an outcome may still bring."""
        return sum(self.truths[name].live for name in clouds) + sum(self.launching.values())

    def kept(self, now: float) -> int:
        return sum(truth.kept(now) for truth in self.truths.values())

    def find(self, instance: InstanceId) -> Seen | None:
        """The instance as the latest delivered reading of its cloud showed it."""
        return next((shown.seen[instance] for shown in self.shown.values() if instance in shown.seen), None)

    def is_ready(self, one: Seen, now: float) -> bool:
        """Whether it is ready and not on its way out, as far as one may know."""
        proven = one.is_well and one.well_at is not None and now >= one.well_at + self.fleet.rollout.min_ready_s - 1e-6
        served = one.row.cloud not in self.fleet.balancer or one.membership is Membership.HEALTHY
        return proven and served and one.row.kept_until is None and one.row.id not in self.leaving

    def ready(self, now: float) -> set[InstanceId]:
        """Every instance that is ready, in clouds that were read lately."""
        return {
            one.row.id
            for shown in self.shown.values()
            if now <= shown.asked_at + READ_AGE_S
            for one in shown.seen.values()
            if self.is_ready(one, now)
        }


class Auditor:
    """Watches one apply. `broken` lists every broken law, with the moment; empty is good.

    `known` is what the apply was given to know of balancers, `relabelled` since when VMs have had labels that can't be
    read.
    """

    def __init__(
        self,
        planned: Plan,
        clouds: dict[str, OpenCloud],
        known: Knowledge,
        relabelled: Mapping[InstanceId, float],
        *,
        ahead_s: float = 0.0,
    ) -> None:
        deployment = planned.deployment
        self._unread: set[tuple[str, str]] = set()
        self._asked: tuple[str, str] = ("", "")
        self._known = known
        self._relabelled = relabelled
        self.broken: list[str] = []
        self.events: list[Event] = []
        self._clouds = clouds
        self._ahead_s = ahead_s
        self._began = next(iter(clouds.values())).clock.now()
        self._reads: dict[str, list[float]] = {name: [] for name in clouds}
        self._snapshots: dict[str, dict[str, dict[InstanceId, Seen]]] = {name: {} for name in clouds}
        self._most_calls = sum(plan_of.rollout.max_in_flight for plan_of in deployment.fleets.values())
        self._listing: set[str] = set()
        self._changing = 0
        self.mutations = 0
        self.fleets: dict[str, Watched] = {}
        for name, fleet in deployment.fleets.items():
            check = deployment.services[fleet.service].health
            truths = {
                cloud: FleetTruth(
                    clouds[cloud], deployment.name, fleet.labels, check=check, balancer=fleet.balancer.get(cloud)
                )
                for cloud in clouds
            }
            env = expected_env(deployment.services[fleet.service])
            self.fleets[name] = Watched(fleet, planned.fleets[name], Bounds.of(fleet), check, truths, env)
        self._deployment = deployment.name
        self.moved(first=True)

    @property
    def now(self) -> float:
        return next(iter(self._clouds.values())).clock.now()

    def fail(self, law: str, text: str) -> None:
        self.broken.append(f"{law} at {self.now - self._began:.2f} s: {text}")

    # -- the world moves ----------------------------------------------------------------------------------------------

    def moved(self, *, first: bool = False, excused: bool = False) -> None:
        """Look at the world after anything happened: the number of live instances stays within its bounds."""
        now = self.now
        for name, watched in self.fleets.items():
            moved = [truth.look(now) for truth in watched.truths.values()]
            if not any(moved) and not excused:
                continue
            live = watched.live(set(watched.shown))
            allowed = max(watched.bounds.most, watched.before)
            if not first and not excused and live - watched.kept(now + self._ahead_s) > allowed:
                self.fail("1 (surge)", f"{name} has {live} live instances, allowed are {allowed}")
            watched.before = live

    # -- calls --------------------------------------------------------------------------------------------------------

    def call_started(self, *, changes: bool) -> None:
        self._changing += changes
        self.mutations += changes
        if self._changing > self._most_calls:
            self.fail("4 (calls in flight)", f"{self._changing} of at most {self._most_calls}")

    def call_answered(self, *, changes: bool) -> None:
        self._changing -= changes

    def list_started(self, cloud: str) -> None:
        self._listing.add(cloud)

    def read_took_effect(self, cloud: str, listed: Sequence[Instance]) -> dict[str, dict[InstanceId, Seen]]:
        """Return the truth that a reading shows, and what its list shows although it is gone.

        Its delivery is told by `read_delivered`.
        """
        self.moved()
        shown = {name: dict(watched.truths[cloud].seen) for name, watched in self.fleets.items()}
        live = {row.id for row in self._clouds[cloud].rows() if row.phase.is_live}
        late = [row for row in listed if row.phase.is_live and row.id not in live]
        for name, watched in self.fleets.items():
            gone = [row for row in late if row.fleet in watched.fleet.labels]
            shown[name].update({row.id: self._as_listed(watched, row) for row in gone})
        return shown

    def _as_listed(self, watched: Watched, row: Instance) -> Seen:
        """What one takes an instance for that is gone, but in an old list: no health check and no balancer knows it."""
        native = self._clouds[row.cloud].capabilities.native_health
        well = is_well(row, Health.UNKNOWN, watched.check, native=native)
        earlier = watched.find(row.id)
        well_at = earlier.well_at if earlier is not None else self.now
        return Seen(row, Membership.ABSENT, Health.UNKNOWN, well, well_at)

    def read_delivered(self, cloud: str, asked_at: float, shown: dict[str, dict[InstanceId, Seen]]) -> None:
        self._reads[cloud].append(asked_at)
        self._listing.discard(cloud)
        for name, watched in self.fleets.items():
            earlier, true = watched.shown.get(cloud), watched.truths[cloud].seen
            for instance in earlier.seen if earlier else ():
                if watched.reported_at.get(instance, 0.0) > asked_at and instance in true:
                    shown[name].setdefault(instance, true[instance])
                elif earlier and self._may_believe_in(instance) and not self._is_known_odd(cloud, instance):
                    shown[name].setdefault(instance, earlier.seen[instance])  # a list may be older than it says
            watched.shown[cloud] = Shown(asked_at, shown[name])
            for instance, one in shown[name].items():
                if one.membership is Membership.DRAINING:
                    watched.let_go.add(instance)
                elif one.membership is not Membership.ABSENT:
                    watched.let_go.discard(instance)
            for instance, one in shown[name].items():
                if not one.is_well:
                    one.well_at = None
                    true = watched.truths[cloud].seen.get(instance)
                    if true is not None and not true.is_well:
                        true.well_at = None
        self.moved(excused=True)

    def members_read(self, cloud: str, balancer: str, *, is_known: bool) -> None:
        """A balancer was asked; its members are known from now on, or aren't."""
        self._asked = (cloud, balancer)
        (self._unread.discard if is_known else self._unread.add)(self._asked)

    def answer_lost(self, cloud: str, verb: str) -> None:
        """What the balancer asked last answered never came, or which of the cloud's balancers share members."""
        self._unread.add(self._asked if verb == "members" else (cloud, ""))

    def launch_begins(self, request: LaunchRequest) -> None:
        watched = self.fleets.get(request.fleet)
        if watched is None or request.deployment != self._deployment or request.key not in watched.keys:
            self.fail("7 (ownership)", f"a launch for {request.deployment}/{request.fleet} that nobody announced")
            return
        watched.launching[request.key] = request.count
        if dict(request.env) != watched.env:
            self.fail("14 (environment)", f"a launch of {request.fleet} with {sorted(request.env)}")

    def launch_took_effect(self, request: LaunchRequest, error: Exception | None) -> None:
        """A launch was answered by its cloud; it was weighed against the clouds that had been read by then.

        After an error that may not be the last word it still counts in full, less what came of it: it is sent again.
        """
        watched = self.fleets.get(request.fleet)
        if watched is None:
            return
        if isinstance(error, Throttled | Transient | OutcomeUnknown):
            came = sum(row.key == request.key for cloud in self._clouds.values() for row in cloud.rows())
            watched.launching[request.key] = max(0, request.count - came)
        else:
            watched.launching.pop(request.key, None)
        self.moved(excused=watched.keys.get(request.key) != frozenset(watched.shown))

    def touched(self, verb: str, ids: tuple[InstanceId, ...]) -> None:
        """A call on instances reaches a cloud: they must be ours, and their end must have been announced."""
        for instance in ids:
            if self._may_believe_in(instance):
                continue
            owners = [watched for watched in self.fleets.values() if self._owns(watched, instance)]
            if verb == "terminate":
                self._is_let_go(owners, instance)
            if not owners:
                self.fail("7 (ownership)", f"{verb} of {instance}, which isn't ours")
            elif verb == "terminate" and not any(instance in watched.announced for watched in owners):
                self.fail("7 (ownership)", f"terminate of {instance}, which nobody announced")

    def _owns(self, watched: Watched, instance: InstanceId) -> bool:
        row = next((r for cloud in self._clouds.values() for r in cloud.rows() if r.id == instance), None)
        return row is None or (row.deployment == self._deployment and row.fleet in watched.fleet.labels)

    def _may_believe_in(self, instance: InstanceId) -> bool:
        """Whether its labels were damaged during this apply, whose calls may have been under way."""
        return self._relabelled.get(instance, -math.inf) >= self._began

    def _is_let_go(self, owners: list[Watched], instance: InstanceId) -> None:
        """What ends is no member of a balancer of its fleet, nor of one that the fleet is known to have left."""
        for name, cloud in self._clouds.items():
            for balancer in cloud.balancers_of(instance):
                if any(self._should_drain(watched, instance, name, balancer) for watched in owners):
                    self.fail("12 (member)", f"{instance} is terminated as a member of {balancer} in {name}")

    def _should_drain(self, watched: Watched, instance: InstanceId, cloud: str, balancer: str) -> bool:
        fleet = watched.fleet
        is_own = cloud in fleet.balancer and fleet.balancer[cloud]["name"] == balancer
        if self._unread & {(cloud, balancer), (cloud, "")} or not (
            is_own or self._known.has(fleet.labels, cloud, balancer)
        ):
            return False
        return self.now < watched.drained_at.get(instance, math.inf) + fleet.rollout.drain_s - 1e-6

    def act_failed(self, ids: tuple[InstanceId, ...]) -> None:
        """A drain or a termination was answered with an error: nobody knows, so they count as they are."""
        for watched in self.fleets.values():
            watched.leaving.difference_update(ids)

    def act_done(self, ids: tuple[InstanceId, ...]) -> None:
        """A drain or a termination reached its cloud, perhaps when sent again: what was announced to go, goes."""
        for watched in self.fleets.values():
            watched.leaving.update(id for id in ids if id in watched.announced or id in watched.drained_at)

    # -- what the reconciler announces --------------------------------------------------------------------------------

    def event(self, event: Event) -> None:
        self.events.append(event)
        if event.kind is EventKind.UNREADABLE and not event.fleet and event.cloud not in self._listing:
            # Its list came, the rest of the same reading didn't: nothing is known of the cloud. Of a fleet it is said
            # where only that fleet's balancer couldn't be read.
            self._reads[event.cloud].clear()
            for each in self.fleets.values():
                each.shown.pop(event.cloud, None)
        watched = self.fleets.get(event.fleet)
        if watched is None:
            return
        if event.kind is EventKind.LAUNCHING:
            self._launching(watched, event)
        elif event.kind is EventKind.LAUNCHED:
            watched.launching.pop(event.key, None)
            self._is_bounded(watched, event)
            self._reported(watched, event, self.now)
        elif event.kind in (EventKind.LAUNCH_FAILED, EventKind.BLOCKED):
            watched.launching.pop(event.key, None)
        elif event.kind is EventKind.FAILED:
            watched.stopped |= {one for one in event.instances if self._has_stopped(watched, event.cloud, one)}
        elif event.kind is EventKind.UNREADABLE:
            watched.unread_at[event.cloud] = self.now
        elif event.kind is EventKind.READ:
            watched.unread_at.pop(event.cloud, None)
        elif event.kind is EventKind.READY:
            self._is_no_old_news(watched, event)
        elif event.kind is EventKind.DRAINING:
            self._taken_away(watched, event)
            watched.approved.update(event.instances)
            watched.drained_at.update(dict.fromkeys(event.instances, self.now))
        elif event.kind is EventKind.TERMINATING:
            self._in_order(watched, event)
            self._taken_away(watched, event)
            watched.announced.update(event.instances)
            self._is_bounded(watched, event)

    def _is_bounded(self, watched: Watched, event: Event) -> None:
        """Every apply ends: it launches and terminates so many at most, whatever happens to them."""
        if event.kind is EventKind.LAUNCHED:
            watched.launched += len(event.instances)
            most = LAUNCHES_PER_INSTANCE * watched.fleet.size + MORE_LAUNCHES + watched.bounds.most
            if watched.launched > most:
                self.fail("15 (launches)", f"{watched.launched} of at most {most}")
            return
        watched.ends.update(event.instances)
        if often := [instance for instance, count in watched.ends.items() if count > ENDS_PER_INSTANCE]:
            self.fail("15 (terminations)", f"{', '.join(often)} more than {ENDS_PER_INSTANCE} times")

    @staticmethod
    def _has_stopped(watched: Watched, cloud: str, instance: InstanceId) -> bool:
        seen = watched.truths[cloud].seen
        return instance in seen and seen[instance].row.phase is Phase.STOPPED

    def _is_no_old_news(self, watched: Watched, event: Event) -> None:
        """No old list revives what is known to have stopped."""
        for instance in watched.stopped.intersection(event.instances):
            if self._has_stopped(watched, event.cloud, instance):
                self.fail("11 (old list)", f"{instance}, which had failed since it stopped, is called ready")

    def _launching(self, watched: Watched, event: Event) -> None:
        now, fleet = self.now, watched.fleet
        self._has_looked(event.cloud, "a launch")
        read = {name for name, times in self._reads.items() if times}
        live = watched.live(read) - watched.kept(now + self._ahead_s)
        if live + event.count > watched.bounds.most:
            self.fail("1 (surge)", f"a launch of {event.count} on top of {live} of at most {watched.bounds.most}")
        unread = self._shares_unread(fleet, read)
        if unread and live + event.count + unread > watched.bounds.most:
            self.fail("11 (unread cloud)", f"a launch of {event.count} on top of {live} takes the share of {unread}")
        watched.keys[event.key] = frozenset(read)
        watched.launching[event.key] = event.count
        watched.before = watched.live(read)

    @staticmethod
    def _reported(watched: Watched, event: Event, now: float) -> None:
        """The answer to a launch tells of instances as well as a reading does."""
        true, shown = watched.truths[event.cloud].seen, watched.shown.get(event.cloud)
        if shown is not None:
            shown.seen.update({i: true[i] for i in event.instances if i in true and i not in shown.seen})
            watched.reported_at.update(dict.fromkeys(event.instances, now))

    @staticmethod
    def _shares_unread(fleet: Fleet, read: set[str]) -> int:
        """The least that clouds which were never read hold for sure, once the fleet is complete."""
        if fleet.place is not Place.SPREAD:
            return 0
        whole = sum(placement.weight for placement in fleet.placements)
        return sum(fleet.size * place.weight // whole for place in fleet.placements if place.cloud not in read)

    def _taken_away(self, watched: Watched, event: Event) -> None:
        now, ids = self.now, set(event.instances)
        what = f"{event.kind.value} {', '.join(sorted(ids))}"
        self._has_looked(event.cloud, what)
        if odd := sorted(instance for instance in ids if self._is_known_odd(event.cloud, instance)):
            self.fail("7 (labels)", f"{event.kind.value} {', '.join(odd)}, whose labels can't be read")
        ready = watched.ready(now)
        after = len(ready - ids)
        if ready & ids and after < min(len(ready), watched.bounds.least):
            self.fail("2 (availability)", f"{what} leaves {after} of at least {watched.bounds.least} ready")
        self._old_ones_first(watched, ids & ready, what)
        self._goes_as_if_ready(watched, ids, ready, what)
        self._not_the_last(watched, event, ready)
        self._in_envelope(watched, event)
        watched.leaving |= ids

    def _old_ones_first(self, watched: Watched, taken: set[InstanceId], what: str) -> None:
        """While anything is out of date, nothing ready in date goes, unless there is no room for its successor."""
        seen = [one for shown in watched.shown.values() for one in shown.seen.values()]
        stay = [one for one in seen if one.row.id not in watched.leaving and one.row.kept_until is None]
        stay = [one for one in stay if one.row.id not in watched.announced]
        old = [one.row.id for one in stay if not self._is_in_date(watched, one) and one.row.phase is Phase.RUNNING]
        surplus = [one.row.id for one in stay if one.row.id in taken and self._is_in_date(watched, one)]
        has_room = watched.live(set(watched.shown)) - watched.kept(self.now) < watched.bounds.most
        is_known = all(isinstance(slot, Slot) for slot in watched.plan.slots)
        if surplus and set(old) - taken and has_room and is_known:
            self.fail("9 (old first)", f"{what}, in date, while {', '.join(sorted(old))} are out of date")

    @staticmethod
    def _is_in_date(watched: Watched, one: Seen) -> bool:
        row = one.row
        return row.fleet == watched.fleet.name and any(
            (slot.cloud, slot.zone, slot.market, slot.revision) == (row.cloud, row.zone, row.market, row.revision)
            and row.machine_type in slot.admits
            for slot in watched.plan.slots
        )

    def _goes_as_if_ready(self, watched: Watched, ids: set[InstanceId], ready: set[InstanceId], what: str) -> None:
        """What one witness alone speaks against may be serving: enough others must be ready, or may be serving too.

        One is taken all the same where some are ready, too few, and nothing could move otherwise.
        """
        now, least = self.now, watched.bounds.least
        old = {
            id: one
            for shown in watched.shown.values()
            for id, one in shown.seen.items()
            if one.row.key not in watched.keys and one.row.kept_until is None and id not in watched.leaving
        }
        running = {id: one for id, one in old.items() if one.row.phase is Phase.RUNNING}
        running = {id: one for id, one in running.items() if id not in watched.let_go}
        serving, unsure = running.keys() | ready, running.keys() & (ids - ready - watched.approved)
        doubted = [id for id in unsure if self._witnesses(watched, running[id]) == 1]
        is_jammed = 0 < len(watched.ready(now)) < least
        if doubted and not is_jammed and len(serving - ids) < least:
            self.fail("2 (may serve)", f"{what}, of whom only one witness speaks badly, leaves {len(serving - ids)}")

    def _is_known_odd(self, cloud: str, instance: InstanceId) -> bool:
        """Whether two lists that must show its damage, the staleness apart, say so: or one, of what was never seen."""
        since, staleness = self._relabelled.get(instance), self._clouds[cloud].capabilities.staleness_s
        if since is None or since < self._began:
            return since is not None
        times = [at for at in self._reads[cloud] if at >= since + staleness]
        return len(times) > 1 and times[-1] >= times[0] + staleness

    def _not_the_last(self, watched: Watched, event: Event, ready: set[InstanceId]) -> None:
        fleet = watched.fleet
        if event.cloud not in fleet.balancer or not self._surely_wants(fleet, event.cloud):
            return
        shown = watched.shown.get(event.cloud)
        members = {i for i in ready if shown is not None and i in shown.seen}
        if members & set(event.instances) and not members - set(event.instances):
            self.fail("2 (last member)", f"{event.kind.value} takes the last ready member of {event.cloud}")

    @staticmethod
    def _surely_wants(fleet: Fleet, cloud: str) -> bool:
        """Whether the fleet wants members there, whatever it already has."""
        if fleet.size == 0 or cloud not in {placement.cloud for placement in fleet.placements}:
            return False
        return len({placement.cloud for placement in fleet.placements}) == 1

    def _in_envelope(self, watched: Watched, event: Event) -> None:
        unplanned = []
        for instance in event.instances:
            one = watched.find(instance)
            row = one.row if one else self._row(instance)
            ours = row is None or row.key in watched.keys
            if instance in watched.plan.terminates or ours:
                continue
            if instance in watched.approved or self._may_believe_in(instance):
                continue
            unplanned.append(instance)
            if event.kind is EventKind.TERMINATING and event.planned:
                self.fail("envelope", f"{instance} is reported as planned, the plan doesn't name it")
            if one is None or self._witnesses(watched, one) < 2:
                self.fail("envelope", f"{event.kind.value} {instance}: not in the plan, and no two witnesses")
        since = self.now - watched.fleet.rollout.blast_window_s
        lately = sum(at > since for at in watched.destroyed_at)
        if unplanned and lately + len(unplanned) > watched.bounds.blast:
            self.fail("blast budget", f"{len(unplanned)} unplanned after {lately} of at most {watched.bounds.blast}")
        watched.destroyed_at += [self.now for i in event.instances if i not in watched.approved]

    def _row(self, instance: InstanceId) -> "object":
        return next((r for cloud in self._clouds.values() for r in cloud.rows() if r.id == instance), None)

    @staticmethod
    def _witnesses(watched: Watched, one: Seen) -> int:
        provider = one.row.phase is Phase.STOPPED or one.row.health is Health.UNHEALTHY
        probe = watched.check is not None and one.probed is Health.UNHEALTHY
        return provider + probe + (one.membership is Membership.UNHEALTHY)

    def _in_order(self, watched: Watched, event: Event) -> None:
        """Members are drained before they are terminated: until they are out, or time is up.

        A fleet of none doesn't wait for a balancer that nobody can read.
        """
        unread_s = self.now - watched.unread_at.get(event.cloud, math.inf)
        if watched.fleet.size == 0 and unread_s >= SILENCE_S:
            return
        for instance in event.instances:
            one = watched.find(instance)
            if one is None or one.membership is Membership.ABSENT:
                continue
            drained_at = watched.drained_at.get(instance)
            if one.membership is not Membership.DRAINING and drained_at is None:
                self.fail("12 (order)", f"{instance} is terminated as a {one.membership.value} member")
            elif drained_at is not None and self.now < drained_at + watched.fleet.rollout.drain_s - 1e-6:
                still = watched.truths[one.row.cloud].seen.get(instance)
                if still is not None and still.membership is not Membership.ABSENT:
                    self.fail("12 (order)", f"{instance} is terminated while it drains")

    def _has_looked(self, cloud: str, what: str) -> None:
        """Two complete lists far enough apart, the last one young, come before anything is changed."""
        times, capabilities = self._reads[cloud], self._clouds[cloud].capabilities
        apart = capabilities.staleness_s + capabilities.call_timeout_s
        if not times or self.now > times[-1] + READ_AGE_S:
            self.fail("11 (fresh reading)", f"{what} in {cloud}, which wasn't read lately")
        elif times[-1] - times[0] < apart - 1e-6:
            self.fail("11 (two lists)", f"{what} in {cloud}, after lists {times[-1] - times[0]:.1f} s apart")
