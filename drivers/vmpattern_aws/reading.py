"""From EC2's answers to our values: instances, images, machine types."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from xml.etree.ElementTree import Element

import attrs

from vmpattern import naming
from vmpattern.model import (
    Health,
    Image,
    ImageId,
    ImageState,
    Instance,
    InstanceId,
    MachineType,
    Market,
    Mislabelled,
    Phase,
)
from vmpattern_aws.settings import Address
from vmpattern_libcloud import phase_of

PHASES = {
    "pending": Phase.PENDING,
    "running": Phase.RUNNING,
    "stopping": Phase.RUNNING,
    "stopped": Phase.STOPPED,
    "shutting-down": Phase.TERMINATING,
    "terminated": Phase.TERMINATED,
}
IMAGE_STATES = {
    "available": ImageState.AVAILABLE,
    "pending": ImageState.PENDING,
    "transient": ImageState.PENDING,
}
INSTANCES = "reservationSet/item/instancesSet/item"


def text(element: Element, path: str) -> str:
    """Return the text at a path, empty where there is none."""
    return element.findtext(path) or ""


def tags(element: Element) -> dict[str, str]:
    """Return the tags of a thing."""
    return {text(item, "key"): text(item, "value") for item in element.findall("tagSet/item")}


def moment(written: str) -> float:
    """Return a time as AWS writes it, in epoch seconds."""
    return datetime.fromisoformat(written.replace("Z", "+00:00")).timestamp()


def instance(element: Element, cloud: str, address: Address) -> Instance | Mislabelled:
    """Return an instance as it is listed, with its labels, or why they can't be read."""
    tagged, id = tags(element), InstanceId(text(element, "instanceId"))
    labels = naming.read_labels(tagged)
    if isinstance(labels, str):
        return Mislabelled(id=id, cloud=cloud, deployment=tagged.get(naming.DEPLOYMENT, ""), reason=labels)
    public, private = text(element, "ipAddress"), text(element, "privateIpAddress")
    return Instance(
        id=id,
        cloud=cloud,
        deployment=labels.deployment,
        fleet=labels.fleet,
        revision=labels.revision,
        key=labels.key,
        zone=text(element, "placement/availabilityZone"),
        machine_type=text(element, "instanceType"),
        image=ImageId(text(element, "imageId")),
        phase=phase_of(text(element, "instanceState/name"), PHASES),
        launched_at=moment(text(element, "launchTime")),
        name=tagged.get("Name", ""),
        market=Market.SPOT if text(element, "instanceLifecycle") == "spot" else Market.ON_DEMAND,
        address=(public if address is Address.PUBLIC else private) or None,
        inputs=labels.inputs,
        previous=labels.previous,
        kept_until=labels.kept_until,
    )


def judged(rows: Iterable[Instance], unwell: Mapping[InstanceId, Health]) -> tuple[Instance, ...]:
    """Return the rows with the provider's word on each that runs: `unwell` holds those whose checks aren't passed."""
    return tuple(
        attrs.evolve(row, health=unwell.get(row.id, Health.HEALTHY)) if row.phase is Phase.RUNNING else row
        for row in rows
    )


def unwell(statuses: Iterable[Element]) -> dict[InstanceId, Health]:
    """Return the word on instances whose status checks aren't passed: failed, or not known yet."""
    words: dict[InstanceId, Health] = {}
    for element in statuses:
        checks = {text(element, f"{kind}/status") for kind in ("instanceStatus", "systemStatus")}
        if checks != {"ok"}:
            word = Health.UNHEALTHY if "impaired" in checks else Health.UNKNOWN
            words[InstanceId(text(element, "instanceId"))] = word
    return words


def image(element: Element, cloud: str) -> Image | None:
    """Return an image as it is listed, None for one that isn't ours."""
    labels = naming.read_image_labels(tags(element))
    if isinstance(labels, str):
        return None
    return Image(
        id=ImageId(text(element, "imageId")),
        cloud=cloud,
        deployment=labels.deployment,
        service=labels.service,
        digest=labels.digest,
        created_at=moment(text(element, "creationDate")),
        base=labels.base,
        recipe=labels.recipe,
        builder=labels.builder,
        verified=labels.verified,
        state=IMAGE_STATES.get(text(element, "imageState"), ImageState.FAILED),
    )


def machine_types(
    kinds: Iterable[Element], offerings: Iterable[Element], prices: Mapping[str, Mapping[Market, float]]
) -> tuple[MachineType, ...]:
    """Return what is sold, sorted by name, each with the zones that offer it."""
    zones: dict[str, set[str]] = {}
    for offering in offerings:
        zones.setdefault(text(offering, "instanceType"), set()).add(text(offering, "location"))
    found = {
        text(kind, "instanceType"): MachineType(
            name=text(kind, "instanceType"),
            vcpus=int(text(kind, "vCpuInfo/defaultVCpus")),
            memory_mib=int(text(kind, "memoryInfo/sizeInMiB")),
            zones=tuple(sorted(zones.get(text(kind, "instanceType"), ()))),
            prices=prices.get(text(kind, "instanceType"), {}),
        )
        for kind in kinds
    }
    return tuple(one for _, one in sorted(found.items()) if one.zones)
