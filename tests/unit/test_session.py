"""One session, one budget: whatever a process does with a cloud, its calls together stay within what that allows."""

from collections.abc import Generator
from contextlib import contextmanager

import attrs
import pytest
from immutabledict import immutabledict
from recipes import Oven
from situations import fleet
from stage import Stage

from vmpattern.access import opened, read_clouds
from vmpattern.bakery import Policy, bake_all
from vmpattern.driver import Driver
from vmpattern.errors import ContractBroken, DriverError, Problem, SpecError, Unauthenticated, VmpatternError
from vmpattern.forecast import plan
from vmpattern.model import Cloud, Event, EventKind, RequestBudget, Result
from vmpattern.planner import bakes
from vmpattern.reconcile import FleetOrder, carry_out
from vmpattern.simulation import EC2_LIKE

TIGHT = immutabledict({"read": RequestBudget(4, 0.5), "launch": RequestBudget(1, 0.02)})


def test_readings_of_one_session_wait_for_the_budget_instead_of_being_throttled() -> None:
    stage = Stage(capabilities=attrs.evolve(EC2_LIKE, budgets=TIGHT))
    session, heard = stage.session(), list[Event]()
    session.listener = heard.append
    began = session.runtime.now()

    observations = [read_clouds(stage.deployment(fleet(1)), session) for _ in range(5)]

    assert [None] * 5 == [seen.clouds["demo"].error for seen in observations]
    assert [] == heard
    assert session.runtime.now() - began >= (session.calls - 4) / 0.5 - 2


def test_a_bake_and_the_fleets_after_it_share_one_budget(tmp_path) -> None:
    oven = Oven(tmp_path, budgets=TIGHT)
    session = oven.session()
    events: list[Event] = []
    wanted = bakes(oven.deployment(), read_clouds(oven.deployment(), session), services=["shop"])
    bake_all(
        oven.deployment(),
        wanted,
        session,
        policy=Policy(),
        tell=events.append,
        stop=lambda: False,
        locks=tmp_path,
    )
    deployment = oven.deployment(size=1)
    planned = plan(deployment, read_clouds(deployment, session))
    orders = [FleetOrder(fleet=deployment.fleets["web"], slots=planned.fleets["web"].slots, named=frozenset())]

    outcome = carry_out(deployment, orders, session, on_event=events.append)

    assert Result.COMPLETE is outcome.result
    assert [] == [event for event in events if event.kind is EventKind.RETRYING]


def test_the_calls_of_a_session_are_those_that_the_cloud_saw() -> None:
    stage = Stage()
    session, before = stage.session(), sum(stage.cloud.calls.values())
    wanted = stage.deployment(fleet(2))
    planned = plan(wanted, read_clouds(wanted, session))
    orders = [FleetOrder(fleet=wanted.fleets["web"], slots=planned.fleets["web"].slots, named=frozenset())]

    carry_out(wanted, orders, session, watch=False)

    assert sum(stage.cloud.calls.values()) - before == session.calls


# -- a driver that can't be made


class Connecting:
    """Makes the drivers of a stage, except in the cloud `lab`, where it raises `error`."""

    def __init__(self, stage: Stage, error: VmpatternError) -> None:
        self._stage = stage
        self._error = error

    @contextmanager
    def __call__(self, cloud: Cloud) -> Generator[Driver, None, None]:
        if cloud.name == "lab":
            raise self._error
        yield self._stage.clouds[cloud.name]


def test_a_cloud_whose_driver_cannot_be_made_is_one_that_cannot_be_read() -> None:
    stage = Stage("eu", "lab")
    stage.apply(stage.deployment(fleet(2, clouds=("eu",))))
    wanted = stage.deployment(fleet(3, clouds=("eu",)))
    with opened(wanted, connect=Connecting(stage, Unauthenticated("no login"))) as session:
        observation = read_clouds(wanted, session)

    assert {"eu": None, "lab": "no login (Unauthenticated, cloud)"} == {
        name: cloud.error for name, cloud in observation.clouds.items()
    }
    assert 2 == len(observation.instances())


def test_fleets_of_the_other_clouds_are_carried_out_without_a_driver_that_cannot_be_made() -> None:
    stage = Stage("eu", "lab")
    wanted = stage.deployment(fleet(2, clouds=("eu",)), fleet(1, name="api", clouds=("lab",)))
    with opened(wanted, connect=Connecting(stage, Unauthenticated("no login"))) as session:
        planned = plan(wanted, read_clouds(wanted, session))
        orders = [
            FleetOrder(fleet=one, slots=planned.fleets[name].slots, named=frozenset())
            for name, one in wanted.fleets.items()
        ]
        outcome = carry_out(wanted, orders, session)

    assert (True, False) == (outcome.fleets["web"].reached, outcome.fleets["api"].reached)
    assert [("Unauthenticated", "lab: no login")] == [(one.code, one.message) for one in outcome.errors]


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(SpecError([Problem("clouds.lab.zone", "unknown key")]), id="a wrong option"),
        pytest.param(ContractBroken("lab is no driver"), id="no driver"),
    ],
)
def test_what_is_wrong_with_the_file_or_the_driver_is_raised(error: SpecError | DriverError) -> None:
    stage = Stage("eu", "lab")

    with pytest.raises(type(error)), opened(stage.deployment(), connect=Connecting(stage, error)):
        pass
