"""The example driver as a type checker sees it, and wrong ones made of it. The type checkers read it; nothing runs it.

A line that says `type: ignore` must be an error: mypy and pyright complain where it isn't.
"""

# pyright: reportUnnecessaryTypeIgnoreComment=true

from collections.abc import Sequence
from pathlib import Path

from vmpattern.driver import Balancer, Console, Driver, DriverFactory, LaunchReport, LaunchRequest, Selector
from vmpattern.model import Instance, InstanceId
from vmpattern_example import ExampleDriver, ExampleOptions

factory: DriverFactory[ExampleOptions] = ExampleDriver
driver: Driver = ExampleDriver(ExampleOptions(images={"web-1": "./serve"}), cloud="here", directory=Path())
console: Console = ExampleDriver(ExampleOptions(images={"web-1": "./serve"}), cloud="here", directory=Path())


class ForgetsAPage(ExampleDriver):
    def instances(self, selector: Selector) -> tuple[Instance, ...] | None:  # type: ignore[override]
        return None


class WantsAZone(ExampleDriver):
    def launch(self, request: LaunchRequest, zone: str) -> LaunchReport:  # type: ignore[override]
        raise NotImplementedError


class EndsNumbers(ExampleDriver):
    def terminate(self, ids: Sequence[int]) -> None: ...  # type: ignore[override]


def wrong(forgets: ForgetsAPage, wants: WantsAZone, ends: EndsNumbers, whole: ExampleDriver, id: InstanceId) -> None:
    first: Driver = forgets  # type: ignore[assignment]
    second: Driver = wants  # type: ignore[assignment]
    third: Driver = ends  # type: ignore[assignment]
    fourth: Balancer = whole  # type: ignore[assignment]
    fifth: DriverFactory[str] = ExampleDriver  # type: ignore[assignment]
    print(first, second, third, fourth, fifth)
    ExampleOptions()  # type: ignore[call-arg]
