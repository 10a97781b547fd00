"""What a simulated cloud is made of: zones, machine types, limits, what it declares. Values only.

Source:
    The request budgets are EC2's published ones per account and region (read 2026-11).
"""

from collections.abc import Iterator, Mapping

import attrs
from immutabledict import immutabledict

from vmpattern.errors import Scope, ScopeKind
from vmpattern.model import (
    Capabilities,
    Idempotency,
    ImageId,
    Latencies,
    Limit,
    MachineType,
    Market,
    RequestBudget,
)

EPOCH = 1767225600.0
"""2026-01-01T00:00:00Z: every simulated world begins here unless told otherwise, so that runs can be repeated."""

IMAGE_PREFIX = "img-"

EC2_BUDGETS = immutabledict(
    {
        "read": RequestBudget(100, 20),
        "launch": RequestBudget(5, 2),
        "launch-instances": RequestBudget(1000, 2),
        "terminate": RequestBudget(100, 5),
        "terminate-instances": RequestBudget(1000, 20),
        "label": RequestBudget(100, 10),
        "balancer": RequestBudget(50, 5),
        "image": RequestBudget(20, 2),
    }
)

EC2_LIKE = Capabilities(
    max_batch=100,
    max_terminate=1000,
    page_size=1000,
    idempotency=Idempotency.BATCH,
    mutable_labels=True,
    markets=frozenset(Market),
    native_health=True,
    probes=True,
    checks=True,
    limits=True,
    balancer=True,
    console=True,
    baker=True,
    meter=True,
    staging=True,
    budgets=EC2_BUDGETS,
    latencies=Latencies(),
)

_SIZES = (
    ("small", 1, 2048, 0.02, 0.007),
    ("medium", 2, 4096, 0.04, 0.013),
    ("large", 4, 16384, 0.12, 0.04),
    ("xlarge", 8, 32768, 0.24, 0.08),
    ("2xlarge", 16, 65536, 0.48, 0.16),
)


def machine_types(zones: tuple[str, ...]) -> tuple[MachineType, ...]:
    """Return the usual machine types, offered in all of `zones`, smallest first."""
    return tuple(
        MachineType(
            name=name,
            vcpus=vcpus,
            memory_mib=memory_mib,
            zones=zones,
            prices={Market.ON_DEMAND: on_demand, Market.SPOT: spot},
        )
        for name, vcpus, memory_mib, on_demand, spot in _SIZES
    )


_NO_CAPACITY: immutabledict[tuple[str, str | None], int] = immutabledict()


def _capacity(capacity: Mapping[tuple[str, str | None], int]) -> immutabledict[tuple[str, str | None], int]:
    return immutabledict(capacity)


@attrs.frozen(kw_only=True)
class CloudSpec:
    """What a simulated cloud is and allows.

    `capacity` maps (zone, machine type), or (zone, None) for all types together, to the most live instances there;
    `quota` is the most in the account, `spot_quota` of them in the spot market; `limits` are others, whose `used` is
    what is used beside this cloud's VMs, and `every_limit` all of them. Instances of `bad_images` never get
    ready, and builders from them never finish. `bases` are the names under which images to build upon are known. A
    `strict` cloud refuses images whose id doesn't begin with `img-` and balancers without a name; any other takes
    whatever it is asked for. `balancers` are the names of the balancers that there are (None: one of every name), and
    `denied` the verbs that the credentials don't permit.
    """

    name: str = "memory"
    zones: tuple[str, ...] = ("a", "b", "c")
    machine_types: tuple[MachineType, ...] = attrs.field(
        default=attrs.Factory(lambda self: machine_types(self.zones), takes_self=True)
    )
    capabilities: Capabilities = EC2_LIKE
    capacity: Mapping[tuple[str, str | None], int] = attrs.field(default=_NO_CAPACITY, converter=_capacity)
    quota: int | None = None
    spot_quota: int | None = None
    limits: tuple[Limit, ...] = ()
    bad_images: frozenset[ImageId] = frozenset()
    bases: tuple[str, ...] = ("alpine-3.23", "debian-12", "debian-13", "ubuntu-24.04")
    strict: bool = True
    balancers: frozenset[str] | None = None
    denied: frozenset[str] = frozenset()
    every_limit: tuple[Limit, ...] = attrs.field(
        init=False, default=attrs.Factory(lambda self: tuple(self._limits()), takes_self=True)
    )

    def _limits(self) -> Iterator[Limit]:
        each = dict.fromkeys((kind.name for kind in self.machine_types), 1)
        if self.quota is not None:
            name, code = "the account's limit of instances", "InstanceLimitExceeded"
            yield Limit(name=name, most=self.quota, used=0, costs=each, code=code)
        if self.spot_quota is not None:
            yield Limit(
                name="the limit of spot instances",
                most=self.spot_quota,
                used=0,
                costs=each,
                market=Market.SPOT,
                code="MaxSpotInstanceCountExceeded",
                scope=Scope(ScopeKind.ACCOUNT, market=Market.SPOT.value),
            )
        yield from self.limits


USUAL = CloudSpec()
