"""Reading balancers: each fleet's own, those that fleets have left, and those that can't be read."""

from collections.abc import Mapping, Sequence

import attrs
import pytest
from hands import Listed
from immutabledict import immutabledict
from situations import deployment, fleet
from stage import Stage

from vmpattern.access import read_clouds
from vmpattern.errors import Denied, DriverError, Invalid, NotFound, Throttled, Transient
from vmpattern.forecast import plan
from vmpattern.model import (
    CloudObservation,
    Deployment,
    EventKind,
    FormerBalancer,
    InstanceId,
    Membership,
    Options,
    Outcome,
    Result,
    Standing,
)
from vmpattern.reconcile import FleetOrder, carry_out
from vmpattern.reconcile.former_balancers import former_balancers
from vmpattern.simulation import SimulatedCloud
from vmpattern.store.record import NOTHING_RECORDED, Entry, Recorded

FRONT: Options = immutabledict(name="front")
BACK: Options = immutabledict(name="back")
WEB = fleet(2, balanced=True)
DRAINED_AND_ENDED = (EventKind.DRAINING, EventKind.TERMINATING)
API = attrs.evolve(fleet(1, name="api"), balancer={"demo": BACK})


class Balanced(Listed):
    """A driver with balancers and no change feed; the calls to `members` raise `errors`, the last one first."""

    def __init__(self, cloud: SimulatedCloud, errors: Sequence[DriverError] = (), *, shown: str = "members") -> None:
        super().__init__(cloud)
        self.errors = list(errors)
        self.shown = shown

    def members(self, balancer: Options) -> Mapping[InstanceId, Standing]:
        self.log.append(("members", balancer))
        if self.errors:
            raise self.errors.pop()
        return self.cloud.members(balancer)

    def register(self, balancer: Options, ids: Sequence[InstanceId]) -> None:
        self.cloud.register(balancer, ids)

    def deregister(self, balancer: Options, ids: Sequence[InstanceId]) -> None:
        self.log.append(("deregister", (balancer, tuple(ids))))
        self.cloud.deregister(balancer, ids)


def settled(*fleets) -> Stage:
    stage = Stage()
    stage.apply(stage.deployment(*fleets))
    return stage


def recorded(*entries: tuple[str, Options]) -> Recorded:
    return Recorded(entries=tuple(Entry(name, "demo", "identity", balancer) for name, balancer in entries))


def read(stage: Stage, driver: Listed, wanted: Deployment, **how) -> CloudObservation:
    return read_clouds(wanted, stage.session({"demo": driver}), **how).clouds["demo"]


def ids(stage: Stage, name: str) -> set[InstanceId]:
    return {row.id for row in stage.live(name)}


def test_where_an_instance_stands_is_its_own_fleets_balancers_word() -> None:
    stage = settled(WEB, API)
    stage.cloud.register(FRONT, sorted(ids(stage, "api")))
    stage.cloud.deregister(BACK, sorted(ids(stage, "api")))
    seen = read(stage, Balanced(stage.cloud), stage.deployment(WEB, API))

    assert dict.fromkeys(ids(stage, "web"), Membership.HEALTHY) | dict.fromkeys(
        ids(stage, "api"), Membership.DRAINING
    ) == {id: standing.membership for id, standing in seen.members.items()}


def test_a_balancer_of_two_fleets_is_read_once() -> None:
    both = (WEB, attrs.evolve(API, balancer=WEB.balancer))
    stage = settled(*both)
    driver = Balanced(stage.cloud)
    read(stage, driver, stage.deployment(*both))

    assert [("members", FRONT)] == [call for call in driver.log if call[0] == "members"]


def test_members_of_a_balancer_that_no_fleet_declares_are_not_read() -> None:
    stage = settled(WEB)
    seen = read(stage, Balanced(stage.cloud), stage.deployment(fleet(2)))

    assert ({}, ()) == (seen.members, seen.former)


@pytest.mark.parametrize(
    ("errors", "asked", "unread"),
    [
        pytest.param([], 1, {}, id="can be read"),
        pytest.param([Transient("oops")], 2, {}, id="can't be read for a moment"),
        pytest.param([Transient("oops")] * 9, 5, {"web": "oops (Transient, cloud)"}, id="can't be read for long"),
        pytest.param([Denied("no")] * 9, 1, {"web": "no (Denied, cloud)"}, id="may not be read"),
        pytest.param([NotFound("none")] * 9, 1, {"web": "none (NotFound, cloud)"}, id="isn't there"),
        pytest.param([Invalid("never")] * 9, 1, {"web": "never (Invalid, cloud)"}, id="has wrong options"),
    ],
)
def test_the_cloud_of_a_balancer_is_readable_where_that(errors: list, asked: int, unread: dict) -> None:
    stage = settled(WEB)
    driver = Balanced(stage.cloud, errors)
    seen = read(stage, driver, stage.deployment(WEB))
    expected = Membership.UNKNOWN if unread else Membership.HEALTHY

    assert (None, asked, unread) == (seen.error, driver.verbs().count("members"), seen.unread_balancers)
    assert [expected] * 2 == [standing.membership for standing in seen.members.values()]


def test_that_calls_are_throttled_is_said_of_the_cloud() -> None:
    stage = settled(WEB)
    seen = read(stage, Balanced(stage.cloud, [Throttled("slow")] * 9), stage.deployment(WEB))

    assert "slow (Throttled, cloud)" == seen.error


# -- balancers that fleets have left


def former_of(stage: Stage, wanted: Deployment, known: Recorded, errors: Sequence[DriverError] = ()) -> tuple:
    return read(stage, Balanced(stage.cloud, errors), wanted, recorded=known).former


def test_a_balancer_that_a_fleet_has_left_is_read_with_the_members_that_are_the_fleets() -> None:
    stage = settled(WEB, attrs.evolve(API, balancer=WEB.balancer))
    members = {id: Standing(Membership.HEALTHY) for id in ids(stage, "web")}
    wanted = stage.deployment(fleet(2), attrs.evolve(API, balancer=WEB.balancer))

    assert (FormerBalancer(fleet="web", balancer=FRONT, members=members),) == former_of(
        stage, wanted, recorded(("web", FRONT))
    )


def test_a_balancer_of_a_fleet_that_left_the_file_is_read() -> None:
    stage = settled(WEB)
    found = former_of(stage, stage.deployment(fleet(1, name="zoo")), recorded(("web", FRONT)))

    assert [("web", FRONT, 2)] == [(one.fleet, one.balancer, len(one.members)) for one in found]


def test_where_a_fleet_has_no_instances_its_former_balancers_are_not_asked() -> None:
    stage = settled(fleet(1, name="zoo"))
    driver = Balanced(stage.cloud)
    read(stage, driver, stage.deployment(fleet(1, name="zoo")), recorded=recorded(("web", FRONT)))

    assert 0 == driver.verbs().count("members")


@pytest.mark.parametrize(
    ("error", "gone"), [pytest.param(Denied("no"), False, id="denied"), pytest.param(NotFound("no"), True, id="gone")]
)
def test_a_former_balancer_that_cannot_be_read_is_a_note_and_keeps_the_plan_from_being_empty_if_it_is_there(
    error: DriverError, gone: bool
) -> None:
    stage = settled(WEB)
    wanted = stage.deployment(fleet(2))
    driver = Balanced(stage.cloud, [error] * 9)
    seen = read_clouds(wanted, stage.session({"demo": driver}), recorded=recorded(("web", FRONT)))
    made = plan(wanted, seen)
    (former,) = seen.clouds["demo"].former

    assert (str(error), gone, not gone) == (former.error, former.gone, made.changes)
    assert made.acts is False
    assert ["the balancer front in demo, which it was behind,"] == [
        note[:48] for note in made.fleets["web"].notes if "front" in note
    ]


@pytest.mark.parametrize(
    ("shared", "before", "now"),
    [
        pytest.param(False, FRONT, BACK, id="another name"),
        pytest.param(True, immutabledict(name="front", drain="1m"), FRONT, id="a setting that both have"),
    ],
)
def test_a_balancer_that_may_be_the_new_one_with_other_settings_is_none_that_was_left(
    shared: bool, before: Options, now: Options
) -> None:
    stage = settled(WEB)
    wanted = stage.deployment(attrs.evolve(WEB, balancer={"demo": now}))

    assert shared is (former_of(stage, wanted, recorded(("web", before))) == ())


def test_a_former_balancer_that_cannot_be_read_for_a_moment_keeps_the_plan_from_being_empty() -> None:
    stage = settled(WEB)
    driver = Balanced(stage.cloud, [Transient("oops")] * 9)
    wanted = stage.deployment(fleet(2))
    seen = read_clouds(wanted, stage.session({"demo": driver}), recorded=recorded(("web", FRONT)))
    made = plan(wanted, seen)

    assert (True, True) == (seen.clouds["demo"].former[0].momentary, made.changes)
    assert any("a balancer in demo that it may still be behind can't be read: front" in text for text in made.remaining)


# -- while an apply runs


def carried(stage: Stage, driver: Listed, wanted: Deployment, known: Recorded = NOTHING_RECORDED) -> Outcome:
    observation = read_clouds(wanted, stage.session({"demo": Balanced(stage.cloud)}), recorded=known)
    made = plan(wanted, observation)
    stage.events.clear()
    orders = [
        FleetOrder(
            fleet=one,
            slots=made.fleets[name].slots,
            named=frozenset(made.fleets[name].terminates),
            former=former_balancers(observation, name),
        )
        for name, one in made.deployment.fleets.items()
    ]
    return carry_out(made.deployment, orders, stage.session({"demo": driver}), on_event=stage.events.append)


def deregistered(driver: Listed) -> list[tuple[Options, frozenset[InstanceId]]]:
    """From which balancers which instances were taken, in order."""
    return [(call[1][0], frozenset(call[1][1])) for call in driver.log if call[0] == "deregister"]  # type: ignore[index]


def test_what_goes_is_drained_from_every_balancer_and_announced_once() -> None:
    stage = settled(WEB)
    mine, driver = frozenset(ids(stage, "web")), Balanced(stage.cloud)
    stage.cloud.register(BACK, sorted(mine))
    outcome = carried(stage, driver, stage.deployment(fleet(0, balanced=True)), recorded(("web", BACK)))
    drained, ended = ([event for event in stage.events if event.kind is kind] for kind in DRAINED_AND_ENDED)

    assert (Result.COMPLETE, [(FRONT, mine), (BACK, mine)]) == (outcome.result, deregistered(driver))
    assert ([mine], EventKind.DEREGISTERED in {event.kind for event in stage.events}) == (
        [frozenset(event.instances) for event in drained],
        False,
    )
    assert ended[0].at - drained[0].at >= stage.cloud.capabilities.latencies.drain_s


def test_what_stays_is_announced_as_deregistered() -> None:
    stage = settled(WEB)
    mine, driver = frozenset(ids(stage, "web")), Balanced(stage.cloud)
    carried(stage, driver, stage.deployment(fleet(2)), recorded(("web", FRONT)))

    assert [(FRONT, mine)] == deregistered(driver)
    assert [("web", "demo", mine, "front")] == [
        (event.fleet, event.cloud, frozenset(event.instances), event.message)
        for event in stage.events
        if event.kind is EventKind.DEREGISTERED
    ]


@pytest.mark.parametrize(
    ("before", "now", "left"),
    [
        pytest.param(FRONT, BACK, True, id="another balancer"),
        pytest.param(immutabledict(name="front", drain="1m"), FRONT, False, id="the same with other settings"),
    ],
)
def test_a_recorded_balancer_of_a_cloud_that_could_not_be_read_is_left_if_it_is(
    before: Options, now: Options, left: bool
) -> None:
    """Nobody could ask before whether it is the declared one: the first reading does."""
    stage = settled(WEB)
    mine, driver = frozenset(ids(stage, "web")), Balanced(stage.cloud)
    stage.cloud.register(before, sorted(mine))
    web = attrs.evolve(WEB, balancer={"demo": now})
    made = stage.plan(stage.deployment(web))
    order = FleetOrder(fleet=web, slots=made.fleets["web"].slots, named=frozenset(), recorded={"demo": (before,)})
    outcome = carry_out(made.deployment, [order], stage.session({"demo": driver}))

    expected = (Result.COMPLETE, [(before, mine)]) if left else (Result.NOTHING, [])
    assert expected == (outcome.result, deregistered(driver))


def test_nothing_is_complete_before_a_former_balancer_was_read() -> None:
    stage = settled(WEB)
    mine, driver = frozenset(ids(stage, "web")), Balanced(stage.cloud, [Transient("oops")] * 3)
    outcome = from_recorded(stage, driver, stage.deployment(fleet(2)))

    assert (Result.COMPLETE, [(FRONT, mine)]) == (outcome.result, deregistered(driver))


def test_a_former_balancer_that_can_never_be_read_pauses_the_apply_with_its_name() -> None:
    stage = settled(WEB)
    outcome = from_recorded(stage, Balanced(stage.cloud, [Transient("oops")] * 999), stage.deployment(fleet(2)))

    assert (Result.PAUSED, True) == (outcome.result, outcome.duration_s < 300.0)
    assert "a balancer that it may still be behind can't be read: front" in outcome.errors[0].message


def from_recorded(stage: Stage, driver: Listed, wanted: Deployment) -> Outcome:
    """Carry out what knows of the balancer `front` only that the fleet was registered there."""
    made = stage.plan(wanted)
    (order,) = (
        FleetOrder(fleet=one, slots=made.fleets[name].slots, named=frozenset(), recorded={"demo": (FRONT,)})
        for name, one in made.deployment.fleets.items()
    )
    return carry_out(made.deployment, [order], stage.session({"demo": driver}))


def test_a_former_balancer_that_goes_silent_for_a_moment_still_has_its_members() -> None:
    stage = settled(WEB)
    driver = Balanced(stage.cloud, [Transient("oops")])
    outcome = carried(stage, driver, stage.deployment(fleet(0)), recorded(("web", FRONT)))

    assert (Result.COMPLETE, 1) == (outcome.result, len(deregistered(driver)))


def test_a_balancer_that_cannot_be_read_for_a_moment_does_not_stop_a_rollout() -> None:
    stage = settled(WEB)
    driver = Balanced(stage.cloud, [])
    plain = driver.members

    def sometimes(balancer: Options) -> Mapping[InstanceId, Standing]:
        if driver.verbs().count("members") % 3 == 1:
            driver.errors.append(Transient("oops"))
        return plain(balancer)

    driver.members = sometimes  # type: ignore[method-assign]
    outcome = carried(stage, driver, stage.deployment(WEB, image="img-2"))

    assert Result.COMPLETE is outcome.result
    assert outcome.fleets["web"].lowest_ready == 2


def test_a_balancer_that_may_not_be_read_stops_its_fleet_before_anything_is_touched() -> None:
    stage = settled(WEB)
    outcome = carried(stage, Balanced(stage.cloud, [Denied("no")] * 99), stage.deployment(WEB, image="img-2"))

    assert (Result.FAILED, "demo: no") == (outcome.result, outcome.errors[0].message)
    assert set() == {event.kind for event in stage.events} & {EventKind.LAUNCHING, EventKind.TERMINATING}


def test_a_fleet_is_ended_though_its_balancer_cannot_be_read() -> None:
    stage = settled(WEB)
    outcome = carried(stage, Balanced(stage.cloud, [Denied("no")] * 99), stage.deployment(fleet(0, balanced=True)))

    assert (Result.COMPLETE, []) == (outcome.result, stage.live())


def test_a_fleet_is_not_ended_undrained_for_a_moment_s_silence_of_its_balancer() -> None:
    stage = settled(WEB)
    outcome = carried(stage, Balanced(stage.cloud, [Transient("oops")] * 20), stage.deployment(fleet(0, balanced=True)))
    kinds = [event.kind for event in stage.events]

    assert (Result.COMPLETE, True) == (outcome.result, EventKind.DRAINING in kinds)
    assert kinds.index(EventKind.DRAINING) < kinds.index(EventKind.TERMINATING)


def test_two_fleets_that_share_a_balancer_are_deregistered_each_by_its_own_instances() -> None:
    both = (WEB, attrs.evolve(API, balancer=WEB.balancer))
    stage = settled(*both)
    mine, driver = ids(stage, "web"), Balanced(stage.cloud)
    carried(stage, driver, stage.deployment(fleet(0, balanced=True), both[1]))

    assert [(FRONT, frozenset(mine))] == deregistered(driver)


def test_a_rename_takes_over_the_old_instances() -> None:
    stage = settled(WEB)
    outcome = carried(stage, Balanced(stage.cloud), stage.deployment(attrs.evolve(WEB, name="shop", was="web")))

    assert (Result.COMPLETE, 2) == (outcome.result, outcome.fleets["shop"].lowest_ready)
    assert {"shop"} == {row.fleet for row in stage.live()}


def test_a_registration_is_remembered_before_it_is_sent() -> None:
    stage = settled(fleet(2))
    wanted, told = stage.deployment(WEB), list[str]()
    made = plan(wanted, read_clouds(wanted, stage.session()))
    driver = Balanced(stage.cloud)

    def remember(name: str, cloud: str, balancer: Options) -> str:
        told.append(f"{name} {cloud} {balancer['name']} {len(stage.cloud.members(balancer))}")
        return "the disk is full"

    orders = [FleetOrder(fleet=WEB, slots=made.fleets["web"].slots, named=frozenset())]
    carry_out(wanted, orders, stage.session({"demo": driver}), on_event=stage.events.append, remember=remember)

    assert ["web demo front 0"] == told
    assert [event.message for event in stage.events if event.kind is EventKind.CALL_FAILED] == [
        "which balancer it is registered with isn't remembered: the disk is full"
    ]


def test_a_deployment_s_fleets_own_their_former_labels() -> None:
    assert {"shop": "shop", "web": "shop", "api": "api"} == deployment(
        attrs.evolve(WEB, name="shop", was="web"), API
    ).owners()
