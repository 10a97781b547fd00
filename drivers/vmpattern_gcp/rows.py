"""From Google's VMs and images to rows: what bears our labels, and in which phase it is."""

from collections.abc import Mapping
from typing import cast

from vmpattern import naming
from vmpattern.model import (
    Image,
    ImageId,
    ImageState,
    Instance,
    InstanceId,
    Market,
    Mislabelled,
    Phase,
)
from vmpattern.model.jsontext import parse_json
from vmpattern.naming import LaunchLabels
from vmpattern_gcp.answers import DiskImage, Vm
from vmpattern_gcp.names import image_id, instance_id, last, moment, region_of
from vmpattern_libcloud import phase_of

PHASES: Mapping[str, Phase] = {
    "provisioning": Phase.PENDING,
    "staging": Phase.PENDING,
    "pending": Phase.PENDING,
    "repairing": Phase.PENDING,
    "running": Phase.RUNNING,
    # A VM that stops by itself runs until it has stopped; whoever makes a row knows whether it ends.
    "pending_stop": Phase.RUNNING,
    "stopping": Phase.RUNNING,
    "suspending": Phase.RUNNING,
    "stopped": Phase.STOPPED,
    "suspended": Phase.STOPPED,
    "terminated": Phase.STOPPED,
    "deprovisioning": Phase.TERMINATING,
}
LEAVING = ("PENDING_STOP", "STOPPING")
"""The states of a VM that is stopping or ending: one can't tell which."""

STATES = {"PENDING": ImageState.PENDING, "READY": ImageState.AVAILABLE, "FAILED": ImageState.FAILED}

REGION = "vmpattern-gcp-region"
"""The label of an image that says in which region it was made: Google's images are of no region, ours are."""

FIELDS = (
    "id,name,zone,machineType,status,creationTimestamp,description,labels,labelFingerprint,"
    "scheduling(provisioningModel,preemptible),networkInterfaces(networkIP,accessConfigs/natIP),disks(source,boot)"
)
"""The fields of a VM that are read: never its metadata, which hold secrets."""


def is_ours(vm: Vm, region: str) -> bool:
    """Tell whether a VM of the region has the labels of a launch."""
    return region_of(last(vm.zone)) == region and isinstance(naming.read_labels(vm.labels), LaunchLabels)


def vm_id(vm: Vm) -> InstanceId:
    """Return the id of a VM."""
    return instance_id(last(vm.zone), vm.id)


def row(vm: Vm, cloud: str, *, ending: bool) -> Instance | Mislabelled:
    """Return the row of a VM with our label; `ending` tells whether its end has begun."""
    labels = naming.read_labels(vm.labels)
    if isinstance(labels, str):
        deployment = vm.labels.get(naming.DEPLOYMENT, "")
        return Mislabelled(id=vm_id(vm), cloud=cloud, deployment=deployment, reason=labels)
    return Instance(
        id=vm_id(vm),
        cloud=cloud,
        deployment=labels.deployment,
        fleet=labels.fleet,
        revision=labels.revision,
        key=labels.key,
        zone=last(vm.zone),
        machine_type=last(vm.machine_type),
        image=ImageId(told(vm, "image")),
        phase=Phase.TERMINATING if ending else phase_of(vm.status, PHASES),
        launched_at=moment(vm.creation_timestamp),
        name=vm.name,
        market=market(vm),
        address=address(vm),
        inputs=labels.inputs,
        previous=labels.previous,
        kept_until=labels.kept_until,
    )


def told(vm: Vm, what: str) -> str:
    """Return what a VM's description says of its launch, empty where it says nothing."""
    try:
        found: object = parse_json(vm.description or "{}")
    except ValueError:
        return ""
    return str(cast("Mapping[str, object]", found).get(what, "")) if isinstance(found, Mapping) else ""


def market(vm: Vm) -> Market:
    """Return how a VM is paid for."""
    spot = vm.scheduling.provisioning_model == "SPOT" or vm.scheduling.preemptible
    return Market.SPOT if spot else Market.ON_DEMAND


def address(vm: Vm) -> str | None:
    """Return a VM's public address, else its own in the network."""
    for interface in vm.network_interfaces:
        public = next((config.nat_ip for config in interface.access_configs if config.nat_ip), "")
        if public or interface.network_ip:
            return public or interface.network_ip
    return None


def image_row(image: DiskImage, cloud: str, region: str) -> Image | None:
    """Return the row of an image that was made in the region, None for one that isn't ours."""
    labels = naming.read_image_labels(image.labels)
    if isinstance(labels, str) or image.labels.get(REGION) != region:
        return None
    return Image(
        id=image_id(image.self_link),
        cloud=cloud,
        deployment=labels.deployment,
        service=labels.service,
        digest=labels.digest,
        created_at=moment(image.creation_timestamp),
        base=labels.base,
        recipe=labels.recipe,
        builder=labels.builder,
        verified=labels.verified,
        state=STATES.get(image.status, ImageState.PENDING),
    )
