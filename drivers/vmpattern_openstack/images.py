"""Images: Glance's rows as ours, how one is found by what a file calls it, and how one is made of a builder."""

import json
import re
from collections.abc import Mapping, Sequence

from vmpattern import naming
from vmpattern.driver import CaptureRequest, Selector
from vmpattern.errors import Invalid, NotFound
from vmpattern.model import Image, ImageId, ImageState
from vmpattern_openstack import labels, listing
from vmpattern_openstack.answers import GlanceImage, Server
from vmpattern_openstack.api import Calls
from vmpattern_openstack.catalog import ID
from vmpattern_openstack.servers import phase

STATES: Mapping[str, ImageState] = {
    "queued": ImageState.PENDING,
    "saving": ImageState.PENDING,
    "uploading": ImageState.PENDING,
    "importing": ImageState.PENDING,
    "active": ImageState.AVAILABLE,
}
"""What isn't here never becomes one that can be launched."""

LEAVING = ("deleted", "pending_delete")

FAMILY = re.compile(r"([a-z]+)-?([0-9][0-9.]*)")
INSTANCE = "instance_uuid"
PATCHES = "application/openstack-images-v2.1-json-patch"
"""The form in which Glance takes changes of an image."""


def image_of(row: GlanceImage, *, cloud: str, project: str | None) -> Image | None:
    """Return the image that a row is, None for one that isn't ours, or is another project's that shares it.

    A snapshot that somebody else made of an instance inherits the labels of the image that the instance ran from;
    it was made of another server than its builder.
    """
    read = naming.read_image_labels(row.labels)
    if isinstance(read, str) or row.labels.get(labels.BUILDER) != row.labels.get(INSTANCE):
        return None
    if row.owner is not None and project is not None and row.owner != project:
        return None
    return Image(
        id=ImageId(row.id),
        cloud=cloud,
        deployment=read.deployment,
        service=read.service,
        digest=read.digest,
        created_at=row.created_at.timestamp(),
        base=read.base,
        recipe=read.recipe,
        builder=read.builder,
        verified=read.verified,
        state=STATES.get(row.status, ImageState.FAILED),
    )


def images(calls: Calls, selector: Selector, *, cloud: str) -> tuple[Image, ...]:
    """List the project's images of a deployment; Glance shows those that others share with it, too."""
    project = calls.project()
    labelled = {naming.DEPLOYMENT: selector.deployment, **({"owner": project} if project else {})}
    rows = calls.every(GlanceImage, "image", "/images", labelled, key="images")
    there = (row for row in rows if row.status not in LEAVING)
    found = (image_of(row, cloud=cloud, project=project) for row in there)
    return tuple(image for image in found if image is not None and image.deployment == selector.deployment)


def resolve(calls: Calls, base: str) -> ImageId:
    """Return the image with an id, the newest with a name, or the newest of a distribution as `debian-12`.

    A snapshot inherits the distribution of what its server ran from, and is no image of that distribution.

    Raises:
        NotFound: there is none that can be launched.
    """
    if ID.fullmatch(base):
        found = calls.find("image", f"/images/{base}")
        if found is not None and calls.parsed(GlanceImage, found).status == "active":
            return ImageId(base)
    family = FAMILY.fullmatch(base)
    ways = [{"name": base}, *([{"os_distro": family[1], "os_version": family[2]}] if family else [])]
    for way in ways:
        newest = {**way, "status": "active", "sort": "created_at:desc"}
        rows = calls.every(GlanceImage, "image", "/images", newest, key="images")
        for row in rows:
            if "name" in way or INSTANCE not in row.labels:
                return ImageId(row.id)
    text = f"there is no active image with the id, the name, or the distribution and version {base!r}"
    raise NotFound(text, code="NoImage", field="base")


def capture(calls: Calls, request: CaptureRequest, builder: Server) -> ImageId:
    """Make an image of a builder that is shut off, labels and all in one call.

    Raises:
        Invalid: it isn't shut off.
    """
    if builder.status != "SHUTOFF":
        text = f"the builder {builder.id} is {builder.status}, and an image is made of one that is SHUTOFF"
        raise Invalid(text, code="BuilderRuns", field="builder")
    name = f"{request.deployment}-{request.service}-{request.digest[:12]}"
    # A snapshot inherits the properties of what its server ran from, which may be an image that was verified.
    metadata = {**request.labels, labels.BUILDER: builder.id, naming.VERIFIED: "no"}
    image = {"name": name, "metadata": metadata}
    made = calls.change("compute", "POST", f"/servers/{builder.id}/action", {"createImage": image})
    return ImageId(str(made["image_id"]))


def mark_verified(calls: Calls, id: ImageId, *, cloud: str) -> None:
    """Set a property of an image of ours.

    Raises:
        NotFound: there is no such image of ours.
    """
    found = calls.find("image", f"/images/{id}")
    row = calls.parsed(GlanceImage, found) if found is not None else None
    if row is None or row.status in LEAVING or image_of(row, cloud=cloud, project=calls.project()) is None:
        raise NotFound(f"there is no image {id} of ours", code="NoImage", field="image")
    patch = [{"op": "add", "path": f"/{naming.VERIFIED}", "value": naming.YES}]
    calls.exchange(
        "image", "PATCH", f"/images/{id}", headers={"Content-Type": PATCHES}, body=json.dumps(patch).encode()
    )


def delete(calls: Calls, ids: Sequence[ImageId], *, cloud: str) -> None:
    """Delete images of ours that no server runs from; what is gone is success.

    Raises:
        Invalid: one isn't ours, or in use; none is deleted.
    """
    there: list[ImageId] = []
    for id in ids:
        found = calls.find("image", f"/images/{id}")
        if found is None:
            continue
        if image_of(calls.parsed(GlanceImage, found), cloud=cloud, project=calls.project()) is None:
            text = f"the image {id} lacks our labels, or is another project's, and isn't deleted"
            raise Invalid(text, code="NotOurs", field="image")
        if users := [user for user in listing.servers(calls, {"image": id}) if phase(user).is_live]:
            text = f"the image {id} is in use by {len(users)} servers, among them {users[0].id}"
            raise Invalid(text, code="ImageInUse", field="image")
        there.append(id)
    for id in there:
        try:
            calls.change("image", "DELETE", f"/images/{id}")
        except NotFound:
            continue
