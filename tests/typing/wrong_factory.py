"""Factories that can't be called as the contract says: each line that says `type: ignore` must be an error."""

# pyright: reportUnnecessaryTypeIgnoreComment=true
from pathlib import Path
from typing import ClassVar

import attrs

from vmpattern.driver import Driver, DriverFactory


@attrs.frozen
class TheirOptions:
    """Settings of their own."""

    region: str


class WantsARegion:
    Options: ClassVar[type[TheirOptions]] = TheirOptions

    def __call__(self, options: TheirOptions, region: str, *, cloud: str, directory: Path) -> Driver:
        raise NotImplementedError


class TakesOtherOptions:
    Options: ClassVar[type[TheirOptions]] = TheirOptions

    def __call__(self, options: str, *, cloud: str, directory: Path) -> Driver:
        raise NotImplementedError


first: DriverFactory[TheirOptions] = WantsARegion()  # type: ignore[assignment]
second: DriverFactory[TheirOptions] = TakesOtherOptions()  # type: ignore[assignment]
