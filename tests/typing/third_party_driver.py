"""A driver as somebody else writes it, and wrong ones. The type checkers read it; nothing runs it.

A line that says `type: ignore` must be an error: mypy and pyright complain where it isn't.
"""

# pyright: reportUnnecessaryTypeIgnoreComment=true

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import attrs

from vmpattern.driver import Balancer, Console, Driver, DriverFactory, LaunchReport, LaunchRequest, Selector
from vmpattern.model import Capabilities, Image, ImageId, Instance, InstanceId, MachineType, Options, Standing


@attrs.frozen
class TheirOptions:
    """Settings of their own."""

    region: str


class TheirDriver:
    """Every verb, one optional protocol, and no base class."""

    Options: ClassVar[type[TheirOptions]] = TheirOptions

    def __init__(self, options: TheirOptions, *, cloud: str, directory: Path) -> None:
        self.name = cloud
        self.capabilities = Capabilities()

    def instances(self, selector: Selector) -> tuple[Instance, ...]:
        return ()

    def launch(self, request: LaunchRequest) -> LaunchReport:
        return LaunchReport(unknown=request.count)

    def terminate(self, ids: Sequence[InstanceId]) -> None: ...

    def label(self, ids: Sequence[InstanceId], labels: Mapping[str, str]) -> None: ...

    def images(self, selector: Selector) -> tuple[Image, ...]:
        return ()

    def delete_images(self, ids: Sequence[ImageId]) -> None: ...

    def machine_types(self) -> tuple[MachineType, ...]:
        return ()

    def console(self, instance: InstanceId) -> str:
        return ""

    def close(self) -> None: ...


class WithBalancer(TheirDriver):
    """The same with members."""

    def members(self, balancer: Options) -> Mapping[InstanceId, Standing]:
        return {}

    def register(self, balancer: Options, ids: Sequence[InstanceId]) -> None: ...

    def deregister(self, balancer: Options, ids: Sequence[InstanceId]) -> None: ...


theirs = TheirDriver(TheirOptions("north"), cloud="there", directory=Path())
driver: Driver = theirs
console: Console = theirs
balancer: Balancer = WithBalancer(TheirOptions("north"), cloud="there", directory=Path())
factory: DriverFactory[TheirOptions] = TheirDriver


class ListsLists(TheirDriver):
    def instances(self, selector: Selector) -> list[Instance]:  # type: ignore[override]
        return []


class LaunchesOne(TheirDriver):
    def launch(self, request: LaunchRequest) -> Instance:  # type: ignore[override]
        raise NotImplementedError


class TerminatesOne:
    name = "one"

    def terminate(self, id: InstanceId) -> None: ...


def wrong(lists: ListsLists, launches: LaunchesOne, terminates: TerminatesOne, whole: TheirDriver) -> None:
    first: Driver = lists  # type: ignore[assignment]
    second: Driver = launches  # type: ignore[assignment]
    third: Driver = terminates  # type: ignore[assignment]
    fourth: Balancer = whole  # type: ignore[assignment]
    print(first, second, third, fourth)
