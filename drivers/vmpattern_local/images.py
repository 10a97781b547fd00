"""Images: made of builders that have stopped, with their labels beside them, and kept while VMs run from them."""

import os
import secrets
import shutil
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path

import attrs

from vmpattern import naming
from vmpattern.driver import CaptureRequest
from vmpattern.errors import Invalid, NotFound
from vmpattern.model import Image, ImageId
from vmpattern_local import files
from vmpattern_local.disks import IMAGES, Source, link
from vmpattern_local.parts import Qemu
from vmpattern_local.process import DISK

RECORD = "image.json"
OVERLAY = "overlay.qcow2"


@attrs.frozen(kw_only=True)
class Record:
    """An image as written down."""

    id: str
    labels: dict[str, str]
    created_at: float


class Images:
    """The images in a root folder."""

    def __init__(self, root: Path, *, cloud: str) -> None:
        self._folder = root / IMAGES
        self._cloud = cloud

    def listed(self, deployment: str) -> tuple[Image, ...]:
        """Return the images of a deployment, sorted by id."""
        found = sorted(self._ours(), key=lambda record: record.id)
        images = (self._image(one) for one in found)
        return tuple(one for one in images if one is not None and one.deployment == deployment)

    def capture(self, request: CaptureRequest, builder: Path, source: Source, qemu: Qemu, *, now: float) -> ImageId:
        """Make an image of a stopped builder, or return the one that is there under the digest.

        Raises:
            DriverError: there is no room, or a disk is damaged; nothing is left behind.
        """
        labels = request.labels
        id = ImageId("img-" + naming.digest(request.deployment, request.digest, request.builder))
        with files.locked(self._folder):
            if found := self.find(request.deployment, request.digest):
                return found
            new = self._folder / f".new-{secrets.token_hex(6)}"
            new.mkdir(mode=0o700)
            try:
                _flatten(qemu, source, builder / DISK, new)
                for path in (source.kernel, source.unpacked, source.initrd):
                    if path.exists():
                        link(path, new / path.name)
                files.write_value(new / RECORD, Record(id=id, labels=labels, created_at=now))
                new.rename(self._folder / id)
            finally:
                files.remove(new)
        return id

    def find(self, deployment: str, digest: str) -> ImageId | None:
        """Return the image of a deployment under a digest, None where there is none."""
        return next((image.id for image in self.listed(deployment) if image.digest == digest), None)

    def mark_verified(self, id: ImageId) -> None:
        """Write the mark beside an image's other labels.

        Raises:
            NotFound: there is no such image of ours.
        """
        with files.locked(self._folder):
            record = next((one for one in self._ours() if one.id == id), None)
            if record is None:
                raise NotFound(f"there is no image {id} of ours", code="NoImage", field="image")
            labels = {**record.labels, naming.VERIFIED: naming.YES}
            files.write_value(self._folder / record.id / RECORD, attrs.evolve(record, labels=labels))

    def delete(self, ids: Sequence[ImageId], used: Callable[[], Collection[str]]) -> None:
        """Delete images of ours that nothing runs from; those that aren't ours stay.

        Raises:
            Invalid: something runs from one of them; none was deleted.
        """
        if kept := sorted(set(ids) & set(used())):
            raise Invalid(f"VMs run from the image {kept[0]}", code="InUse", field="ids")
        for record in list(self._ours()):
            if record.id in ids:
                files.remove(self._folder / record.id)

    def _ours(self) -> Iterator[Record]:
        try:
            names = os.listdir(self._folder)
        except FileNotFoundError:
            return
        for name in names:
            if not name.startswith("."):
                record = files.read_value(self._folder / name / RECORD, Record)
                if record is not None and self._image(record) is not None:
                    yield record

    def _image(self, record: Record) -> Image | None:
        """Return an image as the contract has it, None for one whose labels can't be read."""
        labels = naming.read_image_labels(record.labels)
        if isinstance(labels, str):
            return None
        return Image(
            id=ImageId(record.id),
            cloud=self._cloud,
            deployment=labels.deployment,
            service=labels.service,
            digest=labels.digest,
            base=labels.base,
            recipe=labels.recipe,
            builder=labels.builder,
            verified=labels.verified,
            created_at=record.created_at,
        )


def _flatten(qemu: Qemu, source: Source, overlay: Path, folder: Path) -> None:
    """Write a disk that is the source's with all that the overlay has on top."""
    what = "the image can't be made"
    shutil.copyfile(source.disk, folder / DISK)
    shutil.copyfile(overlay, folder / OVERLAY)
    qemu.run(qemu.images, "rebase", "-u", "-F", "qcow2", "-b", DISK, OVERLAY, folder=folder, what=what)
    qemu.run(qemu.images, "commit", "-q", OVERLAY, folder=folder, what=what)
    (folder / OVERLAY).unlink()
