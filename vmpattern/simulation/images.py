"""The images that were made in a simulated cloud, and the data that was staged for builders."""

from collections.abc import Iterator, Sequence

import attrs

from vmpattern import naming
from vmpattern.driver import CaptureRequest
from vmpattern.errors import Invalid, NotFound
from vmpattern.model import Image, ImageId, ImageState, Phase
from vmpattern.simulation.spec import IMAGE_PREFIX
from vmpattern.simulation.world import World

OWN_PREFIX = "own-"


class Images:
    """Images by id, AVAILABLE from the moment in `ready`; staged data isn't kept, but its names are."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.rows: dict[ImageId, Image] = {}
        self.ready: dict[ImageId, float] = {}
        self.staged: set[str] = set()

    def listed(self, deployment: str) -> tuple[Image, ...]:
        """Return the images of a deployment as they are now, sorted by id."""
        rows = (self._now(row) for _, row in sorted(self.rows.items()))
        return tuple(row for row in rows if row.deployment == deployment)

    def can_launch(self, id: ImageId) -> bool:
        """Tell whether there is such an image, made here or not, and whether it is ready."""
        if id in self.rows:
            return self._now(self.rows[id]).state is ImageState.AVAILABLE
        return id.startswith(IMAGE_PREFIX)

    def resolve(self, base: str) -> ImageId:
        """Return the image of a base by id or by name.

        Raises:
            NotFound: there is none; says which names are known.
        """
        if base in self._world.spec.bases:
            return ImageId(IMAGE_PREFIX + base.replace(".", "-"))
        if self.can_launch(ImageId(base)):
            return ImageId(base)
        known = ", ".join(self._world.spec.bases)
        raise NotFound(f"there is no image {base}: ids begin with {IMAGE_PREFIX}, names are {known}", field="base")

    def capture(self, request: CaptureRequest) -> ImageId:
        """Make an image of a stopped builder, as `Baker.capture`."""
        same = (row for row in self.rows.values() if row.deployment == request.deployment)
        if found := next((row for row in same if row.digest == request.digest), None):
            return found.id
        vm = self._world.vms.get(request.builder)
        if vm is None or request.builder in self._world.odd or not vm.row.phase.is_live:
            raise NotFound(f"there is no builder {request.builder}", field="builder")
        if vm.row.phase is not Phase.STOPPED:
            raise Invalid(f"{request.builder} is {vm.row.phase.value}, not stopped", field="builder")
        id = ImageId(OWN_PREFIX + naming.digest(request.deployment, request.digest, request.builder))
        self.rows[id] = Image(
            id=id,
            cloud=self._world.spec.name,
            deployment=request.deployment,
            service=request.service,
            digest=request.digest,
            created_at=self._world.at,
            base=naming.base_label(request.base),
            recipe=request.recipe,
            builder=naming.builder_label(request.builder),
        )
        self.ready[id] = self._world.at + self._world.spec.capabilities.latencies.capture_s
        return id

    def mark_verified(self, id: ImageId) -> None:
        """Mark an image that was made here, as `Baker.mark_verified`."""
        if id not in self.rows or not self.rows[id].deployment:
            raise NotFound(f"there is no image {id} of ours", field="image")
        self.rows[id] = attrs.evolve(self.rows[id], verified=True)

    def delete(self, ids: Sequence[ImageId]) -> None:
        """Delete images, as `Driver.delete_images`."""
        if used := sorted(self._used(ids)):
            raise Invalid(f"the image {used[0]} is in use", field="ids")
        for id in ids:
            if id in self.rows and self.rows[id].deployment:
                del self.rows[id], self.ready[id]

    def _used(self, ids: Sequence[ImageId]) -> Iterator[ImageId]:
        return (vm.row.image for vm in self._world.vms.values() if vm.row.phase.is_live and vm.row.image in set(ids))

    def _now(self, row: Image) -> Image:
        pending = self.ready.get(row.id, 0.0) > self._world.at
        return attrs.evolve(row, state=ImageState.PENDING if pending else ImageState.AVAILABLE)
