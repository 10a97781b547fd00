"""Images: those of a deployment, what a base stands for, and making one of a builder's disk."""

from collections.abc import Sequence

from vmpattern import naming
from vmpattern.driver import CaptureRequest, Selector
from vmpattern.errors import DriverError, Invalid, KeyConflict, NotFound, Scope, ScopeKind, Transient
from vmpattern.model import Image, ImageId, ImageState, InstanceId, Phase
from vmpattern_gcp.answers import DiskImage, Vm
from vmpattern_gcp.api import Calls
from vmpattern_gcp.fleet import by_path, rows
from vmpattern_gcp.names import image_id, image_name, image_path, place
from vmpattern_gcp.rows import FIELDS, REGION, image_row, is_ours, told

VENDORS = {
    "debian": "debian-cloud",
    "ubuntu": "ubuntu-os-cloud",
    "rocky": "rocky-linux-cloud",
    "centos": "centos-cloud",
    "rhel": "rhel-cloud",
    "sles": "suse-cloud",
    "fedora": "fedora-cloud",
    "cos": "cos-cloud",
}
"""The projects of the families whose names begin so."""

DELETING = "DELETING"
MASK = "items(name,selfLink,status,creationTimestamp,labels,deprecated/state),nextPageToken,warning(code,message)"


def of_deployment(calls: Calls, selector: Selector, cloud: str) -> tuple[Image, ...]:
    """List the images of a deployment that were made in the region."""
    text = f'labels.{naming.DEPLOYMENT} = "{selector.deployment}" AND labels.{REGION} = "{calls.region}"'
    found = calls.every(DiskImage, "global/images", filter=text, fields=MASK)
    rows = (image_row(image, cloud, calls.region) for image in found if image.status != DELETING)
    return tuple(row for row in rows if row is not None)


def delete(calls: Calls, ids: Sequence[ImageId], cloud: str) -> None:
    """Delete images of ours that no VM with our label is made from; all are looked at before the first is deleted."""
    paths = [image_path(id, calls.project) for id in ids]
    there = [path for path in paths if _is_there(calls, path, cloud)]
    used = _in_use(calls, cloud) if there else set[str]()
    if busy := [path for path in there if path in used]:
        raise Invalid(f"{calls.subject.what}: {busy[0]} is in use", code="ImageInUse", field="ids")
    for path in there:
        try:
            operation = calls.change("DELETE", path.removeprefix(f"projects/{calls.project}/"))
        except NotFound:
            continue
        if (error := calls.raised(operation)) is not None:
            raise error


def _is_there(calls: Calls, path: str, cloud: str) -> bool:
    try:
        image = calls.find(DiskImage, path)
    except NotFound:
        return False
    if not path.startswith(f"projects/{calls.project}/") or image_row(image, cloud, calls.region) is None:
        text = f"{calls.subject.what}: {path} lacks our labels, or wasn't made in {calls.region}"
        raise Invalid(text, code="NotOurs", field="ids")
    return True


def _in_use(calls: Calls, cloud: str) -> set[str]:
    """Return the paths of images that VMs with our label were made from, of whichever deployment and region."""
    vms = calls.everywhere(Vm, "instances", fields=FIELDS, filter=f"labels.{naming.DEPLOYMENT}:*")
    ended = {place(row.id).number for row in rows(calls, vms, cloud) if not row.phase.is_live}
    return {image_path(told(vm, "image"), calls.project) for vm in vms if vm.id not in ended}


def resolve(calls: Calls, base: str) -> ImageId:
    """Return the image of a path, a name in the project, or the newest one of a family there or of a vendor.

    Raises:
        NotFound: there is none.
    """
    tried = [f"global/images/{base}", f"global/images/family/{base}"]
    candidates = [base] if "/" in base else [f"projects/{calls.project}/{path}" for path in tried]
    vendor = VENDORS.get(base.partition("-")[0])
    if vendor is not None and "/" not in base:
        candidates.append(f"projects/{vendor}/global/images/family/{base}")
    for candidate in candidates:
        try:
            return image_id(calls.find(DiskImage, image_path(candidate, calls.project)).self_link)
        except NotFound:
            continue
    text = f"there is no image and no family {base}; looked for {', '.join(candidates)}"
    raise NotFound(text, code="notFound", scope=Scope(ScopeKind.CLOUD), field="base")


def capture(calls: Calls, request: CaptureRequest, cloud: str) -> ImageId:
    """Make an image of a builder's boot disk, unless there is one of the same digest.

    Raises:
        Invalid: the builder isn't STOPPED.
        NotFound: there is no such builder.
    """
    alike = [one for one in of_deployment(calls, Selector(request.deployment), cloud) if one.digest == request.digest]
    for image in alike:
        if image.state is not ImageState.FAILED:
            return image.id
    disk = _disk(calls, request.builder, cloud)
    name = image_name(calls.region, request.deployment, request.service, request.digest, len(alike))
    bears = {**request.labels, REGION: calls.region}
    family = f"{request.deployment}-{request.service}"[:63].strip("-")
    body = {"name": name, "sourceDisk": disk, "family": family, "labels": bears}
    path = f"projects/{calls.project}/global/images/{name}"
    try:
        operation = calls.change("POST", "global/images", body)
    except KeyConflict as error:
        return _adopted(calls, path, bears, error)
    if (failed := calls.raised(operation)) is not None:
        raise failed
    return ImageId(path)


def mark_verified(calls: Calls, id: ImageId) -> None:
    """Set a label of an image of ours; the rest of its labels stay.

    Raises:
        NotFound: there is no such image of ours.
        Transient: another caller changed labels at the same time; nothing of theirs was lost.
    """
    path = image_path(id, calls.project)
    image = calls.find(DiskImage, path)
    is_ours = path.startswith(f"projects/{calls.project}/") and image.labels.get(naming.DEPLOYMENT)
    if not is_ours or image.status == DELETING:
        text = f"{calls.subject.what}: {path} " + ("is being deleted" if is_ours else "lacks our labels")
        raise NotFound(text, code="notFound", field="image")
    body = {
        "labels": {**image.labels, naming.VERIFIED: naming.YES},
        "labelFingerprint": image.label_fingerprint,
    }
    operation = calls.change("POST", f"{path.removeprefix(f'projects/{calls.project}/')}/setLabels", body)
    if (failed := calls.raised(operation)) is not None:
        raise failed


def _disk(calls: Calls, builder: InstanceId, cloud: str) -> str:
    vm = by_path(calls, place(builder).path)
    if vm is None or not is_ours(vm, calls.region):
        raise NotFound(f"{calls.subject.what}: there is no builder {builder}", code="notFound", field="builder")
    (row,) = rows(calls, [vm], cloud)
    if row.phase is Phase.TERMINATING:
        raise NotFound(f"{calls.subject.what}: the builder {builder} is ending", code="ending", field="builder")
    if row.phase is not Phase.STOPPED:
        text = f"{calls.subject.what}: the builder {builder} is {row.phase.value}, not stopped"
        raise Invalid(text, code="BuilderRuns", field="builder")
    disk = next((disk for disk in vm.disks if disk.boot), None)
    if disk is None:
        raise Invalid(f"{calls.subject.what}: the builder {builder} has no boot disk", code="NoDisk", field="builder")
    return disk.source


def _adopted(calls: Calls, path: str, bears: dict[str, str], taken: DriverError) -> ImageId:
    """Return the image that has the name already, if another caller made it of the same."""
    try:
        image = calls.find(DiskImage, path)
    except NotFound as error:
        raise Transient(f"{calls.subject.what}: {path} is there and isn't", code=taken.code) from error
    if any(image.labels.get(name) != value for name, value in bears.items() if name != naming.BUILDER):
        raise taken
    return ImageId(path)
