"""What a plan says happens when launches fail."""

import pytest
from situations import fleet
from stage import Stage

from vmpattern.model import Rollout, Share


@pytest.mark.parametrize(
    ("words", "failures"),
    [
        pytest.param("at the first failed launch", Share(0), id="none may fail"),
        pytest.param("at the first failed launch", Share(1), id="one"),
        pytest.param("at the first failed launch", None, id="by default in a small fleet"),
        pytest.param("after 2 failed launches", Share(2), id="two"),
    ],
)
def test_a_plan_says_at_which_failure_it_pauses(words: str, failures: Share | None) -> None:
    stage = Stage()
    planned = stage.plan(stage.deployment(fleet(3, rollout=Rollout(max_failures=failures))))

    assert f"pause {words}: no earlier revision is stored" == planned.fleets["web"].on_failure
