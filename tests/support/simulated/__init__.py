"""What the tests of the simulated cloud share: requests, clouds without budgets, and random scripts of calls."""

from collections.abc import Callable

import attrs
from hypothesis import strategies as st
from immutabledict import immutabledict

from vmpattern import naming
from vmpattern.driver import LaunchReport, LaunchRequest, Selector
from vmpattern.errors import DriverError
from vmpattern.model import (
    Capabilities,
    Idempotency,
    ImageId,
    InstanceId,
    Latencies,
    LaunchKey,
    Market,
    Options,
    RequestBudget,
    Revision,
)
from vmpattern.simulation import EC2_LIKE, CloudSpec, FaultKind, Faults, SimulatedCloud, Window
from vmpattern.simulation.faults import NONE

OURS = Selector("shop")
BALANCER: Options = immutabledict(name="front")
NO_BUDGETS: immutabledict[str, RequestBudget] = immutabledict()
LATENCIES = Latencies(boot_s=20.0, ready_s=10.0, terminate_s=20.0, drain_s=10.0)


def request(key: str = "k1", count: int = 1, **changes: object) -> LaunchRequest:
    """A launch request that a cloud with the usual spec carries out."""
    usual = LaunchRequest(
        key=LaunchKey(key),
        count=count,
        deployment="shop",
        fleet="web",
        revision=Revision("r1"),
        zone="a",
        machine_type="medium",
        market=Market.ON_DEMAND,
        image=ImageId("img-1"),
    )
    return attrs.evolve(usual, **changes)  # type: ignore[arg-type]


def capabilities(**changes: object) -> Capabilities:
    """What the usual cloud can do, without request budgets."""
    return attrs.evolve(EC2_LIKE, **{"budgets": NO_BUDGETS, "latencies": LATENCIES, **changes})  # type: ignore[arg-type]


def cloud(faults: Faults = NONE, *, can: Capabilities | None = None, **changes: object) -> SimulatedCloud:
    """A world with the usual spec, without request budgets."""
    spec = CloudSpec(capabilities=can or capabilities(), **changes)  # type: ignore[arg-type]
    return SimulatedCloud(spec, faults=faults)


def ids(report: LaunchReport) -> tuple[InstanceId, ...]:
    """The ids of a launch that gave everything."""
    assert not report.failures
    return tuple(row.id for row in (*report.created, *report.adopted))


def wait(world: SimulatedCloud, seconds: float) -> None:
    """Let so many seconds pass."""
    world.advance(world.clock.now() + seconds)


# -- scripts: random calls, as values ---------------------------------------------------------------------------------


@attrs.frozen
class Failed:
    """The answer of a call that failed."""

    error: str
    text: str


@attrs.frozen
class Script:
    """Calls to make one after the other; some fail, which is an answer like any other."""

    steps: tuple[tuple[str, int, int], ...]

    def play(self, world: SimulatedCloud) -> list[object]:
        """Make every call; return the answers."""
        return [_answer(world, *step) for step in self.steps]


def _answer(world: SimulatedCloud, what: str, a: int, b: int) -> object:
    known = _known(world)
    some = [known[(a + n) % len(known)] for n in range(min(b, len(known)))] if known else []
    acts: dict[str, Callable[[], object]] = {
        "launch": lambda: world.launch(request(f"k{a % 4}", b + 1, zone="abc"[a % 3], image=ImageId(f"img-{a % 2}"))),
        "terminate": lambda: world.terminate(some),
        "wait": lambda: wait(world, a * 7.5),
        "wait long": lambda: wait(world, 40_000.0 * b),
        "list": lambda: world.instances(OURS),
        "watch": lambda: world.changes(OURS, 0),
        "label": lambda: world.label(some, {naming.KEPT_UNTIL: str(a)} if b % 2 else {naming.KEPT_UNTIL: ""}),
        "register": lambda: world.register(BALANCER, some),
        "deregister": lambda: world.deregister(BALANCER, some),
        "members": lambda: world.members(BALANCER),
    }
    try:
        return acts[what]()
    except DriverError as error:
        return Failed(type(error).__name__, str(error))


def _known(world: SimulatedCloud) -> list[InstanceId]:
    """Every id of ours that is there or was, whatever can be read now."""
    inside = world._world
    rows = [vm.row for vm in inside.vms.values()] + [row for _, row in inside.gone.values()]
    return sorted(row.id for row in rows if OURS.matches(row))


_WHATS = ("launch", "launch", "launch", "terminate", "wait", "wait", "list", "watch", "label")
_WHATS += ("register", "deregister", "members", "wait long")


def scripts(most: int = 25) -> st.SearchStrategy[Script]:
    """Random scripts of calls."""
    step = st.tuples(st.sampled_from(_WHATS), st.integers(0, 8), st.integers(0, 4))
    return st.lists(step, max_size=most).map(lambda steps: Script(tuple(steps)))


def all_faults() -> st.SearchStrategy[Faults]:
    """Random faults of every kind; none of them in the simplest case."""
    rates = st.dictionaries(st.sampled_from(tuple(FaultKind)), st.sampled_from((0.1, 0.5)), max_size=4)
    window = st.builds(
        lambda kind, begin, length, zone: Window(kind, begin, begin + length, zone),
        st.sampled_from(tuple(FaultKind)),
        st.floats(0, 200),
        st.floats(0, 200),
        st.sampled_from((None, "a")),
    )
    windows = st.lists(window, max_size=2).map(tuple)
    return st.builds(Faults, rates, windows, st.integers(0, 5))


def specs() -> st.SearchStrategy[CloudSpec]:
    """Random clouds: each way of idempotency, stale or not, scarce or not."""
    can = st.builds(
        capabilities,
        idempotency=st.sampled_from(Idempotency),
        staleness_s=st.sampled_from((0.0, 15.0)),
        native_health=st.booleans(),
        page_size=st.sampled_from((1000, 2)),
    )
    return st.builds(
        CloudSpec,
        capabilities=can,
        capacity=st.sampled_from(({}, {("a", "medium"): 3}, {("b", None): 2})),
        quota=st.sampled_from((None, 5)),
        bad_images=st.sampled_from((frozenset(), frozenset({ImageId("img-1")}))),
    )
