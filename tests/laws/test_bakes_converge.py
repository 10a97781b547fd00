"""A bake that is cut short anywhere, by a crash or by faults, and begun again, ends with one image and no builder."""

import contextlib
from pathlib import Path
from tempfile import TemporaryDirectory

import attrs
from hypothesis import given, strategies as st
from recipes import Crash, Dying, Oven

from vmpattern.bakery import Policy
from vmpattern.model import EventKind, Idempotency, ImageId
from vmpattern.simulation import FaultKind, Faults

KINDS = (FaultKind.THROTTLE, FaultKind.LOST_BEFORE, FaultKind.LOST_AFTER, FaultKind.STOCKOUT, FaultKind.FAILED_PAGE)
RATES = st.dictionaries(st.sampled_from(KINDS), st.floats(0.0, 0.3), max_size=3)


@given(
    at=st.integers(1, 60),
    before=st.booleans(),
    console=st.booleans(),
    large=st.booleans(),
    idempotency=st.sampled_from(Idempotency),
    rates=RATES,
    seed=st.integers(0, 2**32),
)
def test_a_crash_at_any_call_is_followed_by_a_bake_that_converges(
    at: int, before: bool, console: bool, large: bool, idempotency: Idempotency, rates: dict, seed: int
) -> None:
    with TemporaryDirectory() as folder:
        oven = Oven(Path(folder), faults=Faults(rates, seed=seed), console=console, idempotency=idempotency)
        if large:
            oven.cloud._world.spec = attrs.evolve(
                oven.cloud.spec, capabilities=attrs.evolve(oven.cloud.capabilities, script_bytes=1000)
            )
        planned = oven.bakes()
        with contextlib.suppress(Crash):
            oven.bake(planned=planned, drivers={"demo": Dying(oven.cloud, at=at, before=before)})
        oven.cloud.calm_down()
        outcome = oven.bake(planned=planned)
        left = oven.builders(), oven.staged()

        assert outcome.ok, outcome
        assert ([], set()) == left
        assert [True] == [image.is_usable for image in oven.images()]
        assert () == oven.bakes()


@given(rates=RATES, seed=st.integers(0, 2**32), idempotency=st.sampled_from(Idempotency))
def test_a_bake_under_faults_makes_the_image_or_leaves_nothing(
    rates: dict, seed: int, idempotency: Idempotency
) -> None:
    with TemporaryDirectory() as folder:
        oven = Oven(Path(folder), faults=Faults(rates, seed=seed), idempotency=idempotency)
        outcome = oven.bake(planned=oven.bakes())
        tidy = "cleaned up" not in "".join(result.message for result in outcome.results)

        assert outcome.ok == any(image.is_usable for image in oven.images())
        assert not tidy or [] == oven.builders()


@given(at=st.integers(1, 60), fails=st.booleans())
def test_a_bake_that_is_stopped_anywhere_leaves_no_builder_and_nothing_unverified(at: int, fails: bool) -> None:
    with TemporaryDirectory() as folder:
        oven = Oven(Path(folder))
        bad = frozenset({ImageId("img-debian-12")} if fails else ())
        oven.cloud._world.spec = attrs.evolve(oven.cloud.spec, bad_images=bad)
        asked = iter(range(1, 10_000))
        oven.bake(stop=lambda: next(asked) >= at, policy=Policy(deadline_s=300.0))

        assert [] == oven.builders()
        assert all(image.is_usable for image in oven.images())
        assert not any(event.kind is EventKind.PAUSED for event in oven.events)
