"""How far a rollout may go: the policy's shares resolved against a size. Integers in, integers out."""

import attrs

from vmpattern.model import Fleet, Share


@attrs.frozen(kw_only=True)
class Limits:
    """The resolved numbers of one fleet.

    `most` live instances (kept failures apart), `least` ready ones; `failures` after which the rollout stops; `blast`
    destructive operations in a window after which healing waits.
    """

    size: int
    most: int
    least: int
    failures: int
    blast: int


def limits(fleet: Fleet) -> Limits:
    """Resolve a fleet's policy: surge rounds up, unavailable rounds down, and both never resolve to 0 together.

    Source: the rounding of Kubernetes' rolling update, for the same reason: 25 % of 1 must still be able to move.
    Example: size 6, surge 25 %, unavailable 25 %: at most 8 live, at least 5 ready.
    """
    size, rollout = fleet.size, fleet.rollout
    surge, unavailable = rollout.max_surge.up(size), rollout.max_unavailable.down(size)
    if surge == 0 and unavailable == 0:
        unavailable = 1
    failures = rollout.max_failures.up(size) if rollout.max_failures else max(1, Share(10, percent=True).up(size))
    blast = rollout.blast_budget.up(size) if rollout.blast_budget else max(5, Share(20, percent=True).up(size))
    return Limits(size=size, most=size + surge, least=max(0, size - unavailable), failures=failures, blast=blast)
