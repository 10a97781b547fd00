"""Launches: what is allowed, how much there is room for, and what a key that was used before gives."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

from vmpattern import naming
from vmpattern.driver import LaunchReport, LaunchRequest
from vmpattern.errors import Invalid, KeyConflict, KeySpent, OutOfCapacity, QuotaExceeded, Scope, ScopeKind
from vmpattern.model import Idempotency, Instance, InstanceId, Limit
from vmpattern.simulation.api import ACCOUNT, Call
from vmpattern.simulation.faults import FaultKind
from vmpattern.simulation.images import Images
from vmpattern.simulation.ledger import Ledger
from vmpattern.simulation.spec import IMAGE_PREFIX, CloudSpec
from vmpattern.simulation.vm import BAD_IMAGE, GOOD, Fate, fate, launched
from vmpattern.simulation.world import World


def check(spec: CloudSpec, images: Images, request: LaunchRequest) -> None:
    """Check that the cloud sells what is asked for.

    Raises:
        Invalid: it doesn't; `field` names what is wrong.
    """
    if request.zone not in spec.zones:
        raise Invalid(f"there is no zone {request.zone}", field="zone")
    kind = next((kind for kind in spec.machine_types if kind.name == request.machine_type), None)
    if kind is None:
        raise Invalid(f"there is no machine type {request.machine_type}", field="machine_type")
    if request.zone not in kind.zones:
        raise Invalid(f"zone {request.zone} doesn't offer {request.machine_type}", field="machine_type")
    if request.market not in spec.capabilities.markets:
        raise Invalid(f"there is no market {request.market.value}", field="market")
    if spec.strict and not images.can_launch(request.image):
        raise Invalid(f"there is no image {request.image}: their ids begin with {IMAGE_PREFIX}", field="image")
    if len(request.script.encode()) > spec.capabilities.script_bytes:
        raise Invalid(f"the script has more than {spec.capabilities.script_bytes:,} bytes", field="script")
    if not 1 <= request.count <= spec.capabilities.max_batch:
        raise Invalid(f"expected a count from 1 to {spec.capabilities.max_batch}", field="count")


def launch(world: World, ledger: Ledger, call: Call, request: LaunchRequest, text: str) -> LaunchReport:
    """Carry out a launch by the cloud's rules for keys; `text` is the request as `ledger.written` has it.

    Raises:
        KeySpent: every instance of the key has ended or is ending.
        KeyConflict: the key came with another request, or the labels of what it made were changed since.
        OutOfCapacity, QuotaExceeded: nothing was created.
    """
    rules = world.spec.capabilities.idempotency
    made = ledger.find(request.key)
    if not made or rules is Idempotency.NONE:
        first = max(made, default=-1) + 1
        return _create(world, ledger, call, request, text, range(first, first + request.count))
    ledger.check(request.key, text, request.env)
    for id in made.values():
        if id in world.odd:
            raise KeyConflict(f"{id} was launched under this key, and {world.odd[id].reason}", code="Mislabelled")
    adopted = _live(world, made)
    missing = _missing(world, request, made)
    completes = rules is Idempotency.INSTANCE and bool(missing)
    if not adopted and not completes:
        raise _spent(request)
    spent = tuple(_spent(request) for _ in range(len(made) - len(adopted)))
    report = LaunchReport(failures=tuple(_out_of_capacity(request) for _ in missing))
    if completes:
        report = _complete(world, ledger, call, request, text, missing)
    return LaunchReport(created=report.created, adopted=adopted, failures=(*spent, *report.failures))


def _live(world: World, made: Mapping[int, InstanceId]) -> tuple[Instance, ...]:
    vms = (world.vms.get(id) for _, id in sorted(made.items()))
    return tuple(vm.row for vm in vms if vm is not None and vm.row.phase.is_live)


def _missing(world: World, request: LaunchRequest, made: Mapping[int, InstanceId]) -> list[int]:
    # Of a key that was loaded, not all ordinals are known: an id that exists isn't missing, and so many at most are.
    free = (ordinal for ordinal in range(request.count) if ordinal not in made)
    missing = [ordinal for ordinal in free if naming.instance_id(request.key, ordinal) not in world.vms]
    return missing[: max(0, request.count - len(made))]


def _spent(request: LaunchRequest) -> KeySpent:
    return KeySpent(f"what the launch key {request.key} made is gone", scope=ACCOUNT, field="key")


def _complete(
    world: World, ledger: Ledger, call: Call, request: LaunchRequest, text: str, missing: Sequence[int]
) -> LaunchReport:
    try:
        return _create(world, ledger, call, request, text, missing)
    except (OutOfCapacity, QuotaExceeded) as error:
        return LaunchReport(failures=(error,) * len(missing))


def _create(
    world: World, ledger: Ledger, call: Call, request: LaunchRequest, text: str, ordinals: Sequence[int]
) -> LaunchReport:
    room, refusal = _room(world, call, request, len(ordinals))
    if room == 0:
        raise refusal()
    rows: list[Instance] = []
    for ordinal in ordinals[:room]:
        row = launched(request, ordinal, cloud=world.spec.name, at=world.at)
        world.add(row, _fate(world, request, ordinal), request.script)
        rows.append(row)
    made = {ordinal: row.id for ordinal, row in zip(ordinals, rows, strict=False)}
    ledger.made(request.key, text, made, request.env)
    short = len(ordinals) - room
    return LaunchReport(created=tuple(rows), failures=(refusal(),) * short if short else ())


def _fate(world: World, request: LaunchRequest, ordinal: int) -> Fate:
    if request.image in world.spec.bad_images:
        return BAD_IMAGE
    return fate(world.faults, request, ordinal, world.elapsed_s) if world.faults else GOOD


Refusal = Callable[[], OutOfCapacity | QuotaExceeded]


def _room(world: World, call: Call, request: LaunchRequest, count: int) -> tuple[int, Refusal]:
    """Tell how many of `count` can be created now, and what refuses the others."""
    short: Refusal = partial(_out_of_capacity, request)
    if request.zone in world.weather.out:
        return 0, partial(_zone_is_out, request)
    if call.strikes(FaultKind.QUOTA):
        return 0, _used_up
    if call.strikes(FaultKind.STOCKOUT):
        return 0, short
    room, refusal, spec = count, short, world.spec
    for scope in ((request.zone, request.machine_type), (request.zone, None)) if spec.capacity else ():
        if scope in spec.capacity:
            room = min(room, spec.capacity[scope] - world.count_live(*scope))
    for left, over in _rooms(world, request):
        if left < room:
            room, refusal = left, over
    if room > 1 and call.strikes(FaultKind.PARTIAL_LAUNCH):
        return 1 + int(call.draw(FaultKind.PARTIAL_LAUNCH) * (room - 1)), short
    return max(0, room), refusal


def _out_of_capacity(request: LaunchRequest) -> OutOfCapacity:
    scope = Scope(ScopeKind.MACHINE_TYPE, zone=request.zone, machine_type=request.machine_type)
    message = f"not enough {request.machine_type} in zone {request.zone}"
    return OutOfCapacity(message, code="InsufficientInstanceCapacity", scope=scope)


def _zone_is_out(request: LaunchRequest) -> OutOfCapacity:
    scope = Scope(ScopeKind.ZONE, zone=request.zone)
    return OutOfCapacity(f"zone {request.zone} is out", code="InsufficientInstanceCapacity", scope=scope)


def _used_up() -> QuotaExceeded:
    """The fault: a quota that others have used up."""
    return QuotaExceeded("the account's limit of instances is reached", code="InstanceLimitExceeded", scope=ACCOUNT)


def _rooms(world: World, request: LaunchRequest) -> Iterator[tuple[int, Refusal]]:
    """Yield for how many instances each limit of the account has room, and what it refuses others with."""
    for limit in world.spec.every_limit:
        if limit.stops(request.machine_type, request.market):
            units = limit.units(request.machine_type, request.market)
            yield int((limit.most - limit.used - in_use(world, limit)) // units), partial(_over, limit, request)


def in_use(world: World, limit: Limit) -> float:
    """Return how many units of a limit the VMs of this cloud take."""
    if limit.market is None:
        return sum(limit.costs.get(kind, 0) * count for (_, kind), count in world.live.items())
    rows = (vm.row for vm in world.vms.values())
    return sum(limit.units(row.machine_type, row.market) for row in rows if row.phase.is_live)


def _over(limit: Limit, request: LaunchRequest) -> QuotaExceeded:
    scope = limit.scope_of(request.machine_type)
    return QuotaExceeded(f"{limit.name} is reached", code=limit.code, scope=scope)
