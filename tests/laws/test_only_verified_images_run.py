"""Whatever kills bakes and applies, at whatever call: no fleet gets an instance of an image that wasn't verified.

And what they leave comes to an end: the next bake leaves one verified image and, in time, no builder.
"""

import contextlib
from pathlib import Path
from tempfile import TemporaryDirectory

import attrs
from hypothesis import example, given, strategies as st
from recipes import Crash, Dying, Oven

from vmpattern import naming
from vmpattern.bakery import Policy
from vmpattern.driver import CaptureRequest, LaunchReport, LaunchRequest
from vmpattern.model import Idempotency, ImageId, Unbaked
from vmpattern.simulation import SimulatedCloud

LONG_S = 3600.0
"""Seconds after which whatever was left is overdue, whoever launched it."""


class Watched:
    """A cloud that makes images which hold nothing, if it is to, and keeps what was launched of images in doubt."""

    def __init__(self, cloud: SimulatedCloud, *, spoils: bool) -> None:
        self.cloud, self.spoils = cloud, spoils
        self.spoilt: set[ImageId] = set()
        self.launched_in_doubt: list[ImageId] = []

    def __getattr__(self, name: str) -> object:
        return getattr(self.cloud, name)

    def launch(self, request: LaunchRequest) -> LaunchReport:
        image = self.cloud._images.rows.get(request.image)
        in_doubt = image is None or not image.verified or image.id in self.spoilt
        if request.fleet != naming.BUILDERS and in_doubt:
            self.launched_in_doubt.append(request.image)
        return self.cloud.launch(request)

    def capture(self, request: CaptureRequest) -> ImageId:
        image = self.cloud.capture(request)
        if self.spoils:
            self.spoilt.add(image)
            self.cloud._world.spec = attrs.evolve(self.cloud.spec, bad_images=frozenset(self.spoilt))
        return image


kills = st.tuples(
    st.sampled_from(["bake", "smoke", "apply"]), st.sampled_from(["job-1", "job-2"]), st.integers(1, 90), st.booleans()
)


def carry_out(oven: Oven, command: str, watched: object, job: str) -> None:
    if command == "apply":
        oven.apply(drivers={"demo": watched}, job=job)  # type: ignore[dict-item]
    else:
        policy = Policy(smoke=command == "smoke")
        oven.bake(drivers={"demo": watched}, planned=oven.bakes(), policy=policy, job=job)  # type: ignore[dict-item]


@given(
    killed=st.lists(kills, min_size=1, max_size=3),
    console=st.booleans(),
    spoils=st.booleans(),
    idempotency=st.sampled_from(Idempotency),
    last=st.sampled_from(["job-1", "job-2"]),
)
@example(
    killed=[("bake", "job-1", 52, False), ("bake", "job-2", 51, False)],
    console=False,
    spoils=True,
    idempotency=Idempotency.NONE,
    last="job-1",
)
def test_nothing_is_launched_of_an_image_in_doubt_and_in_the_end_none_is_left(
    killed: list[tuple[str, str, int, bool]], console: bool, spoils: bool, idempotency: Idempotency, last: str
) -> None:
    # A console that says that all was done is believed: only where there is none, an image is booted to see.
    spoils = spoils and not console
    with TemporaryDirectory() as folder:
        oven = Oven(Path(folder), console=console, idempotency=idempotency)
        watched = Watched(oven.cloud, spoils=spoils)
        for command, job, at, before in killed:
            with contextlib.suppress(Crash):
                carry_out(oven, command, Dying(watched, at=at, before=before), job)
            usable = {image.id for image in oven.images() if image.is_usable}
            slots = oven.plan().fleets["web"].slots
            assert all(slot.image in usable or isinstance(slot.image, Unbaked) for slot in slots)
        outcome = oven.apply(drivers={"demo": watched}, job=last)  # type: ignore[dict-item]
        whole = oven.bakes()
        oven.cloud.advance(oven.cloud.clock.now() + LONG_S)
        result = oven.bake(drivers={"demo": watched}, planned=whole or every_bake(oven), job=last)  # type: ignore[dict-item]

        assert [] == watched.launched_in_doubt
        assert spoils != outcome.ok
        assert spoils != result.ok
        assert ([], set()) == (oven.builders(), oven.staged())
        assert [] == [image.id for image in oven.images() if not image.is_usable]
        assert len(oven.images()) <= 1


def every_bake(oven: Oven):
    from vmpattern.planner import bakes

    return bakes(oven.deployment(), oven.observe(), services=["shop"], present=True)
