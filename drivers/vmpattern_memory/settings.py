"""What a file can say of a simulated cloud, and what that means for the simulation."""

import math
from collections.abc import Iterator, Mapping
from datetime import timedelta

import attrs
from immutabledict import immutabledict

from vmpattern.errors import Problem, SpecError
from vmpattern.model import NAME_RULE, Idempotency, ImageId, Latencies, MachineType, Market, is_name
from vmpattern.model.quantity import parse_mib
from vmpattern.simulation import EC2_LIKE, CloudSpec, FaultKind, Faults, machine_types


@attrs.frozen(kw_only=True)
class MachineTypeOptions:
    """A machine type of one's own, offered in every zone: memory as in "4GiB", prices in dollars an hour if known."""

    vcpus: int
    memory: str
    price: float | None = None
    spot_price: float | None = None


VERBS = ("instances", "machine_types", "launch", "terminate", "label", "members", "register", "deregister", "check")
"""The verbs that credentials may lack, for `denied`."""

_NO_CAPACITY: immutabledict[str, int] = immutabledict()
_NO_FAULTS: immutabledict[FaultKind, float] = immutabledict()
_NO_TYPES: immutabledict[str, MachineTypeOptions] = immutabledict()


@attrs.frozen(kw_only=True)
class MemoryOptions:
    """The options of a simulated cloud.

    `path`: the file that keeps it between commands; None: it lives in the process. `speed`: simulated seconds in a real
    one, 0 for as fast as possible. `boot`, `ready`, `terminate`: from launch to running, to healthy, from terminate to
    gone. `staleness`: how old a list may be. `capacity`: the most live instances by "zone/type" or "zone", `quota`
    of all, `spot_quota` of spot ones. `bad_images`: whose instances never get ready. `faults`: rates from 0 to 1 by
    name. `machine_types`: instead of the usual ones. `balancers`: the names of those that there are; None: one of every
    name. `denied`: the verbs that the credentials don't permit.

    Raises:
        SpecError: a value can't be; every one of them, by option.
    """

    path: str | None = None
    zones: tuple[str, ...] = ("a", "b", "c")
    speed: float = 100.0
    seed: int = 0
    boot: timedelta = timedelta(seconds=20)
    ready: timedelta = timedelta(seconds=10)
    terminate: timedelta = timedelta(seconds=20)
    staleness: timedelta = timedelta(0)
    idempotency: Idempotency = Idempotency.BATCH
    quota: int | None = None
    spot_quota: int | None = None
    capacity: Mapping[str, int] = _NO_CAPACITY
    bad_images: tuple[str, ...] = ()
    faults: Mapping[FaultKind, float] = _NO_FAULTS
    machine_types: Mapping[str, MachineTypeOptions] = _NO_TYPES
    balancers: tuple[str, ...] | None = None
    denied: tuple[str, ...] = ()

    def __attrs_post_init__(self) -> None:
        if problems := tuple(self._problems()):
            raise SpecError(problems)

    def spec(self, name: str) -> CloudSpec:
        """Return the simulated cloud that these options describe, under the file's name for it."""
        latencies = Latencies(
            boot_s=self.boot.total_seconds(),
            ready_s=self.ready.total_seconds(),
            terminate_s=self.terminate.total_seconds(),
        )
        return CloudSpec(
            name=name,
            zones=self.zones,
            machine_types=self._types(),
            capabilities=attrs.evolve(
                EC2_LIKE,
                idempotency=self.idempotency,
                staleness_s=self.staleness.total_seconds(),
                latencies=latencies,
            ),
            capacity={_scope(text): most for text, most in self.capacity.items()},
            quota=self.quota,
            spot_quota=self.spot_quota,
            bad_images=frozenset(ImageId(image) for image in self.bad_images),
            balancers=None if self.balancers is None else frozenset(self.balancers),
            denied=frozenset(self.denied),
        )

    def drawn_faults(self) -> Faults:
        """Return the faults, with the seed that they are drawn by."""
        return Faults(self.faults, seed=self.seed)

    def _types(self) -> tuple[MachineType, ...]:
        if not self.machine_types:
            return machine_types(self.zones)
        return tuple(_machine_type(name, kind, self.zones) for name, kind in self.machine_types.items())

    def _problems(self) -> Iterator[Problem]:
        if self.path == "":
            yield Problem("path", "expected the name of a file, found nothing")
        if not self.zones:
            yield Problem("zones", "expected at least one zone")
        for zone in dict.fromkeys(self.zones):
            if not is_name(zone):
                yield Problem("zones", f"{zone!r} isn't a zone's name: {NAME_RULE}")
            if self.zones.count(zone) > 1:
                yield Problem("zones", f"{zone!r} stands there twice")
        if not 0 <= self.speed < math.inf:
            yield Problem("speed", f"expected simulated seconds in a real one, or 0 for at once; found {self.speed:g}")
        for key, quota in (("quota", self.quota), ("spot_quota", self.spot_quota)):
            if quota is not None and quota < 0:
                yield Problem(key, f"expected a number of instances, found {quota}")
        for kind, rate in self.faults.items():
            if not 0 <= rate <= 1:
                yield Problem(f"faults.{kind.value}", f"expected a rate from 0 to 1, found {rate:g}")
        for name, own in self.machine_types.items():
            yield from _problems_of_type(f"machine_types.{name}", name, own)
        for verb in self.denied:
            if verb not in VERBS:
                yield Problem("denied", f"there is no verb {verb!r}; verbs: {', '.join(VERBS)}")
        yield from self._problems_of_capacity()

    def _problems_of_capacity(self) -> Iterator[Problem]:
        names = tuple(self.machine_types) or tuple(kind.name for kind in machine_types(self.zones))
        for text, most in self.capacity.items():
            zone, kind = _scope(text)
            if zone not in self.zones:
                yield Problem(f"capacity.{text}", f"there is no zone {zone!r}; zones: {', '.join(self.zones)}")
            if kind is not None and kind not in names:
                yield Problem(f"capacity.{text}", f"there is no machine type {kind!r}; there are: {', '.join(names)}")
            if most < 0:
                yield Problem(f"capacity.{text}", f"expected a number of instances, found {most}")


def _scope(text: str) -> tuple[str, str | None]:
    zone, slash, kind = text.partition("/")
    return zone, kind if slash else None


def _machine_type(name: str, own: MachineTypeOptions, zones: tuple[str, ...]) -> MachineType:
    prices = {Market.ON_DEMAND: own.price, Market.SPOT: own.spot_price}
    return MachineType(
        name=name,
        vcpus=own.vcpus,
        memory_mib=parse_mib(own.memory),
        zones=zones,
        prices={market: price for market, price in prices.items() if price is not None},
    )


def _problems_of_type(path: str, name: str, own: MachineTypeOptions) -> Iterator[Problem]:
    if not name or "/" in name:
        yield Problem(path, f"{name!r} isn't a machine type's name: expected some letters without a slash")
    if own.vcpus < 1:
        yield Problem(f"{path}.vcpus", f"expected at least 1, found {own.vcpus}")
    try:
        if parse_mib(own.memory) < 1:
            yield Problem(f"{path}.memory", f"expected at least 1MiB, found {own.memory}")
    except ValueError as error:
        yield Problem(f"{path}.memory", str(error))
    for key, price in (("price", own.price), ("spot_price", own.spot_price)):
        if price is not None and not 0 < price < math.inf:
            yield Problem(f"{path}.{key}", f"expected dollars an hour above 0, found {price:g}; leave out if unknown")
