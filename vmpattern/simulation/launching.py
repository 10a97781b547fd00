"""Launches: what is allowed, how much there is room for, and what a key that was used before gives."""

from vmpattern.driver import LaunchReport, LaunchRequest
from vmpattern.errors import DriverError, Invalid, KeySpent, OutOfCapacity, QuotaExceeded, Scope, ScopeKind
from vmpattern.model import Idempotency, Instance, InstanceId
from vmpattern.simulation.api import ACCOUNT, Call
from vmpattern.simulation.faults import FaultKind
from vmpattern.simulation.ledger import Entry, Ledger
from vmpattern.simulation.spec import IMAGE_PREFIX, CloudSpec
from vmpattern.simulation.vm import BAD_IMAGE, GOOD, Fate, fate, launched
from vmpattern.simulation.world import World


def check(spec: CloudSpec, request: LaunchRequest) -> None:
    """Check that the cloud sells what is asked for.

    Raises:
        Invalid: it doesn't; `field` names what is wrong.
    """
    zones = {machine_type.name: machine_type.zones for machine_type in spec.machine_types}
    if request.zone not in spec.zones:
        raise Invalid(f"there is no zone {request.zone}", field="zone")
    if request.machine_type not in zones:
        raise Invalid(f"there is no machine type {request.machine_type}", field="machine_type")
    if request.zone not in zones[request.machine_type]:
        raise Invalid(f"zone {request.zone} doesn't offer {request.machine_type}", field="machine_type")
    if request.market not in spec.capabilities.markets:
        raise Invalid(f"there is no market {request.market.value}", field="market")
    if spec.strict and not request.image.startswith(IMAGE_PREFIX):
        raise Invalid(f"there is no image {request.image}: their ids begin with {IMAGE_PREFIX}", field="image")
    if not 1 <= request.count <= spec.capabilities.max_batch:
        raise Invalid(f"expected a count from 1 to {spec.capabilities.max_batch}", field="count")


def launch(world: World, ledger: Ledger, call: Call, request: LaunchRequest) -> LaunchReport:
    """Carry out a launch by the cloud's rules for keys.

    Raises:
        KeySpent: every instance of the key has ended or is ending.
        KeyConflict: the key came with another request.
        OutOfCapacity, QuotaExceeded: nothing was created.
    """
    rules = world.spec.capabilities.idempotency
    entry = ledger.find(request, strict=rules is not Idempotency.NONE)
    if entry is None:
        return _create(world, ledger, call, request, list(range(request.count)))
    if rules is Idempotency.NONE:
        first = entry.next_ordinal
        return _create(world, ledger, call, request, list(range(first, first + request.count)))
    adopted = _live(world, entry)
    missing = [ordinal for ordinal in range(request.count) if ordinal not in entry.ids]
    if not adopted and (rules is Idempotency.BATCH or not missing):
        raise KeySpent(f"every instance of the launch key {request.key} is gone", field="key")
    spent = len(entry.ids) - len(adopted)
    failures: list[DriverError] = [KeySpent("this instance of the launch key is gone", field="key")] * spent
    if rules is Idempotency.BATCH or not missing:
        failures += [_out_of_capacity(request)] * len(missing)
        return LaunchReport(adopted=tuple(adopted), failures=tuple(failures))
    return _complete(world, ledger, call, request, missing, adopted, failures)


def _live(world: World, entry: Entry) -> list[Instance]:
    vms = (world.vms.get(id) for _, id in sorted(entry.ids.items()))
    return [vm.row for vm in vms if vm is not None and vm.row.phase.is_live]


def _complete(
    world: World,
    ledger: Ledger,
    call: Call,
    request: LaunchRequest,
    missing: list[int],
    adopted: list[Instance],
    failures: list[DriverError],
) -> LaunchReport:
    try:
        report = _create(world, ledger, call, request, missing)
    except (OutOfCapacity, QuotaExceeded) as error:
        report = LaunchReport(failures=(error,) * len(missing))
    return LaunchReport(created=report.created, adopted=tuple(adopted), failures=(*failures, *report.failures))


def _create(world: World, ledger: Ledger, call: Call, request: LaunchRequest, ordinals: list[int]) -> LaunchReport:
    room, error = _room(world, call, request, len(ordinals))
    if room == 0:
        raise error
    created: dict[int, InstanceId] = {}
    rows = []
    for ordinal in ordinals[:room]:
        row = launched(request, ordinal, cloud=world.spec.name, at=world.at)
        world.add(row, _fate(world, request, ordinal))
        created[ordinal] = row.id
        rows.append(row)
    ledger.made(request, created)
    return LaunchReport(created=tuple(rows), failures=(error,) * (len(ordinals) - room))


def _fate(world: World, request: LaunchRequest, ordinal: int) -> Fate:
    if request.image in world.spec.bad_images:
        return BAD_IMAGE
    return fate(world.faults, request, ordinal, world.elapsed_s) if world.faults else GOOD


def _room(world: World, call: Call, request: LaunchRequest, count: int) -> tuple[int, DriverError]:
    """Tell how many of `count` can be created now, and the error of the others."""
    short = _out_of_capacity(request)
    if request.zone in world.out:
        return 0, OutOfCapacity("the zone is out", code="ZoneUnavailable", scope=Scope(ScopeKind.ZONE, request.zone))
    if call.strikes(FaultKind.QUOTA):
        return 0, _over_quota()
    if call.strikes(FaultKind.STOCKOUT):
        return 0, short
    limits = [(count, short)] if not world.spec.capacity else [(count, short), *_shelves(world, request, short)]
    if world.spec.quota is not None:
        limits.append((world.spec.quota - world.live.get(("", None), 0), _over_quota()))
    room, error = min(limits, key=lambda limit: limit[0])
    if room > 1 and call.strikes(FaultKind.PARTIAL_LAUNCH):
        return 1 + int(call.draw(FaultKind.PARTIAL_LAUNCH) * (room - 1)), short
    return max(0, room), error


def _shelves(world: World, request: LaunchRequest, short: DriverError) -> list[tuple[int, DriverError]]:
    scopes: list[tuple[str, str | None]] = [(request.zone, request.machine_type), (request.zone, None)]
    capacity = world.spec.capacity
    return [(capacity[scope] - world.live.get(scope, 0), short) for scope in scopes if scope in capacity]


def _out_of_capacity(request: LaunchRequest) -> DriverError:
    scope = Scope(ScopeKind.MACHINE_TYPE, zone=request.zone, machine_type=request.machine_type)
    message = f"not enough {request.machine_type} in zone {request.zone}"
    return OutOfCapacity(message, code="InsufficientInstanceCapacity", scope=scope)


def _over_quota() -> DriverError:
    return QuotaExceeded("the account's limit of instances is reached", code="InstanceLimitExceeded", scope=ACCOUNT)
