"""Hand-made deployments, plans and outcomes that the tests of the command line share."""

from collections.abc import Callable, Sequence
from pathlib import Path

import attrs

from vmpattern.access import StopSwitch
from vmpattern.cli.engine import Engine
from vmpattern.model import (
    Action,
    Capabilities,
    Cloud,
    CloudObservation,
    Count,
    Deployment,
    Event,
    EventKind,
    Existing,
    Failure,
    Fleet,
    FleetOutcome,
    FleetPlan,
    Forecast,
    Health,
    ImageId,
    Instance,
    InstanceId,
    LaunchKey,
    Market,
    Observation,
    Outcome,
    Phase,
    Placement,
    Plan,
    Reason,
    Result,
    Revision,
    Service,
    Slot,
    Step,
)
from vmpattern.planner.survey import FleetSurvey, SurveyRow

NOW = 1_780_000_000.0


def deployment(*names: str, size: int = 6) -> Deployment:
    names = names or ("shop",)
    placement = Placement(cloud="demo", zones=("a", "b", "c"))
    service = Service(name="shop", image=Existing({"demo": ImageId("img-shop-2")}))
    return Deployment(
        name="shop-prod",
        clouds={"demo": Cloud(name="demo", driver="memory")},
        services={"shop": service},
        fleets={name: Fleet(name=name, service="shop", size=size, placements=(placement,)) for name in names},
    )


def slots(price: float | None = 0.084) -> tuple[Slot, ...]:
    return tuple(
        Slot(
            cloud="demo",
            zone=zone,
            placement=0,
            machine_type="standard-2",
            market=Market.ON_DEMAND,
            revision=Revision("b2"),
            image=ImageId("img-shop-2"),
            admits=frozenset({"standard-2"}),
            price_per_hour=price,
        )
        for zone in ("a", "b", "c")
    )


def ids(prefix: str, count: int) -> tuple[InstanceId, ...]:
    return tuple(InstanceId(f"i-{prefix}{index:04}") for index in range(count))


def step(
    action: Action, instances: tuple[InstanceId, ...], start_s: float, duration_s: float, *, fleet: str = "shop"
) -> Step:
    zone = "abc"[int(start_s) % 3]
    return Step(
        action=action,
        fleet=fleet,
        cloud="demo",
        zone=zone,
        count=len(instances),
        instances=instances,
        start_s=start_s,
        duration_s=duration_s,
    )


def rolling_steps(count: int, *, surge: int, fleet: str = "shop", drain_s: float = 0.0) -> tuple[Step, ...]:
    old, new = ids("old", count), ids("new", count)
    found: list[Step] = []
    at = 0.0
    for first in range(0, count, surge):
        found.append(step(Action.LAUNCH, new[first : first + surge], at, 61.0, fleet=fleet))
        at += 61.0
        if drain_s:
            found.append(step(Action.DRAIN, old[first : first + surge], at, drain_s, fleet=fleet))
            at += drain_s
        found.append(step(Action.TERMINATE, old[first : first + surge], at, 1.0, fleet=fleet))
        at += 1.0
    return tuple(found)


def counts(fleet: FleetPlan, steps: Sequence[Step]) -> tuple[Count, ...]:
    """Return what the steps come to where everything that is launched gets ready, and what isn't ready goes first."""
    changes: list[tuple[float, int, int]] = []
    drained: set[InstanceId] = set()
    for one in sorted(steps, key=lambda one: one.start_s):
        end = one.start_s + one.duration_s
        if one.action is Action.LAUNCH:
            changes += [(one.start_s, 0, one.count), (end, one.count, 0)]
        elif one.action is Action.WAIT:
            changes.append((end, one.count, 0))
        elif one.action is Action.DRAIN:
            drained.update(one.instances)
            changes.append((one.start_s, -one.count, 0))
        elif one.action is Action.TERMINATE:
            changes += [(one.start_s, len(drained.intersection(one.instances)) - one.count, 0), (end, 0, -one.count)]
    found = [Count(at_s=0.0, ready=fleet.ready, total=fleet.keep + fleet.replace + fleet.destroy)]
    unready = found[0].total - fleet.ready
    for at_s, ready, total in sorted(changes, key=lambda change: change[0]):
        spared = min(unready, -ready) if ready < 0 else 0
        unready -= spared
        found.append(Count(at_s=at_s, ready=found[-1].ready + ready + spared, total=found[-1].total + total))
    return tuple(found)


def plan(fleets: dict[str, FleetPlan], steps: tuple[Step, ...], forecast: Forecast, **more: tuple[str, ...]) -> Plan:
    courses = {name: counts(fleet, [one for one in steps if one.fleet == name]) for name, fleet in fleets.items()}
    return Plan(
        deployment=deployment(*fleets),
        at=NOW,
        fleets=fleets,
        steps=steps,
        forecast=attrs.evolve(forecast, counts=courses),
        observed={name: ids("old", fleet.keep + fleet.replace + fleet.destroy) for name, fleet in fleets.items()},
        observed_at={"demo": NOW - 2},
        notes=more.get("notes", ()),
    )


def forecast(
    steps: tuple[Step, ...], *, lowest: dict[str, int], highest: dict[str, int], ends: str = "complete"
) -> Forecast:
    return Forecast(
        duration_s=max((step.start_s + step.duration_s for step in steps), default=0.0),
        api_calls=len(steps) * 2 + 3,
        lowest_ready=lowest,
        highest_total=highest,
        price_before=0.504,
        price_after=0.504,
        price_peak=0.588,
        ends=ends,
    )


def fleet_plan(
    size: int = 6,
    *,
    create: int = 0,
    replace: int = 0,
    destroy: int = 0,
    keep: int = 0,
    register: int = 0,
    deregister: int = 0,
    ready: int | None = None,
    reasons: tuple[Reason, ...] = (),
    notes: tuple[str, ...] = (),
) -> FleetPlan:
    there = keep + replace + destroy
    return FleetPlan(
        size=size,
        ready=there if ready is None else ready,
        reached=not (create or replace or destroy or register or deregister) and ready in (None, size),
        create=create,
        replace=replace,
        destroy=destroy,
        keep=keep,
        register=register,
        deregister=deregister,
        slots=slots(),
        reasons=reasons,
        terminates=ids("old", replace + destroy),
        on_failure="pause: no stored revision to go back to",
        remaining=() if ready in (None, size) else (f"{ready} of {size} in date and ready",),
        notes=notes,
    )


NEW_IMAGE = Reason(field="services.shop.image", before="k2v7qh", after="m4xw3t", count=6)


def rolling(count: int = 6, *, surge: int = 1, drain_s: float = 0.0) -> Plan:
    steps = rolling_steps(count, surge=surge, drain_s=drain_s)
    reason = Reason(field="services.shop.image", before="k2v7qh", after="m4xw3t", count=count)
    fleets = {"shop": fleet_plan(count, replace=count, reasons=(reason,))}
    return plan(fleets, steps, forecast(steps, lowest={"shop": count}, highest={"shop": count + surge}))


def creation() -> Plan:
    steps = tuple(step(Action.LAUNCH, (one, two), 0.0, 61.0) for one, two in zip(ids("p", 3), ids("q", 3), strict=True))
    fleets = {"shop": fleet_plan(create=6, reasons=(Reason(field="fleets.shop.size", before=0, after=6, count=6),))}
    return plan(fleets, steps, forecast(steps, lowest={"shop": 0}, highest={"shop": 6}))


def nothing() -> Plan:
    return plan({"shop": fleet_plan(keep=6)}, (), forecast((), lowest={"shop": 6}, highest={"shop": 6}))


def mixed() -> Plan:
    """Three fleets: one grows and is replaced with an ill instance, one shrinks, one stays."""
    shop = (*rolling_steps(6, surge=2, drain_s=20), step(Action.LAUNCH, ids("more", 2), 0.0, 61.0))
    batch = (step(Action.TERMINATE, ids("batch", 3), 0.0, 1.0, fleet="batch"),)
    grow = Reason(field="fleets.shop.size", before=6, after=8, count=2)
    fleets = {
        "shop": fleet_plan(
            8, create=2, replace=6, ready=5, reasons=(NEW_IMAGE, grow), notes=("1 instance is unhealthy now",)
        ),
        "batch": fleet_plan(
            1, destroy=3, keep=1, reasons=(Reason(field="fleets.batch.size", before=4, after=1, count=3),)
        ),
        "queue": fleet_plan(2, keep=2),
    }
    told = forecast((*shop, *batch), lowest={"shop": 5, "batch": 1}, highest={"shop": 10, "batch": 4})
    return plan(
        fleets, (*shop, *batch), told, notes=("the base image debian-12 has moved: --refresh takes the new one",)
    )


def registering() -> Plan:
    """A balancer was added to what runs: nothing is launched or ended."""
    steps = (
        step(Action.WAIT, ids("old", 6), 0.0, 32.0),
        step(Action.REGISTER, ids("old", 6), 31.0, 1.0),
    )
    fleets = {"shop": fleet_plan(keep=6, register=6, ready=0)}
    return plan(fleets, steps, forecast(steps, lowest={"shop": 0}, highest={"shop": 6}))


def stuck() -> Plan:
    steps = (step(Action.LAUNCH, ids("new", 1), 0.0, 61.0),)
    fleets = {"shop": fleet_plan(replace=6, reasons=(NEW_IMAGE,))}
    told = forecast(steps, lowest={"shop": 6}, highest={"shop": 7}, ends="paused")
    return plan(fleets, steps, told, notes=("the forecast doesn't get there: zone a: no capacity",))


def destruction() -> Plan:
    steps = (step(Action.TERMINATE, ids("old", 6), 0.0, 1.0),)
    fleets = {"shop": fleet_plan(0, destroy=6, reasons=(Reason(field="fleets.shop.size", before=6, after=0, count=6),))}
    return plan(fleets, steps, forecast(steps, lowest={"shop": 0}, highest={"shop": 6}))


def outcome(result: Result, *, errors: tuple[Failure, ...] = (), remaining: tuple[str, ...] = ()) -> Outcome:
    done = result in (Result.COMPLETE, Result.NOTHING)
    fleets = {
        "shop": FleetOutcome(
            created=6 if done else 2, destroyed=6 if done else 1, ready=6 if done else 5, size=6, reached=done
        )
    }
    events = (
        event(EventKind.READY, 61, "i-new0000"),
        event(EventKind.TERMINATING, 70, "i-new0000", planned=False, message="healthy by no witness for 60 s"),
    )
    return Outcome(
        result=result,
        fleets=fleets,
        duration_s=372.0,
        api_calls=29,
        errors=errors,
        remaining=remaining,
        events=() if done else events,
    )


def event(kind: EventKind, at: float, *instances: str, **changes: object) -> Event:
    told = Event(
        at=NOW + at,
        kind=kind,
        fleet="shop",
        cloud="demo",
        zone="a",
        count=len(instances),
        instances=tuple(InstanceId(name) for name in instances),
        total=7,
        ready=6,
    )
    return attrs.evolve(told, **changes)


def instance(name: str, **changes: object) -> Instance:
    told = Instance(
        id=InstanceId(name),
        cloud="demo",
        deployment="shop-prod",
        fleet="shop",
        revision=Revision("m4xw3tk2v7qh"),
        key=LaunchKey("k1"),
        zone="a",
        machine_type="standard-2",
        image=ImageId("img-shop-2"),
        phase=Phase.RUNNING,
        launched_at=NOW - 4000,
        address="10.0.0.17",
    )
    return attrs.evolve(told, **changes)


def observation(*, error: str | None = None) -> Observation:
    demo = CloudObservation(name="demo", at=NOW, capabilities=Capabilities(), error=error)
    return Observation(at=NOW, clouds={"demo": demo}, calls=3)


COMPLAINT = "Target.FailedHealthChecks: Health checks failed with these codes: [502]"


def row(instance: Instance, health: Health, state: str, in_date: bool, price: float | None) -> SurveyRow:
    return SurveyRow(instance=instance, health=health, state=state, in_date=in_date, price_per_hour=price)


def survey() -> dict[str, FleetSurvey]:
    rows = (
        row(instance("i-0new1"), Health.HEALTHY, "ready", True, 0.084),
        row(instance("i-0new2", zone="b", phase=Phase.PENDING, address=None), Health.UNKNOWN, "starting", True, 0.084),
        row(
            instance("i-0old1", zone="c", revision=Revision("oldoldoldold"), launched_at=NOW - 86400 * 40),
            Health.UNHEALTHY,
            "out of date",
            False,
            None,
        ),
    )
    rows = (*rows[:2], attrs.evolve(rows[2], complaint=COMPLAINT))
    ready = FleetSurvey(desired=6, ready=1, out_of_date=1, price_per_hour=0.168, rows=rows)
    return {"shop": ready, "queue": FleetSurvey(desired=0, ready=0, out_of_date=0, price_per_hour=0.0, rows=())}


class Stub(Engine):
    """The library, replaced by values: nothing is read, nothing is changed."""

    def __init__(self, plan: Plan, outcome: Outcome | Exception, *, error: str | None = None) -> None:
        self.planned, self.outcome, self.error = plan, outcome, error
        self.asked: list[dict[str, int]] = []
        self.applied: list[Plan] = []

    def load(self, path: Path) -> Deployment:
        return deployment("shop", "queue")

    def starter(self, driver: str) -> str:
        return f'deployment = "demo"\n# driver {driver}\n'

    def observe(self, deployment: Deployment, *, check: bool = True) -> Observation:
        return observation(error=self.error)

    def plan(self, deployment: Deployment, observation: Observation, *, fleets: Sequence[str], refresh: bool) -> Plan:
        self.asked.append({name: deployment.fleets[name].size for name in fleets or deployment.fleets})
        return self.planned

    def end_builders(self, deployment: Deployment) -> tuple[InstanceId, ...]:
        return ()

    def apply(self, plan: Plan, *, on_event: Callable[[Event], None], stop: StopSwitch) -> Outcome:
        self.applied.append(plan)
        if isinstance(self.outcome, Exception):
            raise self.outcome
        on_event(event(EventKind.LAUNCHED, 0, "i-new0000"))
        on_event(event(EventKind.LAUNCHING, 20, "i-new0000"))
        for told in self.outcome.events:
            on_event(told)
        return self.outcome

    def survey(self, deployment: Deployment, observation: Observation) -> dict[str, FleetSurvey]:
        found = survey()
        notes = (f"demo couldn't be read: {self.error}",) if self.error else ()
        return {**found, "shop": attrs.evolve(found["shop"], notes=notes)}


def unreadable() -> Plan:
    told = forecast((), lowest={"shop": 6}, highest={"shop": 6}, ends="failed")
    return plan({"shop": fleet_plan(keep=6, ready=0)}, (), told)
