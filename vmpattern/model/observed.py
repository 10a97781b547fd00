"""What was observed: instances, images, machine types, what a cloud can do, and all of it at one moment."""

# pyright: reportGeneralTypeIssues=false, reportAssignmentType=false
# (pyright can't follow a generic class or function as an attrs converter or validator; mypy does.)

import enum
from collections.abc import Mapping
from fnmatch import fnmatchcase

import attrs
from immutabledict import immutabledict

from vmpattern.errors import Problem, Scope, ScopeKind
from vmpattern.model.baked import Contents
from vmpattern.model.words import (
    Health,
    ImageId,
    ImageState,
    InstanceId,
    LaunchKey,
    Market,
    Options,
    Phase,
    Revision,
    Standing,
)


@attrs.frozen(kw_only=True)
class Breakdown:
    """Why a VM that is STOPPED never came up, in the provider's words; `lacking`: there was no room for it there."""

    message: str
    lacking: bool = False


@attrs.frozen(kw_only=True)
class Instance:
    """One VM of one fleet, as a provider lists it; times are epoch seconds.

    `health` is the provider's own word. `inputs` tells the revision's parts apart (see `naming.inputs`), `previous` is
    the revision that the launch replaced. `breakdown` says why a STOPPED one never came up, where the provider tells.
    """

    id: InstanceId
    cloud: str
    deployment: str
    fleet: str
    revision: Revision
    key: LaunchKey
    zone: str
    machine_type: str
    image: ImageId
    phase: Phase
    launched_at: float
    name: str = ""
    market: Market = Market.ON_DEMAND
    health: Health = Health.UNKNOWN
    address: str | None = None
    inputs: str = ""
    previous: Revision | None = None
    kept_until: float | None = None
    breakdown: Breakdown | None = None


@attrs.frozen(kw_only=True)
class Mislabelled:
    """A VM that has the deployment's label, and whose other labels can't be read: `reason` says why.

    Whether it is one of ours isn't known. So it is neither counted nor touched, and people are shown it.
    """

    id: InstanceId
    cloud: str
    deployment: str
    reason: str


@attrs.frozen(kw_only=True)
class Image:
    """A VM image that bears our labels: which service it holds, the digest of what was baked, the base it came from.

    `base` is as the label has it (see `naming.base_label`), `recipe` tells the recipe's parts apart (see
    `naming.recipe`), `builder` tells what it was made of (see `naming.builder_label`). `verified` is the mark that a
    bake sets once it knows that the image holds what was baked.
    """

    id: ImageId
    cloud: str
    deployment: str
    service: str
    digest: str
    created_at: float
    base: str = ""
    recipe: str = ""
    builder: str = ""
    state: ImageState = ImageState.AVAILABLE
    verified: bool = False

    @property
    def is_usable(self) -> bool:
        """Whether instances may be launched from it; every command asks this, and nothing else."""
        return self.verified and self.state is ImageState.AVAILABLE


@attrs.frozen(kw_only=True)
class MachineType:
    """A kind of VM that a cloud sells. Prices are US dollars an hour; a market without a price is *unknown*, not free.

    `zones` are those that offer the type, sorted. `disk_gib` is the disk that comes with it; 0: a launch gets one as
    large as it asks for. `specs` is what else the provider says of it, in the provider's words, such as a GPU.
    """

    name: str
    vcpus: int
    memory_mib: int
    zones: tuple[str, ...]
    disk_gib: int = 0
    specs: Mapping[str, str] = attrs.field(factory=immutabledict, converter=immutabledict)
    prices: Mapping[Market, float] = attrs.field(factory=immutabledict, converter=immutabledict)

    def price(self, market: Market) -> float | None:
        """Return dollars an hour in `market`, None where unknown."""
        return self.prices.get(market)


@attrs.frozen(kw_only=True)
class Usage:
    """What one instance used of late: `cpu` in vCPUs, averaged over `period_s` seconds that ended at `at`.

    `memory_mib` is None where the provider can't look into the VM.
    """

    at: float
    period_s: float
    cpu: float
    memory_mib: float | None = None


class Idempotency(enum.Enum):
    """What a launch sent twice with one key does.

    BATCH: the provider remembers the whole request (EC2's ClientToken). INSTANCE: every instance has a name that can
    exist only once (GCE). NONE: it launches again (Nova).
    """

    BATCH = "batch"
    INSTANCE = "instance"
    NONE = "none"


@attrs.frozen
class RequestBudget:
    """A token bucket of the provider: `burst` calls at once, then `per_second`."""

    burst: float
    per_second: float


@attrs.frozen(kw_only=True)
class Latencies:
    """Typical seconds: of a call, from launch to running, from running to healthy, from terminate to gone.

    `build_s` is how long a builder's script takes, `capture_s` how long until an image of it is available.
    """

    call_s: float = 1.0
    boot_s: float = 20.0
    ready_s: float = 10.0
    terminate_s: float = 20.0
    drain_s: float = 10.0
    build_s: float = 60.0
    capture_s: float = 30.0


@attrs.frozen(kw_only=True)
class Capabilities:
    """What a driver declares of itself: data, checked when planning, exercised by the kit.

    `max_batch` and `max_terminate` are how many instances one call launches and ends. `page_size` is how many rows one
    answer to a list has at most; 0 says that a list is always one answer. `label_count` is how many labels a VM may
    have. `staleness_s` is the longest age of what a list shows. `budgets` are keyed by `read`, `launch`, `terminate`,
    `label`, `balancer`, `image` (calls) and `launch-instances`, `terminate-instances` (instances). `probes`,
    `checks`, `limits`, `balancer`, `console`, `baker` and `meter` say that the driver offers that optional protocol.
    `script_bytes` is the longest script that a launch takes, `staging` tells whether a baker can put larger files where
    a builder finds them. `disk_option` names the placement's option that gives a launch a disk of any size where a
    machine type comes with one; empty for none.
    """

    max_batch: int = 1
    max_terminate: int = 1
    page_size: int = 1000
    idempotency: Idempotency = Idempotency.NONE
    label_count: int = 50
    mutable_labels: bool = False
    markets: frozenset[Market] = frozenset({Market.ON_DEMAND})
    staleness_s: float = 0.0
    call_timeout_s: float = 30.0
    native_health: bool = False
    probes: bool = False
    checks: bool = False
    limits: bool = False
    balancer: bool = False
    console: bool = False
    baker: bool = False
    meter: bool = False
    script_bytes: int = 16384
    staging: bool = False
    disk_option: str = ""
    budgets: Mapping[str, RequestBudget] = attrs.field(factory=immutabledict, converter=immutabledict)
    latencies: Latencies = Latencies()

    def pages(self, rows: int) -> int:
        """Return how many answers a list of so many rows takes; at least one."""
        return max(1, -(-rows // self.page_size)) if self.page_size else 1


@attrs.frozen(kw_only=True)
class FleetCheck:
    """What a driver says of a fleet before anything is launched.

    `problems` are what is bound to fail, with their paths in the file; `notes` what couldn't be found out.
    """

    fleet: str
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class FormerBalancer:
    """A balancer that a fleet was registered with and doesn't declare any more, and the fleet's members there.

    `fleet` is the fleet's present name. `error` says why the members couldn't be read; then there are none. `gone`: it
    is because there is no such balancer. `momentary`: it may be readable soon.
    """

    fleet: str
    balancer: Options
    members: Mapping[InstanceId, Standing] = attrs.field(factory=immutabledict, converter=immutabledict)
    error: str | None = None
    gone: bool = False
    momentary: bool = False

    @property
    def is_unread(self) -> bool:
        """Whether it is there, and who is a member isn't known."""
        return self.error is not None and not self.gone


@attrs.frozen(kw_only=True)
class NoRoom:
    """A cloud had no room in a scope when an apply asked for it, at `at` in epoch seconds, in the provider's words."""

    cloud: str
    scope: Scope
    code: str
    message: str
    at: float

    def __str__(self) -> str:
        return f"{self.cloud}: {self.message} ({self.code}, {self.scope})"


@attrs.frozen(kw_only=True)
class Limit:
    """A limit of the account on what may be there at the same time, in the units that the provider counts.

    `costs` says how many units one instance takes, by machine type; a type that isn't in it takes none. `market`: only
    instances of this market count; None: all do. `used`: units in use in the account when it was read. `code` and
    `scope` are those of the error that a launch gets when the limit is reached. Launches outside of the scope aren't
    refused, even if what they make counts: a limit that several families or markets share is listed once for each of
    them. A scope of a family leaves its machine type out: it is the launch's.
    """

    name: str
    most: float
    used: float
    costs: Mapping[str, float] = attrs.field(converter=immutabledict)
    market: Market | None = None
    code: str = ""
    scope: Scope = Scope(ScopeKind.ACCOUNT)

    def units(self, machine_type: str, market: Market) -> float:
        """Return how many units one instance takes."""
        return self.costs.get(machine_type, 0) if self.market in (None, market) else 0

    def stops(self, machine_type: str, market: Market) -> bool:
        """Return whether a launch is refused when the limit is reached."""
        scope = self.scope
        named = scope.kind is not ScopeKind.FAMILY or fnmatchcase(machine_type, scope.family or "")
        return named and scope.market in (None, market.value) and self.units(machine_type, market) > 0

    def scope_of(self, machine_type: str | None) -> Scope:
        """Return the scope of the error that a launch of a machine type gets when the limit is reached."""
        return (
            attrs.evolve(self.scope, machine_type=machine_type) if self.scope.kind is ScopeKind.FAMILY else self.scope
        )

    def __str__(self) -> str:
        return f"{self.name} is {self.most:.15g}, {self.used:.15g} in use"


@attrs.frozen(kw_only=True)
class CloudObservation:
    """One cloud at one moment.

    `error` None: `instances` is every instance of the deployment there, complete. `error` set: the cloud couldn't be
    read, the rest says nothing, and no destructive act may follow from it. `probed` holds the words of the health check
    for the instances that were asked, `members` where instances stand with the balancer that their own fleet declares;
    `checks` what a driver foresees of launches. `unread_balancers` says by fleet why its balancer couldn't be read.
    `former` are balancers that fleets with instances here have left, where this machine knows of them. `limits` are
    those of the account, as far as they were asked for and can be read; `limits_error` says why they can't be.

    `images` are the deployment's, read where a service is baked. `resolved` says what bases and existing images, as
    written, stand for there, and `unresolved` why one stands for nothing; both are empty where the driver can't bake.

    `mislabelled` are VMs with the deployment's label that belong to no fleet, since their labels can't be read. `scope`
    names the account and region as far as that is known without a call: two clouds with the same one are one cloud.
    """

    name: str
    at: float
    capabilities: Capabilities
    instances: tuple[Instance, ...] = ()
    machine_types: tuple[MachineType, ...] = ()
    probed: Mapping[InstanceId, Health] = attrs.field(factory=immutabledict, converter=immutabledict)
    members: Mapping[InstanceId, Standing] = attrs.field(factory=immutabledict, converter=immutabledict)
    images: tuple[Image, ...] = ()
    resolved: Mapping[str, ImageId] = attrs.field(factory=immutabledict, converter=immutabledict)
    unresolved: Mapping[str, str] = attrs.field(factory=immutabledict, converter=immutabledict)
    checks: tuple[FleetCheck, ...] = ()
    mislabelled: tuple[Mislabelled, ...] = ()
    scope: str = ""
    unread_balancers: Mapping[str, str] = attrs.field(factory=immutabledict, converter=immutabledict)
    former: tuple[FormerBalancer, ...] = ()
    limits: tuple[Limit, ...] = ()
    limits_error: str | None = None
    error: str | None = None

    @property
    def zones(self) -> tuple[str, ...]:
        """Every zone in which the cloud offers a machine type, sorted."""
        return tuple(sorted({zone for machine_type in self.machine_types for zone in machine_type.zones}))


@attrs.frozen(kw_only=True)
class Observation:
    """Every cloud of a deployment, as read together; `calls` counts the API calls that the reading cost.

    `contents` are digests of what recipes name, by service, as the files were then. `notes` say what couldn't be found
    out besides. `no_room` is where the last applies on this machine found no room, as far as that still counts.
    """

    at: float
    clouds: Mapping[str, CloudObservation] = attrs.field(converter=immutabledict)
    calls: int = 0
    contents: Mapping[str, Contents] = attrs.field(factory=immutabledict, converter=immutabledict)
    notes: tuple[str, ...] = ()
    no_room: tuple[NoRoom, ...] = ()

    def instances(self) -> tuple[Instance, ...]:
        """Return every observed instance, by cloud in the deployment's order, then as listed."""
        return tuple(instance for cloud in self.clouds.values() for instance in cloud.instances)

    def mislabelled(self) -> tuple[Mislabelled, ...]:
        """Return every VM whose labels can't be read, by cloud in the deployment's order, then as listed."""
        return tuple(one for cloud in self.clouds.values() for one in cloud.mislabelled)
