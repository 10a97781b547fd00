"""What the quotas of a fleet's clouds were found to allow, while it is being carried out."""

import math

from vmpattern.errors import Scope
from vmpattern.model import AnySlot
from vmpattern.planner.places import covers


class Allowance:
    """Which quotas are spent, in the provider's words, and how many may be launched at once where more were refused.

    Both are by cloud and scope, and are forgotten when something that counted in that cloud has ended.
    """

    def __init__(self) -> None:
        self.spent: dict[tuple[str, Scope], str] = {}
        self._batches: dict[tuple[str, Scope], int] = {}

    def __bool__(self) -> bool:
        return bool(self.spent or self._batches)

    def refuse(self, cloud: str, scope: Scope, count: int, words: str) -> bool:
        """Note that a quota has no room for `count`, and return whether it is spent: it has none for a single one."""
        if count > 1:
            self._batches[cloud, scope] = min(count // 2, self._batches.get((cloud, scope), count))
        else:
            self.spent[cloud, scope] = words
        return count <= 1

    def batch(self, slot: AnySlot) -> float:
        """Return how many may be launched in a slot at once; infinity where no quota was in the way."""
        limits = (most for (cloud, scope), most in self._batches.items() if covers(scope, cloud, slot))
        return min(limits, default=math.inf)

    def is_spent(self, slot: AnySlot) -> bool:
        """Whether a slot has no room for a single one more."""
        return any(covers(scope, cloud, slot) for cloud, scope in self.spent)

    def freed(self, cloud: str) -> list[tuple[str, Scope]]:
        """Forget what is known of a cloud's quotas, and return those that were spent."""
        known = [key for key in (*self.spent, *self._batches) if key[0] == cloud]
        spent = [key for key in known if self.spent.pop(key, None) is not None]
        for key in known:
            self._batches.pop(key, None)
        return spent
