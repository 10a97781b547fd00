"""Drawing schedules: what users write, what clouds are like, what fails and what happens from outside."""

import attrs
from hypothesis import strategies as st
from immutabledict import immutabledict

from lawbook.choices import Choices, Drawn
from lawbook.editing import changed, deployment, renamed
from lawbook.schedules import (
    BAD_IMAGE,
    CLOUDS,
    HOSTILE,
    OF_CALLS,
    OF_HEALTH,
    OF_INSTANCES,
    RARE,
    TIGHT_BUDGETS,
    TYPES,
    ZONES,
    Change,
    Crash,
    Old,
    Outside,
    Schedule,
)
from vmpattern.model import Capabilities, Idempotency, Latencies, Market, RequestBudget
from vmpattern.simulation import CloudSpec, FaultKind, Faults, Window


def schedules(**limits: object) -> st.SearchStrategy[Schedule]:
    """Return a strategy of schedules; `limits` as for `schedule`."""
    return st.composite(lambda draw: schedule(Drawn(draw), **limits))()  # type: ignore[arg-type]


def schedule(choose: Choices, *, faults: bool = True, crashes: bool = True, changes: int = 3) -> Schedule:
    """Choose a schedule; without `faults` every call works, without `crashes` no process dies."""
    clouds = tuple(_cloud(choose, name) for name in CLOUDS[: choose.one_of((1, 1, 1, 1, 1, 1, 2, 2, 2, 3))])
    drawn = Schedule(
        clouds=clouds,
        faults=tuple(_faults(choose, spec) if faults else Faults() for spec in clouds),
        changes=_changes(choose, clouds, choose.number(1, changes), crashes),
        old=tuple(_old(choose, clouds) for _ in range(choose.number(1, 6))) if choose.chance(25) else (),
        strangers=choose.chance(30),
        slowness_s=choose.one_of((0.0, 0.0, 2.0, 9.0)),
        ghosts=choose.chance(60),
        seed=choose.number(0, 999_999),
    )
    # What follows is drawn last, so that what a seed gave before it still gives, mostly.
    made = _with_new_names(choose, drawn.changes)
    disturbed = tuple(_disturbed(choose, change) for change in made) if crashes else made
    struck = tuple(_hostile(choose, one) for one in drawn.faults) if faults else drawn.faults
    return attrs.evolve(drawn, changes=disturbed, faults=struck)


def _hostile(choose: Choices, faults: Faults) -> Faults:
    """Let a cloud also answer as none should: for a while, or now and then."""
    if not choose.chance(15):
        return faults
    kind = choose.one_of(HOSTILE)
    if choose.chance(50):
        return attrs.evolve(faults, windows=(*faults.windows, _window(choose, kind)))
    return attrs.evolve(faults, rates={**faults.rates, kind: choose.number(2, 20) / 100})


def _with_new_names(choose: Choices, changes: tuple[Change, ...]) -> tuple[Change, ...]:
    if len(changes) < 2 or not choose.chance(20):
        return changes
    desired = renamed(choose, [change.desired for change in changes])
    return tuple(attrs.evolve(change, desired=one) for change, one in zip(changes, desired, strict=True))


def _disturbed(choose: Choices, change: Change) -> Change:
    """Damage labels of an instance or two by hand, or lose the record of balancers."""
    hands = choose.number(1, 2) if choose.chance(6) else 0
    relabels = tuple(
        Outside(after_s=float(choose.number(0, 400)), what="relabel", number=choose.number(0, 99)) for _ in range(hands)
    )
    return attrs.evolve(change, outside=(*change.outside, *relabels), forgets=choose.chance(6))


def _cloud(choose: Choices, name: str) -> CloudSpec:
    budgets = (immutabledict[str, RequestBudget](), TIGHT_BUDGETS)[choose.chance(25)]
    capabilities = Capabilities(
        max_batch=choose.one_of((100, 2)),
        max_terminate=choose.one_of((1000, 2)),
        idempotency=choose.one_of(tuple(Idempotency)),
        mutable_labels=choose.chance(60),
        staleness_s=choose.one_of((0.0, 0.0, 5.0)),
        call_timeout_s=10.0,
        native_health=choose.chance(70),
        markets=frozenset(Market),
        probes=True,
        balancer=True,
        checks=choose.chance(70),
        budgets=budgets,
        latencies=Latencies(
            call_s=choose.one_of((1.0, 0.3, 2.5)),
            boot_s=choose.one_of((4.0, 15.0, 40.0)),
            ready_s=choose.one_of((3.0, 10.0)),
            terminate_s=choose.one_of((5.0, 30.0)),
            drain_s=choose.one_of((4.0, 25.0)),
        ),
    )
    scarce = choose.chance(12)
    capacity = {(choose.one_of(ZONES), None): choose.number(0, 4)} if scarce else {}
    return CloudSpec(
        name=name,
        zones=ZONES,
        machine_types=TYPES,
        capabilities=capabilities,
        capacity=capacity,
        quota=choose.number(2, 12) if choose.chance(8) else None,
        bad_images=frozenset({BAD_IMAGE}),  # type: ignore[arg-type]
    )


def _faults(choose: Choices, spec: CloudSpec) -> Faults:
    if not choose.chance(70):
        return Faults()
    kinds = [*OF_CALLS, *OF_HEALTH, *OF_INSTANCES, *(RARE if choose.chance(10) else ())]
    if spec.capabilities.staleness_s == 0.0:
        kinds.remove(FaultKind.STALE_LIST)
    rates = {choose.one_of(kinds): choose.number(2, 30) / 100 for _ in range(choose.number(0, 3))}
    windows = tuple(_window(choose, choose.one_of(kinds)) for _ in range(choose.number(0, 2)))
    return Faults(rates, windows, seed=choose.number(0, 999_999))


def _window(choose: Choices, kind: FaultKind) -> Window:
    begin = float(choose.number(0, 300))
    zone = choose.one_of((None, *ZONES)) if kind in (FaultKind.STOCKOUT, FaultKind.ZONE_OUTAGE) else None
    return Window(kind, begin, begin + choose.one_of((10, 60, 200)), zone)


def _old(choose: Choices, clouds: tuple[CloudSpec, ...]) -> Old:
    return Old(
        revision=choose.one_of(("r1", "r2", "r3", "r4")),
        cloud=choose.one_of(clouds).name,
        zone=choose.one_of(ZONES),
        well=not choose.chance(15),
    )


def _changes(choose: Choices, clouds: tuple[CloudSpec, ...], count: int, crashes: bool) -> tuple[Change, ...]:
    desired = deployment(choose, clouds)
    made = []
    for number in range(count):
        if number:
            desired = changed(choose, desired, clouds)
        crash = Crash(choose.number(0, 40), choose.chance(50)) if crashes and choose.chance(30) else None
        made.append(
            Change(
                desired=desired,
                pause_s=choose.one_of((0.0, 5.0, 100.0)),
                crash=crash,
                stop_at_call=choose.number(0, 40) if crashes and crash is None and choose.chance(12) else None,
                clock_s=choose.one_of((-310.0, 310.0, 60.0)) if crashes and choose.chance(8) else 0.0,
                secret=choose.one_of(("s1", "s2")),
                outside=tuple(_outside(choose) for _ in range(choose.number(1, 3)))
                if crashes and choose.chance(15)
                else (),
            )
        )
    return tuple(made)


def _outside(choose: Choices) -> Outside:
    return Outside(
        after_s=float(choose.number(0, 400)),
        what=choose.one_of(("kill", "stop", "deregister", "spot")),
        number=choose.number(0, 9),
    )
