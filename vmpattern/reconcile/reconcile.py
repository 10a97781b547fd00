"""Carrying out a plan with given drivers and a given sense of time: the reconciler without its surroundings."""

from collections.abc import Callable, Mapping, Sequence

import attrs
from immutabledict import immutabledict

from vmpattern.access.session import Session
from vmpattern.access.stopping import never
from vmpattern.model import (
    AnySlot,
    Deployment,
    Event,
    Fleet,
    InstanceId,
    NoRoom,
    Observation,
    Options,
    Outcome,
)
from vmpattern.planner import FleetIndex, decide
from vmpattern.reconcile.dispatcher import Remember, remember_nothing
from vmpattern.reconcile.fleet_run import FleetRun, OnCount, count_nothing
from vmpattern.reconcile.reconciler import Decide, Engine


@attrs.frozen(kw_only=True)
class FleetOrder:
    """What to carry out for one fleet: its resolved slots, and the ids that may go (None: any, as when forecasting).

    `former` are balancers that the fleet has left, by cloud; `recorded` those that it may have left, in clouds that
    couldn't be asked whether they are the declared ones. `unreadable` says by cloud why its own balancer isn't
    asked: in a forecast, which can't know more than was observed.
    """

    fleet: Fleet
    slots: tuple[AnySlot, ...]
    named: frozenset[InstanceId] | None
    former: Mapping[str, tuple[Options, ...]] = attrs.field(factory=dict)
    recorded: Mapping[str, tuple[Options, ...]] = attrs.field(factory=dict)
    unreadable: Mapping[str, str] = attrs.field(factory=dict)
    former_unread: Mapping[str, str] = attrs.field(factory=dict)
    env: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    no_launch: str = ""


def carry_out(
    deployment: Deployment,
    orders: Sequence[FleetOrder],
    session: Session,
    *,
    observation: Observation | None = None,
    no_room: Sequence[NoRoom] = (),
    on_event: Callable[[Event], None] | None = None,
    on_count: OnCount = count_nothing,
    stop: Callable[[], bool] = never,
    watch: bool = True,
    remember: Remember = remember_nothing,
    decide: Decide = decide,
) -> Outcome:
    """Bring every ordered fleet to its size, version and health, and return how it went with all events.

    Args:
        observation: what was read of the clouds just before; it is the first reading of those that could be read.
        no_room: where earlier applies found none.
        session: with every cloud of the deployment: what a fleet has where it no longer belongs, goes.
        on_count: called after a turn that changed how many instances of a fleet are ready or exist, the first one too.
        watch: use change feeds where drivers have them; without, every tick is a list.
        remember: notes with which balancer a fleet is registered in a cloud, before that is sent.
        decide: what decides; only tests give another one, which looks on.

    Guarantees:
        The invariants of the design's section 6, whatever the drivers answer. Never raises for what a cloud does.
    """
    events: list[Event] = []

    def tell(event: Event) -> None:
        events.append(event)
        if on_event is not None:
            on_event(event)

    session.listener = tell
    runs = [_run(deployment, order, session, tell, on_count) for order in orders]
    for run in runs:
        run.remember_no_room(no_room)
    engine = Engine(
        deployment=deployment.name,
        runs=runs,
        session=session,
        observation=observation,
        on_event=tell,
        stop=stop,
        watch=watch,
        remember=remember,
        decide=decide,
    )
    return attrs.evolve(engine.run(), events=tuple(events))


def _run(
    deployment: Deployment,
    order: FleetOrder,
    session: Session,
    tell: Callable[[Event], None],
    on_count: OnCount,
) -> FleetRun:
    fleet, service = order.fleet, deployment.services[order.fleet.service]
    index = FleetIndex(
        deployment=deployment.name,
        fleet=fleet,
        slots=order.slots,
        clouds={name: driver.capabilities for name, driver in session.drivers.items()},
        check=service.health,
        now=session.runtime.now(),
        named=order.named,
        no_launch=order.no_launch,
    )
    return FleetRun(
        fleet=fleet,
        service=service,
        index=index,
        env=immutabledict(order.env),
        on_event=tell,
        on_count=on_count,
        former=order.former,
        recorded=order.recorded,
        unreadable=order.unreadable,
        former_unread=order.former_unread,
    )
