"""Images on EC2: listed, found by name, made of stopped builders, deleted; and files for builders on S3."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from urllib.parse import quote, urlsplit
from xml.etree.ElementTree import Element

from vmpattern import naming
from vmpattern.driver import CaptureRequest, Selector
from vmpattern.errors import DriverError, Invalid, NotFound, Scope, ScopeKind, Unsupported
from vmpattern.model import Image, ImageId, ImageState, Phase
from vmpattern_aws import reading
from vmpattern_aws.api import Api, Params, address
from vmpattern_aws.calls import S3
from vmpattern_aws.credentials import Source
from vmpattern_aws.fleet import Instances, filters, tagged
from vmpattern_aws.settings import AwsOptions
from vmpattern_aws.signing import Signer
from vmpattern_libcloud import Deadline, Request, Subject

FAMILIES = {
    "amazon-linux-2023": ("amazon", "al2023-ami-2023.*-kernel-*"),
    "debian-12": ("136693071363", "debian-12-*"),
    "debian-13": ("136693071363", "debian-13-*"),
    "ubuntu-22.04": ("099720109477", "ubuntu/images/hvm-ssd*/ubuntu-jammy-22.04-*-server-*"),
    "ubuntu-24.04": ("099720109477", "ubuntu/images/hvm-ssd*/ubuntu-noble-24.04-*-server-*"),
}
"""Bases that are known by a short name: whose images they are, and how those are named."""

DUPLICATE = "InvalidAMIName.Duplicate"
PAGE = 1000
PREFIX = "vmpattern/"


class Images:
    """The verbs about images, for one region."""

    def __init__(self, api: Api, instances: Instances, cloud: str) -> None:
        self._api = api
        self._instances = instances
        self._cloud = cloud

    def listed(self, selector: Selector, deadline: Deadline) -> tuple[Image, ...]:
        """List the images of the deployment."""
        found = self._described({"Owner": ["self"], "Filter": tagged(deployment=selector.deployment)}, deadline)
        rows = (reading.image(one, self._cloud) for one in found)
        return tuple(row for row in rows if row is not None)

    def delete(self, ids: Sequence[ImageId], deadline: Deadline) -> None:
        """Delete images of ours with their snapshots, unless something runs from one of them."""
        wanted: Params = {"Owner": ["self"], "Filter": filters(image_id=ids, tag_key=naming.DEPLOYMENT)}
        there = self._described(wanted, deadline) if ids else []
        ours = [row.id for row in (reading.image(one, self._cloud) for one in there) if row is not None]
        for id in ours:
            if users := self._instances.using(id, deadline):
                text = f"{id} is in use by {users[0]}; end what runs from it first"
                raise Invalid(text, code="InUse", field="ids")
        for id in ours:
            try:
                self._api.call("DeregisterImage", {"ImageId": id, "DeleteAssociatedSnapshots": True}, deadline)
            except DriverError as error:
                if not error.code.startswith("InvalidAMIID."):
                    raise

    def resolve(self, base: str, deadline: Deadline) -> ImageId:
        """Return the image that a base stands for: an id, a known family, a name, or owner/name, the newest of them.

        Raises:
            NotFound: there is none.
        """
        owner, pattern = FAMILIES.get(base, ("", ""))
        if base.startswith("ami-"):
            params: Params = {"Filter": filters(image_id=base)}
        elif owner:
            params = {"Owner": [owner], "Filter": filters(name=pattern, architecture="x86_64")}
        else:
            owner, _, name = base.rpartition("/") if base.partition("/")[0].isalnum() else ("self", "", base)
            params = {"Owner": [owner or "self"], "Filter": filters(name=name)}
        found = [one for one in self._described(params, deadline) if reading.text(one, "imageState") == "available"]
        if not found:
            known = ", ".join(sorted(FAMILIES))
            text = (
                f"AWS has no image {base!r} here: name an id, a name, owner/name with * for any text, or one of {known}"
            )
            raise NotFound(text, code="NoImage", scope=Scope(ScopeKind.REGION))
        newest = max(found, key=lambda one: (reading.text(one, "creationDate"), reading.text(one, "imageId")))
        return ImageId(reading.text(newest, "imageId"))

    def capture(self, request: CaptureRequest, deadline: Deadline) -> ImageId:
        """Make an image of a stopped builder, or return the one of that digest."""
        if made := self._made(tagged(deployment=request.deployment, digest=request.digest), deadline):
            return made
        builders = self._instances.ours([request.builder], deadline)
        if not builders or not (builders[0].phase.is_live):
            raise NotFound(f"there is no builder {request.builder}", code="NoBuilder", scope=Scope(ScopeKind.INSTANCE))
        if builders[0].phase is not Phase.STOPPED:
            raise Invalid(f"the builder {request.builder} hasn't stopped", code="NotStopped", field="builder")
        name = f"vmpattern-{request.deployment}-{request.service}-{request.digest}-{request.builder}"[:128]
        tags: list[Params] = [{"Key": key, "Value": value} for key, value in {"Name": name, **request.labels}.items()]
        params: Params = {
            "InstanceId": request.builder,
            "Name": name,
            "TagSpecification": [{"ResourceType": kind, "Tag": tags} for kind in ("image", "snapshot")],
        }
        try:
            return ImageId(reading.text(self._api.call("CreateImage", params, deadline), "imageId"))
        except Invalid as error:
            made = self._made(filters(name=name), deadline) if error.code == DUPLICATE else None
            if made is None:
                raise
            return made

    def mark_verified(self, id: ImageId, deadline: Deadline) -> None:
        """Tag an image of ours.

        Raises:
            NotFound: there is no such image of ours.
        """
        wanted: Params = {"Owner": ["self"], "Filter": filters(image_id=id, tag_key=naming.DEPLOYMENT)}
        if not self._described(wanted, deadline):
            raise NotFound(f"there is no image {id} of ours", code="NoImage", scope=Scope(ScopeKind.REGION))
        tag: list[Params] = [{"Key": naming.VERIFIED, "Value": naming.YES}]
        self._api.call("CreateTags", {"ResourceId": [id], "Tag": tag}, deadline)

    def _made(self, wanted: list[Params], deadline: Deadline) -> ImageId | None:
        """Return an image that is there and hasn't failed, None if there is none."""
        found = self._described({"Owner": ["self"], "Filter": wanted}, deadline)
        rows = (reading.image(one, self._cloud) for one in found)
        usable = [row.id for row in rows if row is not None and row.state is not ImageState.FAILED]
        return min(usable, default=None)

    def _described(self, params: Params, deadline: Deadline) -> list[Element]:
        return self._api.pages("DescribeImages", {"MaxResults": PAGE, **params}, "imagesSet/item", deadline)


class Staging:
    """Files for builders in a bucket, each fetched by an address that works for a while."""

    def __init__(
        self, api: Api, options: AwsOptions, region: str, credentials: Source, *, now: Callable[[], float]
    ) -> None:
        self._api = api
        self._bucket = options.staging_bucket
        self._url = (options.endpoint or address(S3, region)).rstrip("/")
        self._signer = Signer(S3.name, region, credentials)
        self._now = now

    def stage(self, name: str, data: bytes, lifetime_s: float, deadline: Deadline) -> str:
        """Put data into the bucket, and return an address that works for a while."""
        path = self._path(name)
        self._api.s3(self._request("PUT", path, "PutObject", data), deadline)
        query = self._signer.presigned(
            urlsplit(self._url).netloc, path, lifetime_s, at=datetime.fromtimestamp(self._now(), UTC)
        )
        return f"{self._url}{path}?{query}"

    def unstage(self, names: Sequence[str], deadline: Deadline) -> None:
        """Remove data from the bucket; what isn't there is removed."""
        for name in names:
            self._api.s3(self._request("DELETE", self._path(name), "DeleteObject", b""), deadline)

    def _request(self, method: str, path: str, what: str, data: bytes) -> Request:
        return Request(subject=Subject(what=what, mutating=True), method=method, path=path, body=data)

    def _path(self, name: str) -> str:
        if self._bucket is None:
            raise Unsupported("files are staged only where the cloud's options name a staging_bucket", code="NoBucket")
        return f"/{self._bucket}/{PREFIX}{quote(name, safe='')}"
