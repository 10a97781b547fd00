"""The plan is a forecast: where the world is as assumed it comes true to the event, elsewhere in what it changes."""

from collections import Counter

import attrs
from hypothesis import assume, example, given, reject, strategies as st
from lawbook.choices import Seeded
from lawbook.drawing import schedule, schedules
from lawbook.schedules import Schedule, patient, uses_bad_image
from lawbook.world import Applied, World

from vmpattern.access import Session, VirtualRuntime, read_clouds
from vmpattern.errors import Refused, SpecError
from vmpattern.forecast import plan
from vmpattern.forecast.planning import _copy
from vmpattern.model import Action, Capabilities, EventKind, Latencies, Outcome, Plan
from vmpattern.reconcile import FleetOrder, carry_out
from vmpattern.reconcile.former_balancers import former_balancers
from vmpattern.simulation import SimulatedCloud
from vmpattern.store.record import Recorded


def carried_out(
    planned: Plan, clouds: dict[str, SimulatedCloud], recorded: Recorded, *, watch: bool
) -> tuple[float, Outcome]:
    """Read the clouds and carry a plan out, as an apply does; return when it began, and the outcome."""
    session = Session(clouds, VirtualRuntime(planned.at, tuple(clouds.values())))
    observation = read_clouds(planned.deployment, session, recorded=recorded.within(planned.deployment))
    began_at = session.runtime.now()
    orders = [
        FleetOrder(
            fleet=planned.deployment.fleets[name],
            slots=fleet.slots,
            named=frozenset(fleet.terminates),
            former=former_balancers(observation, name),
        )
        for name, fleet in planned.fleets.items()
    ]
    return began_at, carry_out(planned.deployment, orders, session, observation=observation, watch=watch)


def calm_schedule(seed: int) -> Schedule:
    return schedule(Seeded(seed), faults=False, crashes=False, changes=2)


@given(schedules(faults=False, crashes=False, changes=2), st.booleans())
@example(drawn=calm_schedule(365), watch=False)  # a tick comes while a call is in flight
@example(drawn=calm_schedule(52), watch=False)  # a call that waited for its budget is sent at a tick
def test_a_world_as_assumed_does_what_the_forecast_says_event_by_event(drawn: Schedule, watch: bool) -> None:
    calm = attrs.evolve(drawn, slowness_s=0.0, clouds=roomy(drawn))
    world = World(calm)
    for change in calm.changes[:-1]:
        world.apply(change.desired)
    desired = calm.changes[-1].desired
    observation = world.observe(desired)
    assume(all(cloud.error is None for cloud in observation.clouds.values()))
    planned = plan(desired, observation)
    assumed = {name: _copy(planned.deployment, seen) for name, seen in observation.clouds.items()}

    began_at, outcome = carried_out(planned, assumed, world.memory.read(desired), watch=watch)

    assert planned.forecast.ends == ("complete" if outcome.ok else outcome.result.value)
    assert steps(planned) == acts(outcome, began_at)
    if planned.changes:
        assert (planned.forecast.duration_s, planned.forecast.api_calls) == (
            round(outcome.duration_s, 3),
            outcome.api_calls,
        )
        for name, (lowest, highest) in extremes(planned).items():
            observed, done = planned.forecast.counts[name][0], outcome.fleets[name]

            assert lowest == min(observed.ready, done.lowest_ready or 0)
            assert highest == max(observed.total, done.highest_total or 0)


@given(schedules(faults=False, crashes=False, changes=2))
def test_the_counts_of_a_forecast_begin_as_observed_end_as_the_apply_and_hold_its_extremes(drawn: Schedule) -> None:
    world = World(attrs.evolve(drawn, slowness_s=0.0))
    world.apply(drawn.changes[0].desired)
    desired = drawn.changes[-1].desired
    try:
        planned = plan(desired, world.observe(desired))
    except (Refused, SpecError):
        reject()
    for name, (lowest, highest) in extremes(planned).items():
        counts = planned.forecast.counts[name]

        assert (0.0, planned.fleets[name].ready) == (counts[0].at_s, counts[0].ready)
        assert sorted(count.at_s for count in counts) == [count.at_s for count in counts]
        assert (lowest, highest) == (min(one.ready for one in counts), max(one.total for one in counts))
        if planned.succeeds:
            assert planned.fleets[name].size == counts[-1].ready


def extremes(planned: Plan) -> dict[str, tuple[int, int]]:
    forecast = planned.forecast
    return {name: (forecast.lowest_ready[name], forecast.highest_total[name]) for name in planned.fleets}


def steps(planned: Plan) -> list[tuple]:
    return [
        (step.action.value, step.fleet, step.cloud, step.zone, step.count, step.start_s)
        for step in planned.steps
        if step.action is not Action.WAIT
    ]


ACTS = {
    EventKind.LAUNCHING: "launch",
    EventKind.REGISTERED: "register",
    EventKind.DRAINING: "drain",
    EventKind.DEREGISTERED: "deregister",
    EventKind.TERMINATING: "terminate",
    EventKind.KEPT: "keep",
}


def acts(outcome: Outcome, start: float) -> list[tuple]:
    """What was done, without launches that made nothing, since their key was spent."""
    made = {event.key for event in outcome.events if event.kind is EventKind.LAUNCHED}
    return [
        (ACTS[event.kind], event.fleet, event.cloud, event.zone, event.count, round(event.at - start, 3))
        for event in outcome.events
        if event.kind in ACTS and (event.kind is not EventKind.LAUNCHING or event.key in made)
    ]


@given(schedules(faults=False, crashes=False, changes=2), st.sampled_from((0.5, 3.0, 20.0)), st.integers(0, 4))
def test_latencies_change_when_things_happen_but_not_what(drawn: Schedule, factor: float, slowness: int) -> None:
    assume(not any(uses_bad_image(change.desired) for change in drawn.changes))
    well = tuple(old for old in drawn.old if old.well)
    calm = attrs.evolve(drawn, slowness_s=0.0, clouds=roomy(drawn), old=well)
    world = World(calm)
    for change in calm.changes[:-1]:
        world.apply(patient(change.desired))
    desired = patient(calm.changes[-1].desired)
    observation = world.observe(desired)
    assume(all(cloud.error is None for cloud in observation.clouds.values()))
    declared = {
        name: attrs.evolve(cloud, capabilities=scaled(cloud.capabilities, factor))
        for name, cloud in observation.clouds.items()
    }
    planned = plan(desired, attrs.evolve(observation, clouds=declared))
    assume(planned.forecast.ends == "complete")
    world.schedule = attrs.evolve(calm, slowness_s=float(slowness))

    applied = world.carry_out(planned)

    assert forecast_totals(planned) == totals(applied, world)


def scaled(capabilities: Capabilities, factor: float) -> Capabilities:
    """Other latencies than the world's."""
    latencies = capabilities.latencies
    assumed = Latencies(
        call_s=latencies.call_s,
        boot_s=latencies.boot_s / factor,
        ready_s=latencies.ready_s / factor,
        terminate_s=latencies.terminate_s / factor,
        drain_s=latencies.drain_s / factor,
    )
    return attrs.evolve(capabilities, latencies=assumed)


def forecast_totals(planned: Plan) -> tuple[Counter, set]:
    """What the plan launches, by fleet, zone and machine type, and the ids that it terminates."""
    types = {(name, slot.cloud, slot.zone): slot.machine_type for name, f in planned.fleets.items() for slot in f.slots}
    launched: Counter = Counter()
    for step in planned.steps:
        if step.action.value == "launch":
            place = (step.fleet, step.cloud, step.zone)
            launched[*place, types[place]] += step.count
    return launched, {i for fleet in planned.fleets.values() for i in fleet.terminates}


def totals(applied: Applied, world: World) -> tuple[Counter, set]:
    """What the apply launched and terminated in truth, likewise."""
    rows = {row.id: row for cloud in world.clouds.values() for row in cloud.rows()}
    launched: Counter = Counter()
    gone = set()
    for event in applied.auditor.events:
        if event.kind is EventKind.LAUNCHED:
            launched.update((event.fleet, event.cloud, event.zone, rows[i].machine_type) for i in event.instances)
        elif event.kind is EventKind.TERMINATED:
            gone.update(event.instances)
    return launched, gone


def roomy(drawn: Schedule) -> tuple:
    return tuple(attrs.evolve(spec, capacity={}, quota=None) for spec in drawn.clouds)


@given(schedules(faults=False, crashes=False, changes=1), st.sampled_from(("type", "zone", "capacity")))
def test_adding_capacity_never_makes_a_plan_infeasible(drawn: Schedule, what: str) -> None:
    poor = tuple(without(spec, what) for spec in drawn.clouds)
    desired = drawn.changes[0].desired
    calm = attrs.evolve(drawn, slowness_s=0.0, old=())
    lean, rich = World(attrs.evolve(calm, clouds=poor)), World(attrs.evolve(calm, clouds=roomy(drawn)))
    placements = [placement for fleet in desired.fleets.values() for placement in fleet.placements]
    offered = {zone for spec in poor for kind in spec.machine_types for zone in kind.zones}
    names = {kind.name for spec in poor for kind in spec.machine_types}
    assume(all(set(p.zones) <= offered and p.machine_type in (None, *names) for p in placements))
    assume(any(kind.vcpus >= desired.services["web"].resources.vcpus for spec in poor for kind in spec.machine_types))
    before = lean.apply(desired)
    assume(before.plan.forecast.ends == "complete" and before.outcome is not None and before.outcome.ok)

    after = rich.apply(desired)

    assert "complete" == after.plan.forecast.ends
    assert after.outcome is not None
    assert after.outcome.ok


def without(spec, what: str):
    if what == "type":
        return attrs.evolve(spec, machine_types=spec.machine_types[1:], capacity={}, quota=None)
    if what == "zone":
        kinds = tuple(attrs.evolve(kind, zones=kind.zones[:2]) for kind in spec.machine_types)
        return attrs.evolve(spec, zones=spec.zones[:2], machine_types=kinds, capacity={}, quota=None)
    return spec
