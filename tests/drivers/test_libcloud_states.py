"""States of VMs in our words."""

from vmpattern.model import Phase
from vmpattern_libcloud import phase_of

TABLE = {"running": Phase.RUNNING, "deleted": Phase.TERMINATED}


def test_capitals_do_not_matter() -> None:
    assert Phase.RUNNING is phase_of("Running", TABLE)


def test_an_unknown_state_still_counts_and_is_not_ready() -> None:
    assert Phase.PENDING is phase_of("REPAIRING", TABLE)
