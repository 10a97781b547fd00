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
    LaunchKey,
    Market,
    Phase,
    Revision,
)
from vmpattern.model.jsontext import parse_json
from vmpattern_gcp.answers import DiskImage, Vm
from vmpattern_gcp.names import image_id, instance_id, last, moment
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

NEEDED = (naming.DEPLOYMENT, naming.FLEET, naming.REVISION, naming.KEY)
STATES = {"PENDING": ImageState.PENDING, "READY": ImageState.AVAILABLE, "FAILED": ImageState.FAILED}

FIELDS = (
    "id,name,zone,machineType,status,creationTimestamp,description,labels,labelFingerprint,"
    "scheduling(provisioningModel,preemptible),networkInterfaces(networkIP,accessConfigs/natIP),disks(source,boot)"
)
"""The fields of a VM that are read: never its metadata, which hold secrets."""


def is_ours(vm: Vm) -> bool:
    """Tell whether a VM bears the labels of a launch."""
    return all(vm.labels.get(name) for name in NEEDED)


def vm_id(vm: Vm) -> InstanceId:
    """Return the id of a VM."""
    return instance_id(last(vm.zone), vm.id)


def row(vm: Vm, cloud: str, *, ending: bool) -> Instance:
    """Return the row of a VM of ours; `ending` tells whether its end has begun."""
    labels = vm.labels
    kept = labels.get(naming.KEPT_UNTIL, "")
    return Instance(
        id=vm_id(vm),
        cloud=cloud,
        deployment=labels[naming.DEPLOYMENT],
        fleet=labels[naming.FLEET],
        revision=Revision(labels[naming.REVISION]),
        key=LaunchKey(labels[naming.KEY]),
        zone=last(vm.zone),
        machine_type=last(vm.machine_type),
        image=ImageId(told(vm, "image")),
        phase=Phase.TERMINATING if ending else phase_of(vm.status, PHASES),
        launched_at=moment(vm.creation_timestamp),
        name=vm.name,
        market=market(vm),
        address=address(vm),
        inputs=labels.get(naming.INPUTS, ""),
        previous=Revision(labels[naming.PREVIOUS]) if labels.get(naming.PREVIOUS) else None,
        kept_until=float(kept) if kept.isdigit() else None,
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


def image_row(image: DiskImage, cloud: str) -> Image:
    """Return the row of an image of ours."""
    return Image(
        id=image_id(image.self_link),
        cloud=cloud,
        deployment=image.labels[naming.DEPLOYMENT],
        service=image.labels.get(naming.SERVICE, ""),
        digest=image.labels.get(naming.DIGEST, ""),
        created_at=moment(image.creation_timestamp),
        base=image.labels.get(naming.BASE, ""),
        recipe=image.labels.get(naming.RECIPE, ""),
        state=STATES.get(image.status, ImageState.PENDING),
    )
