"""Two jobs of different machines bake the same digest, one is interrupted anywhere: the other comes to its end."""

from collections.abc import Generator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import example, given, strategies as st
from recipes import Oven

from vmpattern.access.tasks import Stopped
from vmpattern.bakery import Policy
from vmpattern.bakery.baking import bake_image
from vmpattern.bakery.desk import Desk
from vmpattern.bakery.orders import orders_of
from vmpattern.model import BakeResult, BakeState, Idempotency

Steps = Generator[Any, Any, BakeResult]


def begun_after(task: Steps, waits: list[Any]) -> Steps:
    """A job that begins later."""
    yield from waits
    return (yield from task)


def interrupted(task: Steps, *, at: int) -> Steps:
    """A job that is asked to stop when it has made so many steps."""
    answer, left = None, at
    try:
        while True:
            left -= 1
            wanted = task.throw(Stopped()) if left == 0 else task.send(answer)
            answer = yield wanted
    except StopIteration as end:
        return end.value


@given(
    at=st.integers(2, 200),
    later_s=st.integers(0, 130),
    swapped=st.booleans(),
    console=st.booleans(),
    idempotency=st.sampled_from(Idempotency),
    smoke=st.tuples(st.booleans(), st.booleans()),
)
@example(at=167, later_s=1, swapped=False, console=True, idempotency=Idempotency.BATCH, smoke=(True, True))
def test_the_interruption_of_one_never_takes_the_image_from_the_other(
    at: int, later_s: int, swapped: bool, console: bool, idempotency: Idempotency, smoke: tuple[bool, bool]
) -> None:
    with TemporaryDirectory() as folder:
        oven = Oven(Path(folder), console=console, idempotency=idempotency)
        session = oven.session()
        jobs: list[Steps] = []
        cut = 1 if swapped else 0
        for number, tries in enumerate(smoke):
            policy = Policy(smoke=tries)
            (order,) = orders_of(oven.deployment(), oven.bakes(), {"demo": oven.cloud.capabilities}, policy)
            desk = Desk("demo", "shop", session, oven.events.append, job=f"job-{number}")
            task = bake_image(desk, order)
            task = interrupted(task, at=at) if number == cut else task
            jobs.append(begun_after(task, list(desk.sleep(float(later_s)))) if number else task)
        results = session.run(jobs)
        whole = results[1 - cut]
        left = {row.inputs for row in oven.builders()}

        assert whole.state in (BakeState.BAKED, BakeState.PRESENT), (whole, oven.events)
        assert whole.image in {image.id for image in oven.images() if image.is_usable}
        assert set() == {inputs for inputs in left if inputs.endswith(f"-job-{1 - cut}")}
