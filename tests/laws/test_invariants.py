"""Whatever happens in clouds, networks and processes, the rollout's invariants hold after every event."""

import attrs
import pytest
from hypothesis import assume, example, given, strategies as st
from lawbook.choices import Seeded
from lawbook.drawing import schedule, schedules
from lawbook.moments import MOMENTS
from lawbook.onlooker import Onlooker
from lawbook.playing import Played, at_rest, play
from lawbook.schedules import BAD_IMAGE, ZONES, Crash, Old, Schedule, patient, uses_bad_image
from lawbook.world import World

from vmpattern.model import EventKind, Existing, HealthCheck, Idempotency, Result
from vmpattern.planner import limits
from vmpattern.simulation import FaultKind, Faults, Window

CHECK = HealthCheck(http="/", interval_s=2.0)


@given(schedules())
def test_invariants_hold_under_faults_and_crashes(drawn: Schedule) -> None:
    played = play(drawn)

    assert [] == played.broken


@given(st.integers(0, 10**9))
@example(59442)  # a list that was asked for before a launch's answer, and came after it
@example(8894)  # a fleet that left the file, in a cloud that can't be read at first
@example(10556)  # a registration, and then a balancer that can't be read
@example(40333)  # a first reading that costs more than one call, of a budget that is nearly spent
@example(40702)  # a member that an earlier process drained, of whom only one witness speaks badly
@example(9001195)  # a balancer whose answer can't be read once, of a fleet that is to vanish
@example(29069)  # a balancer that the fleet has left, and whose answer can't be read
@example(60780)  # two that failed, of whom only one runs and may be serving
@example(41857)  # a list that shows what is gone
@example(11616)  # a key that was used for what is gone, in a cloud that doesn't know keys
def test_invariants_hold_in_schedules_that_a_seed_gives(seed: int) -> None:
    """The same draws as the long runner's, so that its findings are replayed by their seed alone."""
    played = play(schedule(Seeded(seed)))

    assert [] == played.broken


@pytest.mark.parametrize("moment", MOMENTS)
def test_invariants_hold_in_moments_that_are_written_by_hand(moment: str) -> None:
    played = play(MOMENTS[moment].schedule)

    assert [] == MOMENTS[moment].judge(played)


@given(schedules(faults=False))
def test_crashes_alone_break_nothing(drawn: Schedule) -> None:
    played = play(drawn)

    assert [] == played.broken


@given(schedules(faults=False, changes=2))
def test_a_crash_anywhere_converges_to_the_end_that_is_reached_without(drawn: Schedule) -> None:
    whole = attrs.evolve(drawn, changes=tuple(attrs.evolve(change, crash=None) for change in drawn.changes))

    crashed, uncrashed = play(drawn), play(whole)

    assert counts(uncrashed) == counts(crashed)


LOST = (FaultKind.LOST_BEFORE, FaultKind.LOST_AFTER, FaultKind.THROTTLE)
SPELLS = st.lists(st.tuples(st.sampled_from(LOST), st.integers(260, 400), st.integers(1, 9)), max_size=4)


CRASHES = st.builds(Crash, call=st.integers(0, 15), after=st.booleans())


@given(schedules(faults=False, changes=1), CRASHES, SPELLS, st.sampled_from((9.0, 0.0)))
def test_nothing_is_launched_twice_where_launches_are_idempotent(
    drawn: Schedule, crash: Crash, spells: list[tuple[FaultKind, int, int]], slowness_s: float
) -> None:
    """Neither a crash nor a lost answer costs an instance more than a run without needs."""
    assume(all(spec.capabilities.idempotency is not Idempotency.NONE for spec in drawn.clouds))
    desired = patient(drawn.changes[0].desired)
    assume(not uses_bad_image(desired))
    roomy = tuple(attrs.evolve(spec, capacity={}, quota=None) for spec in drawn.clouds)
    change = attrs.evolve(drawn.changes[0], desired=desired, crash=None, outside=())  # whoever meddles costs instances
    calm = attrs.evolve(drawn, clouds=roomy, changes=(change,), slowness_s=0.0)
    windows = tuple(Window(kind, float(begin), float(begin + length)) for kind, begin, length in spells)

    faults = (Faults(windows=windows),) * len(roomy)
    changes = (attrs.evolve(change, crash=crash), attrs.evolve(change, pause_s=0.0))
    harsh = attrs.evolve(calm, changes=changes, faults=faults, slowness_s=slowness_s)

    lossy = play(harsh)

    assert lossy.created <= play(calm).created


def counts(played: Played) -> dict[tuple[str, str], list[int]]:
    """How many instances each fleet has in each cloud's zones: which zone got the odd one may depend on the past."""
    found: dict[tuple[str, str], list[int]] = {}
    for (fleet, cloud, _), count in sorted(played.zones.items()):
        found.setdefault((fleet, cloud), []).append(count)
    return {place: sorted(zones) for place, zones in found.items()}


@given(schedules())
def test_a_decision_depends_on_nothing_but_the_rows(drawn: Schedule) -> None:
    onlooker = Onlooker()

    play(drawn, decider=onlooker)

    assert [] == onlooker.broken


REVISIONS = st.lists(st.sampled_from(("r1", "r2", "r3", "r4")), min_size=3, max_size=8)


@given(schedules(faults=False, crashes=False, changes=1), REVISIONS)
def test_a_fleet_of_three_revisions_or_more_rolls_forward_in_one_apply(drawn: Schedule, revisions: list[str]) -> None:
    desired = patient(drawn.changes[0].desired)
    assume(len(set(revisions)) >= 3 and not uses_bad_image(desired))
    spec = attrs.evolve(drawn.clouds[0], capacity={}, quota=None)
    mixed = tuple(
        Old(revision=revision, cloud=spec.name, zone=ZONES[number % len(ZONES)])
        for number, revision in enumerate(revisions)
    )
    roomy = (spec, *(attrs.evolve(other, capacity={}, quota=None) for other in drawn.clouds[1:]))
    world = World(attrs.evolve(drawn, clouds=roomy, old=mixed, slowness_s=0.0))

    applied = world.apply(desired)

    assert [] == applied.auditor.broken
    assert applied.outcome is not None
    assert Result.COMPLETE is applied.outcome.result
    assert [] == at_rest(world, desired)


@given(schedules(faults=False, crashes=False, changes=1))
def test_a_bad_image_stops_and_leaves_enough_old_ones_ready(drawn: Schedule) -> None:
    good, roomy = drawn.changes[0], tuple(attrs.evolve(spec, capacity={}, quota=None) for spec in drawn.clouds)
    service = good.desired.services["web"]
    check_and_image = {"health": service.health or CHECK, "image": image(drawn, "img-1")}
    before = attrs.evolve(good.desired, services={"web": attrs.evolve(service, **check_and_image)})
    after = attrs.evolve(before, services={"web": attrs.evolve(before.services["web"], image=image(drawn, BAD_IMAGE))})
    world = World(attrs.evolve(drawn, clouds=roomy, old=(), slowness_s=0.0))
    healthy = world.apply(before)

    applied = world.apply(after)

    fleet = after.fleets["web"]
    bounds = limits(fleet)
    launched = sum(event.count for event in applied.auditor.events if event.kind is EventKind.LAUNCHED)
    every = [limits(one) for one in after.fleets.values()]
    assert Result.COMPLETE is (healthy.outcome.result if fleet.size else Result.COMPLETE)
    assert Result.PAUSED is (applied.outcome.result if fleet.size else Result.PAUSED)
    assert [] == applied.auditor.broken
    assert launched <= sum(one.failures + one.most - one.least for one in every)
    assert fleet.size == 0 or applied.outcome.fleets["web"].ready >= bounds.least


def image(drawn: Schedule, name: str) -> Existing:
    return Existing({spec.name: name for spec in drawn.clouds})
