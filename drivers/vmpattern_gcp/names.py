"""The names that the driver gives, and how it reads Google's: ids of instances, names of VMs and images, links."""

import re
import uuid
from datetime import datetime

import attrs

from vmpattern import naming
from vmpattern.driver import LaunchRequest
from vmpattern.errors import Invalid
from vmpattern.model import ImageId, InstanceId, LaunchKey

NAMESPACE = uuid.UUID("a4a1f6e0-6f0b-5c53-9c0e-0d6e4c3c7a51")
INSTANCE_ID = re.compile(r"([a-z][a-z0-9-]*)/([1-9]\d*)")


@attrs.frozen
class Place:
    """Where an instance is: its zone, and the number that no other VM ever has."""

    zone: str
    number: str

    @property
    def path(self) -> str:
        """The path within the project."""
        return f"zones/{self.zone}/instances/{self.number}"


def region_of(zone: str) -> str:
    """Return the region that a zone is in."""
    return zone.rpartition("-")[0]


def instance_id(zone: str, number: str) -> InstanceId:
    """Return the id of a VM. Its name may be another's after its end, its number never is."""
    return InstanceId(f"{zone}/{number}")


def place(instance: InstanceId) -> Place:
    """Return where an instance is.

    Raises:
        Invalid: this is no id of an instance at Google.
    """
    found = INSTANCE_ID.fullmatch(instance)
    if found is None:
        raise Invalid(f"{instance!r} is no instance: expected ZONE/NUMBER", code="NoInstanceId", field="ids")
    return Place(found[1], found[2])


def vm_names(fleet: str, key: LaunchKey, count: int) -> list[str]:
    """Return the names of the VMs of a launch: the same key gives the same names, as far as there are as many."""
    stem = f"{fleet.strip('_-')}-{naming.digest(key, size=16)}"
    return [f"{stem}-{number}" for number in range(count)]


def request_digest(request: LaunchRequest) -> str:
    """Return what tells one launch request from another under the same key; secrets don't enter."""
    parts = (request.count, request.deployment, request.fleet, request.revision, request.inputs, request.previous)
    more = (request.zone, request.machine_type, request.market.value, request.image, request.disk_gib, request.port)
    return naming.digest(*parts, *more, request.options)


def request_id(key: LaunchKey, digest: str, names: list[str]) -> str:
    """Return the id under which Google takes an insertion of these names once."""
    return str(uuid.uuid5(NAMESPACE, naming.digest(key, digest, names, size=32)))


def image_name(region: str, deployment: str, service: str, digest: str, number: int) -> str:
    """Return the name of a region's image; `number` counts those before it that failed."""
    return f"{service}-{naming.digest(region, deployment, service, digest, size=16)}-{number}"


def image_path(image: str, project: str) -> str:
    """Return the whole path of an image that may be told by its name, a part of its path, or its link."""
    if "projects/" in image:
        return image[image.index("projects/") :]
    if image.startswith("global/"):
        return f"projects/{project}/{image}"
    return f"projects/{project}/global/images/{image}"


def image_id(link: str) -> ImageId:
    """Return the id of an image: its whole path."""
    return ImageId(link[link.index("projects/") :])


def last(link: str) -> str:
    """Return the last part of a link: a resource's name."""
    return link.rpartition("/")[2]


def moment(stamp: str) -> float:
    """Return a timestamp of Google's in epoch seconds."""
    return datetime.fromisoformat(stamp).timestamp()
