"""From a launch to Nova's request, and from Nova's servers to instances. Pure: values in, values out."""

import base64
from collections.abc import Mapping, Sequence

import attrs

from vmpattern import naming
from vmpattern.driver import LaunchRequest, guest
from vmpattern.errors import DriverError, Invalid, OutOfCapacity
from vmpattern.model import Breakdown, ImageId, Instance, InstanceId, Mislabelled, Phase
from vmpattern.naming import LaunchLabels
from vmpattern_libcloud import Fault, Subject, phase_of
from vmpattern_openstack import labels
from vmpattern_openstack.answers import Flavor, Server
from vmpattern_openstack.api import TAGS, VOLUME_TYPES
from vmpattern_openstack.errors import BUILDS
from vmpattern_openstack.options import AUTO, NOTHING, PlacementOptions

USER_DATA_BYTES = 65_535 // 4 * 3
"""Nova takes 65,535 characters of base64."""

PHASES: Mapping[str, Phase] = {
    "build": Phase.PENDING,
    "active": Phase.RUNNING,
    "shutoff": Phase.STOPPED,
    "suspended": Phase.STOPPED,
    "paused": Phase.STOPPED,
    "shelved": Phase.STOPPED,
    "shelved_offloaded": Phase.STOPPED,
    # Final: Nova never tries again. It exists, and costs until it is ended.
    "error": Phase.STOPPED,
    "reboot": Phase.RUNNING,
    "hard_reboot": Phase.RUNNING,
    "password": Phase.RUNNING,
    "migrating": Phase.RUNNING,
    "resize": Phase.RUNNING,
    "verify_resize": Phase.RUNNING,
    "revert_resize": Phase.RUNNING,
    "soft_deleted": Phase.TERMINATED,
    "deleted": Phase.TERMINATED,
}
ERROR = "ERROR"


@attrs.frozen(kw_only=True)
class Found:
    """What a launch names, by id: its flavor, what its placement's options name, and where its addresses are of.

    `port` is that of the one server that is created with it, in the first of the networks.
    """

    flavor: Flavor
    networks: tuple[str, ...] = ()
    security_groups: tuple[str, ...] = ()
    server_group: str | None = None
    floating_network: str | None = None
    port: str | None = None


def create_body(request: LaunchRequest, options: PlacementOptions, found: Found) -> Mapping[str, object]:
    """Return the body of the one call that creates all servers of a launch.

    Raises:
        Invalid: the script or the environment is too long, or the disk larger than the flavor's.
    """
    server: dict[str, object] = {
        "name": labels.server_name(request),
        "flavorRef": found.flavor.id,
        "availability_zone": request.zone,
        "networks": networks(options, found),
        "metadata": {**options.metadata, **labels.server_metadata(request)},
        "tags": [*labels.server_tags(request), *options.tags],
        "user_data": base64.b64encode(user_data(request)).decode(),
        "config_drive": options.config_drive,
        "min_count": request.count,
        "max_count": request.count,
        **root_disk(request, options, found.flavor),
    }
    if found.security_groups:
        server["security_groups"] = [{"name": group} for group in found.security_groups]
    if options.key_pair is not None:
        server["key_name"] = options.key_pair
    hints = {"os:scheduler_hints": {"group": found.server_group}} if found.server_group else {}
    return {"server": server, **hints}


def microversion(options: PlacementOptions) -> str:
    """Return the oldest of Nova's versions that knows all of a launch."""
    return VOLUME_TYPES if options.volume is not None and options.volume.type is not None else TAGS


def networks(options: PlacementOptions, found: Found) -> object:
    """Return what a launch says of networks."""
    if options.has_no_network:
        return NOTHING
    first = [{"port": found.port}] if found.port is not None else []
    return [*first, *({"uuid": network} for network in found.networks[len(first) :])] or AUTO


def user_data(request: LaunchRequest) -> bytes:
    """Return the script of the first boot.

    Raises:
        Invalid: it is longer than Nova takes.
    """
    data = guest.user_data(request).encode()
    if len(data) > USER_DATA_BYTES:
        text = f"the script of the first boot has {len(data):,} bytes, and Nova takes {USER_DATA_BYTES:,}"
        raise Invalid(text, code="UserDataTooLong", field="script" if request.script else "env")
    return data


def root_disk(request: LaunchRequest, options: PlacementOptions, flavor: Flavor) -> Mapping[str, object]:
    """Return what a launch says of the root disk: the flavor's own, or a volume.

    Raises:
        Invalid: the flavor's disk is smaller than asked for, or nobody says how large the volume is to be.
    """
    if options.volume is None:
        if 0 < flavor.disk < request.disk_gib:
            text = f"the flavor {flavor.name} has a disk of {flavor.disk} GiB, and {request.disk_gib} are wanted"
            raise Invalid(f"{text}; the placement's option `volume` allows any size", code="DiskSize", field="disk_gib")
        return {"imageRef": request.image}
    size = request.disk_gib or flavor.disk
    if not size:
        text = f"a volume needs a size: the flavor {flavor.name} has none, and the service's resources name no disk"
        raise Invalid(text, code="DiskSize", field="disk_gib")
    device: dict[str, object] = {
        "boot_index": 0,
        "uuid": request.image,
        "source_type": "image",
        "destination_type": "volume",
        "volume_size": size,
        "delete_on_termination": True,
    }
    if options.volume.type is not None:
        device["volume_type"] = options.volume.type
    return {"block_device_mapping_v2": [device]}


def labels_of(server: Server) -> LaunchLabels | str:
    """Return a server's labels, or why they can't be read: all are in its metadata but the one that changes."""
    kept_until = labels.mutable_labels(server.description).get(naming.KEPT_UNTIL, "")
    return naming.read_labels({**server.metadata, naming.KEPT_UNTIL: kept_until})


def is_ours(server: Server, project: str | None) -> bool:
    """Tell whether a server of the project has our tag and our labels; an administrator finds those of others, too."""
    here = server.project is None or project is None or server.project == project
    return here and labels.PREFIX in server.tags and isinstance(labels_of(server), LaunchLabels)


def instance_of(server: Server, *, deployment: str, cloud: str, network: str | None) -> Instance | Mislabelled:
    """Return the instance that a server with the tag of a deployment is, or why its labels can't be read.

    Its address is of the network, where one is named.
    """
    read = labels_of(server)
    if not isinstance(read, str) and read.deployment != deployment:
        read = f"its tag names the deployment {deployment}, and its metadata {read.deployment}"
    if isinstance(read, str):
        return Mislabelled(id=InstanceId(server.id), cloud=cloud, deployment=deployment, reason=read)
    return Instance(
        id=InstanceId(server.id),
        cloud=cloud,
        deployment=read.deployment,
        fleet=read.fleet,
        revision=read.revision,
        key=read.key,
        zone=server.zone or "",
        machine_type=server.flavor.original_name,
        image=ImageId(server.image.id if server.image else server.metadata.get(labels.IMAGE, "")),
        phase=phase(server),
        launched_at=server.created.timestamp(),
        name=server.name,
        address=address(server, network),
        inputs=read.inputs,
        previous=read.previous,
        kept_until=read.kept_until,
        breakdown=breakdown(server),
    )


def phase(server: Server) -> Phase:
    """Return where a server is in its life; one that is being deleted is ending, whatever its status."""
    if server.task in ("deleting", "soft-deleting"):
        return Phase.TERMINATING
    return phase_of(server.status, PHASES)


def address(server: Server, network: str | None) -> str | None:
    """Return where a server is reached: a floating address before a fixed one, version 4 before 6."""
    known = [
        one for name, addresses in sorted(server.addresses.items()) if network in (None, name) for one in addresses
    ]
    best = min(known, key=lambda one: (one.type != "floating", one.version), default=None)
    return best.addr if best is not None else None


def breakdown(server: Server) -> Breakdown | None:
    """Return why a server is in ERROR, None for one that isn't."""
    if server.status != ERROR:
        return None
    error = build_error(server, Subject(what="build"))
    message = server.fault.message if server.fault is not None else "Nova says nothing about it"
    return Breakdown(message=message, lacking=isinstance(error, OutOfCapacity))


def build_error(server: Server, subject: Subject) -> DriverError:
    """Return what a server in ERROR says of its launch: no room is about the machine type in its zone."""
    fault = server.fault
    said = Fault(status=fault.code if fault else 500, code="BuildFailed", message=fault.message if fault else "")
    return BUILDS.error(said, attrs.evolve(subject, what=f"build {server.id}", mutating=False))


def subject_of(request: LaunchRequest) -> Subject:
    """Return what the errors of a launch are about; the values of its environment are in none of them."""
    return Subject(
        what=f"launch {request.count} of {request.deployment}/{request.fleet}",
        mutating=True,
        zone=request.zone,
        machine_type=request.machine_type,
        secrets=tuple(request.env.values()),
    )


def of_key(rows: Sequence[Server], request: LaunchRequest) -> list[Server]:
    """Return the servers that bear a launch's own labels and aren't ending."""
    ours = {naming.DEPLOYMENT: request.deployment, naming.FLEET: request.fleet, naming.KEY: request.key}
    return [row for row in rows if ours.items() <= dict(row.metadata).items() and phase(row).is_live]
