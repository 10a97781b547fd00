"""Plays schedules with one snippet of one module replaced, until the expected law notices:

python tests/support/lawbook/mutant.py MODULE OLD NEW LAW [MOMENT]

Without the name of a moment that is written by hand, the schedules are random ones.
"""

import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[3]
MOST = 600
"""So many random schedules must suffice."""


class Mutated(importlib.machinery.SourceFileLoader):
    """Loads a module with one snippet, which must be there exactly once, replaced."""

    def __init__(self, name: str, path: str, old: str, new: str) -> None:
        super().__init__(name, path)
        self._old, self._new = old, new

    def get_code(self, fullname: str) -> "object":
        text = Path(self.path).read_text(encoding="utf-8")
        if text.count(self._old) != 1:
            raise SystemExit(f"{fullname} has {text.count(self._old)} times {self._old!r}, expected 1")
        return compile(text.replace(self._old, self._new), self.path, "exec")


class Finder(importlib.abc.MetaPathFinder):
    """Finds the one module that is to be mutated."""

    def __init__(self, module: str, old: str, new: str) -> None:
        self._module, self._old, self._new = module, old, new

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != self._module:
            return None
        file = ROOT.joinpath(*fullname.split(".")).with_suffix(".py")
        loader = Mutated(fullname, str(file), self._old, self._new)
        return importlib.util.spec_from_file_location(fullname, file, loader=loader)


def main(module: str, old: str, new: str, law: str, moment: str = "") -> int:
    sys.path[:0] = [str(ROOT), str(ROOT / "drivers"), str(ROOT / "tests" / "support")]
    sys.meta_path.insert(0, Finder(module, old, new))
    from lawbook.choices import Seeded
    from lawbook.drawing import schedule
    from lawbook.moments import MOMENTS
    from lawbook.onlooker import Onlooker
    from lawbook.playing import play

    others: dict[str, int] = {}
    random = {f"seed {seed}": seed for seed in range(MOST)}
    for name in [moment] if moment else random:
        onlooker = Onlooker()
        try:
            drawn = MOMENTS[name].schedule if moment else schedule(Seeded(random[name]))
            played = play(drawn, decider=onlooker)
        except Exception as error:
            told = [f"raised {type(error).__name__}"]
        else:
            told = (MOMENTS[name].judge(played) if moment else played.broken) + onlooker.broken
        if any(law in text for text in told):
            print(f"{name}: {next(text for text in told if law in text)}")
            return 0
        for text in told:
            others[text[:60]] = others.get(text[:60], 0) + 1
    print(f"the law didn't notice; others: {others}")
    return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
