"""Playing a schedule: every change is applied, then the world calms down and a last apply must bring it to rest."""

from collections import Counter

import attrs

from lawbook.auditor import Bounds
from lawbook.schedules import SHOP, Schedule, uses_bad_image
from lawbook.truth import OpenCloud
from lawbook.world import Applied, Decider, World
from vmpattern.forecast import plan
from vmpattern.model import Deployment, EventKind, Fleet, Health, Instance, Market, Phase, Place, Plan, Result
from vmpattern.planner import apportion, decide

REST_S = 1600.0
"""After so long without faults nothing changes any more by itself."""

MOST_APPLIES = 3
"""So many applies in a calm world must do: what one witness condemns is named by the next plan only."""

GOOD_ENDS = (Result.COMPLETE, Result.NOTHING)


@attrs.define
class Played:
    """What came of a schedule: every broken law, and counts for a summary.

    `created` counts the instances that there have ever been, whoever launched them. `story` says of each apply how it
    ended, and how many instances it launched and terminated.
    """

    schedule: Schedule
    broken: list[str] = attrs.field(factory=list)
    results: Counter[str] = attrs.field(factory=Counter)
    events: int = 0
    launches: int = 0
    terminations: int = 0
    crashes: int = 0
    calls: int = 0
    created: int = 0
    story: list[str] = attrs.field(factory=list)
    zones: dict[tuple[str, str, str], int] = attrs.field(factory=dict)


def play(schedule: Schedule, *, decider: Decider = decide) -> Played:
    """Play a schedule to its end; never raises for a broken law."""
    world, played = World(schedule), Played(schedule)
    for number, change in enumerate(schedule.changes):
        applied = world.play(change, decider=decider)
        if applied.is_good:
            played.broken += [f"change {number}: {text}" for text in _left_behind(world, change.desired)]
        _note(played, f"change {number}", schedule, applied, is_first=number == 0)
    world.calm_down()
    world.advance(world.now + REST_S)
    desired = schedule.changes[-1].desired
    must_end_well = _must_end_well(world, desired)
    for _ in range(MOST_APPLIES):
        last = world.apply(desired, decider=decider)
        _note(played, "the end", schedule, last, is_first=False)
        played.broken += [f"the end: {text}" for text in _agrees(world, last)]
        if last.is_good:
            break
    played.created = sum(cloud.ever for cloud in world.clouds.values())
    if not must_end_well:
        return played
    if not last.is_good:
        played.broken.append(f"6 (convergence): the last apply ended {last.end}: {last.outcome or last.refusal}")
        return played
    played.broken += [f"the end: {text}" for text in at_rest(world, desired)]
    played.zones = _places(world, desired)
    return played


def _agrees(world: World, applied: Applied) -> list[str]:
    """In a calm world a plan says that there is nothing to do if and only if its apply does nothing."""
    if applied.plan is None or applied.outcome is None or applied.auditor is None:
        return []
    is_empty, did_nothing = not applied.plan.changes, applied.outcome.result is Result.NOTHING
    broken = []
    if is_empty != did_nothing:
        broken.append(f"5 (empty plan): the plan is {'' if is_empty else 'not '}empty, its apply {applied.end}")
    if did_nothing and applied.auditor.mutations:
        broken.append(f"5 (nothing): an apply with nothing to do made {applied.auditor.mutations} changing calls")
    if applied.outcome.ok:
        broken += [text for name in applied.plan.fleets for text in _as_reported(world, applied, name)]
    return broken


def _as_reported(world: World, applied: Applied, name: str) -> list[str]:
    """What a good end reports of a fleet is true in the world: all are there, well, and behind their balancer."""
    fleet, deployment = applied.plan.deployment.fleets[name], applied.plan.deployment
    reported = applied.outcome.fleets[name]
    serving = [row.id for row in _live(world, name) if world.serves(row, fleet, deployment.services[fleet.service])]
    if (reported.ready, len(serving), reported.reached) == (fleet.size, fleet.size, True):
        return []
    return [
        f"5 (ready): {name} of {fleet.size}, reported {reported.ready} ready, "
        f"{'' if reported.reached else 'not '}reached; {len(serving)} serve"
    ]


def _note(played: Played, when: str, schedule: Schedule, applied: Applied, *, is_first: bool) -> None:
    played.broken += [f"{when}: {text}" for text in applied.broken]
    played.crashes += applied.crashed
    played.calls += applied.calls
    events = applied.auditor.events if applied.auditor else []
    played.events += len(events)
    played.launches += sum(event.count for event in events if event.kind is EventKind.LAUNCHED)
    played.terminations += sum(event.count for event in events if event.kind is EventKind.TERMINATED)
    played.results[applied.end] += 1
    played.story.append(applied.story)
    calm_calls = not schedule.kinds and schedule.slowness_s == 0.0 and is_first
    if calm_calls and applied.throttled:
        played.broken.append(f"{when}: 4 (rate budget): {applied.throttled} calls were throttled")


def _must_end_well(world: World, desired: Deployment) -> bool:
    """Whether nothing in the world stands in the way of what is desired, and all that is wrong in it can be known."""
    schedule, service = world.schedule, desired.services["web"]
    if any(spec.capacity for spec in schedule.clouds) or not _leave_room(world, desired):
        return False
    if uses_bad_image(desired) and any(fleet.size for fleet in desired.fleets.values()):
        return False
    return not any(
        row.phase is Phase.RUNNING and _is_mute(cloud, row, checked=service.health is not None)
        for cloud in world.clouds.values()
        for row in cloud.rows()
    )


def _leave_room(world: World, desired: Deployment) -> bool:
    """Whether the quotas certainly leave room: where there is one, everything is in its cloud, and it is enough.

    Where `max_unavailable` lets nothing old go first, one more has to be there on the way.
    """
    specs = world.schedule.clouds
    if all(spec.quota is None and spec.spot_quota is None for spec in specs):
        return True
    if len(specs) > 1 or specs[0].quota is None or specs[0].spot_quota is not None:
        return False
    names = {label for fleet in desired.fleets.values() for label in fleet.labels}
    cloud = world.clouds[specs[0].name]
    rows = [row for row in cloud.rows() if row.phase.is_live]
    ours = [row for row in rows if row.deployment == SHOP and row.fleet in names and row.id not in cloud.odd]
    others, kept = len(rows) - len(ours), sum(row.kept_until is not None for row in ours)
    needed = sum(fleet.size + (Bounds.of(fleet).least >= fleet.size > 0) for fleet in desired.fleets.values())
    return needed + others + kept <= specs[0].quota


def _is_mute(cloud: OpenCloud, row: Instance, *, checked: bool) -> bool:
    """Whether nobody says of a running instance whether it is well: a person is asked then, and nothing ended."""
    if checked:
        return cloud.answers(row.id) is Health.UNKNOWN
    return cloud.capabilities.native_health and row.health is Health.UNKNOWN


def at_rest(world: World, desired: Deployment) -> list[str]:
    """After a good end: the right number of the right instances in the right places, and nothing left to do."""
    broken = []
    observed = world.observe(desired)
    again = plan(desired, observed)
    if again.changes:
        broken.append(f"5 (empty plan): {_changes(again)}")
    other = plan(*shuffled(desired, observed))
    if other.changes:
        broken.append(f"13 (order and prices): {_changes(other)}")
    for name, fleet in desired.fleets.items():
        broken += _fleet_at_rest(world, desired, name, fleet, again)
    broken += _odds_and_ends(world, desired)
    for before in world.strangers:
        now = [row for cloud in world.clouds.values() for row in cloud.rows() if row.id == before.id]
        if (
            not now
            or attrs.evolve(now[0], health=before.health, phase=before.phase) != before
            or not now[0].phase.is_live
        ):
            broken.append(f"7 (ownership): the stranger {before.id} was touched")
    return broken


def _odds_and_ends(world: World, desired: Deployment) -> list[str]:
    """Nothing is left of other fleets, nor behind former balancers; what has damaged labels is there still."""
    broken = []
    for row in _ours(world):
        fleet = _owner(desired, row)
        is_kept = row.kept_until is not None and world.now < row.kept_until
        if fleet is None or (row.fleet != fleet.name and not is_kept):
            broken.append(f"6 (no orphan): {row.id} is of {row.fleet}, which isn't in the file")
    broken += _left_behind(world, desired)
    live = {row.id for cloud in world.clouds.values() for row in cloud.rows() if row.phase.is_live}
    return broken + [f"7 (labels): {id} isn't there any more" for id in sorted(world.relabelled.keys() - live)]


def _owner(desired: Deployment, row: Instance) -> Fleet | None:
    return next((fleet for fleet in desired.fleets.values() if row.fleet in fleet.labels), None)


def _left_behind(world: World, desired: Deployment) -> list[str]:
    """No instance is a member of a balancer that its fleet is known to have left."""
    return [
        f"12 (left behind): {row.id} still is a member of {balancer} in {row.cloud}"
        for row in _ours(world)
        if (fleet := _owner(desired, row)) is not None
        for balancer in world.clouds[row.cloud].balancers_of(row.id)
        if fleet.balancer.get(row.cloud, {}).get("name") != balancer
        and world.memory.knew(fleet.labels, row.cloud, balancer)
    ]


def _changes(planned: Plan) -> str:
    return ", ".join(f"{name} +{p.create} ~{p.replace} -{p.destroy}" for name, p in planned.fleets.items())


def _live(world: World, fleet: str) -> list[Instance]:
    rows = [row for row in _ours(world) if row.fleet == fleet]
    return [row for row in rows if not (row.kept_until and world.now < row.kept_until)]


def _ours(world: World) -> list[Instance]:
    """Every live instance of the deployment whose labels can be read."""
    return [
        row
        for cloud in world.clouds.values()
        for row in cloud.rows()
        if row.deployment == SHOP and row.phase.is_live and row.id not in cloud.odd
    ]


def _places(world: World, desired: Deployment) -> dict[tuple[str, str, str], int]:
    return dict(Counter((name, row.cloud, row.zone) for name in desired.fleets for row in _live(world, name)))


def _fleet_at_rest(world: World, desired: Deployment, name: str, fleet: Fleet, planned: Plan) -> list[str]:
    broken = []
    live, slots = _live(world, name), planned.fleets[name].slots
    if len(live) != fleet.size:
        broken.append(f"6 (no orphan): {name} has {len(live)} live instances of {fleet.size}")
    if wrong := [row.id for row in live if not any(row.revision == slot.revision for slot in slots)]:
        broken.append(f"6 (revision): {name} still has {', '.join(wrong)}")
    if fleet.place is Place.SPREAD and len(live) == fleet.size:
        broken += _spread(name, fleet, live, planned)
    return broken


def _spread(name: str, fleet: Fleet, live: list[Instance], planned: Plan) -> list[str]:
    broken = []
    shares = []
    for number in range(len(fleet.placements)):
        slots = [slot for slot in planned.fleets[name].slots if slot.placement == number]
        zones = [(slot.cloud, slot.zone, slot.market) for slot in slots]
        held = [sum((row.cloud, row.zone, row.market) == zone for row in live) for zone in zones]
        shares.append(sum(held))
        if held and max(held) - min(held) > 1:
            broken.append(f"10 (zones): {name} holds {held} in {zones}")
    weights = [placement.weight for placement in fleet.placements]
    right = apportion(fleet.size, weights, [None] * len(weights), shares)
    if shares != right:
        broken.append(f"10 (clouds): {name} holds {shares} for weights {weights}, not {right}")
    return broken


def shuffled(desired: Deployment, observed: "object") -> "tuple[Deployment, object]":
    """The same deployment and world, with every mapping in another order and every price another."""
    clouds = {
        cloud: attrs.evolve(
            seen,
            machine_types=tuple(
                attrs.evolve(kind, prices={Market.ON_DEMAND: 1.0 / kind.vcpus}) for kind in seen.machine_types
            ),
        )
        for cloud, seen in reversed(observed.clouds.items())  # type: ignore[attr-defined]
    }
    fleets = {
        name: attrs.evolve(fleet, balancer=dict(reversed(fleet.balancer.items())))
        for name, fleet in reversed(desired.fleets.items())
    }
    deployment = attrs.evolve(desired, clouds=dict(reversed(desired.clouds.items())), fleets=fleets)
    return deployment, attrs.evolve(observed, clouds=clouds)
