"""OpenStack's JSON as values: what is read of it and no more; the rest of a document is passed over."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TypeVar, cast

import attrs
from immutabledict import immutabledict

from vmpattern_libcloud import converter, structured

Answer = TypeVar("Answer")
Json = Mapping[str, object]
_NO_TEXTS: Mapping[str, str] = immutabledict()


@attrs.frozen(kw_only=True)
class Address:
    """An address of a server in one network; `type` is fixed or floating."""

    addr: str
    version: int = 4
    type: str = "fixed"


@attrs.frozen(kw_only=True)
class ServerFlavor:
    """A flavor as a server remembers it."""

    original_name: str


@attrs.frozen(kw_only=True)
class ServerImage:
    """The image that a server was launched from."""

    id: str


@attrs.frozen(kw_only=True)
class BuildFault:
    """Why a server is in ERROR."""

    message: str = ""
    code: int = 0


@attrs.frozen(kw_only=True)
class Server:
    """A server of Nova's; `image` is an empty text where the root disk is a volume, `project` whose it is."""

    id: str
    name: str
    status: str
    created: datetime
    flavor: ServerFlavor
    metadata: Mapping[str, str] = _NO_TEXTS
    addresses: Mapping[str, tuple[Address, ...]] = immutabledict()
    tags: tuple[str, ...] = ()
    description: str | None = None
    image: ServerImage | None = None
    fault: BuildFault | None = None
    zone: str | None = None
    task: str | None = None
    project: str | None = None


@attrs.frozen(kw_only=True)
class Named:
    """Something with an id and a name; `name` is missing where a list is brief."""

    id: str
    name: str = ""


@attrs.frozen(kw_only=True)
class Flavor:
    """What Nova sells: memory in MiB, disk in GiB, 0 for as much as the image needs.

    Whoever may not read the `extra_specs` gets none.
    """

    id: str
    name: str
    vcpus: int
    ram: int
    disk: int
    extra_specs: Mapping[str, str] = _NO_TEXTS


@attrs.frozen(kw_only=True)
class ZoneState:
    """Whether a zone takes servers."""

    available: bool = False


@attrs.frozen(kw_only=True)
class Zone:
    """An availability zone."""

    name: str
    state: ZoneState


@attrs.frozen(kw_only=True)
class Network:
    """A network of Neutron's; `external` ones are for floating addresses."""

    id: str
    name: str
    external: bool = False
    shared: bool = False


@attrs.frozen(kw_only=True)
class GlanceImage:
    """An image; `min_disk` in GiB and `min_ram` in MiB are what a flavor must have. `labels` are its properties.

    `owner` is the project that it is of: others may see it, too.
    """

    id: str
    status: str
    created_at: datetime
    name: str | None = None
    owner: str | None = None
    min_disk: int = 0
    min_ram: int = 0
    labels: Mapping[str, str] = _NO_TEXTS


@attrs.frozen(kw_only=True)
class Limits:
    """What the project may have and has; a maximum of -1 is none, None is unknown."""

    instances: int = -1
    instances_used: int | None = None
    cores: int = -1
    cores_used: int | None = None
    ram: int = -1
    ram_used: int | None = None


@attrs.frozen(kw_only=True)
class Allowance:
    """How many of a kind Neutron lets a project have, -1 for any number, and how many there are."""

    limit: int = -1
    used: int = 0
    reserved: int = 0


@attrs.frozen(kw_only=True)
class NetworkQuota:
    """What Neutron allows a project; None where it doesn't say."""

    port: Allowance | None = None
    floatingip: Allowance | None = None


@attrs.frozen(kw_only=True)
class CpuUse:
    """Nanoseconds that one of a server's processors was busy, where the hypervisor counts them."""

    time: int | None = None


@attrs.frozen(kw_only=True)
class Diagnostics:
    """What a server's hypervisor counts; `uptime` in seconds."""

    state: str
    uptime: int | None = None
    cpu_details: tuple[CpuUse, ...] = ()


@attrs.frozen(kw_only=True)
class Member:
    """A member of an Octavia pool. Ours are named by their instance; a tag says until when one is draining."""

    id: str
    name: str
    address: str
    protocol_port: int
    weight: int
    subnet_id: str | None = None
    operating_status: str = ""
    admin_state_up: bool = True
    backup: bool = False
    monitor_address: str | None = None
    monitor_port: int | None = None
    tags: tuple[str, ...] = ()


def parsed(kind: type[Answer], value: object, what: str) -> Answer:
    """Make a value of a part of an answer.

    Raises:
        Invalid: a field that must be there isn't, or has another type.
    """
    return structured(_CONVERTER, kind, value, what)


def _moment(value: object, _: object) -> datetime:
    """Read a moment as OpenStack writes it, in UTC: with a Z at the end, or without."""
    return datetime.fromisoformat(str(value).removesuffix("Z")).replace(tzinfo=UTC)


def _image_of_server(value: object, _: object) -> ServerImage | None:
    return ServerImage(id=str(cast("Json", value)["id"])) if value else None


def _image(value: Json, _: object) -> GlanceImage:
    labels = {key: str(one) for key, one in value.items() if key.startswith("vmpattern-") or key == "instance_uuid"}
    return _CONVERTER.structure_attrs_fromdict({**value, "labels": labels}, GlanceImage)


_RENAMED: Mapping[type, Mapping[str, str]] = {
    Server: {"zone": "OS-EXT-AZ:availability_zone", "task": "OS-EXT-STS:task_state", "project": "tenant_id"},
    Address: {"type": "OS-EXT-IPS:type"},
    Network: {"external": "router:external"},
    Zone: {"name": "zoneName", "state": "zoneState"},
    Limits: {
        "instances": "maxTotalInstances",
        "instances_used": "totalInstancesUsed",
        "cores": "maxTotalCores",
        "cores_used": "totalCoresUsed",
        "ram": "maxTotalRAMSize",
        "ram_used": "totalRAMUsed",
    },
}
_CONVERTER = converter(lambda kind, field: _RENAMED.get(kind, {}).get(field, field))
_CONVERTER.register_structure_hook(datetime, _moment)
_CONVERTER.register_structure_hook(ServerImage | None, _image_of_server)
_CONVERTER.register_structure_hook(GlanceImage, _image)
