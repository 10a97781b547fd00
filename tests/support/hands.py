"""Small stand-ins for what surrounds the reconciler: a runtime that is moved by hand, and drivers that misbehave."""

import itertools
from collections.abc import Callable, Mapping, Sequence

from vmpattern.access.runtime import Answer, Work
from vmpattern.driver import LaunchReport, LaunchRequest, Selector
from vmpattern.errors import DriverError
from vmpattern.model import Capabilities, Health, HealthCheck, Image, ImageId, Instance, InstanceId, MachineType
from vmpattern.simulation import EPOCH, SimulatedCloud


class HandRuntime:
    """Time that stands still until a test moves it, and calls that are answered when the test says so.

    Errors in `at_once` are the answers of the next calls, the last one first, as soon as they are sent.
    """

    def __init__(self) -> None:
        self.at = EPOCH
        self.started: list[Work] = []
        self.at_once: list[DriverError] = []

    def now(self) -> float:
        return self.at

    def start(self, work: Work) -> Answer | None:
        self.started.append(work)
        return Answer(work.ticket, error=self.at_once.pop()) if self.at_once else None

    def wait(self, until: float) -> list[Answer]:
        raise AssertionError("a test moves the time itself")

    def wake(self) -> None:
        raise AssertionError("nobody waits")


class Listed:
    """A driver without change feed, prober or balancer: a simulated cloud behind the bare contract.

    `before` is called with the verb and its argument before every call, and may raise; `after` may change the answer.
    """

    def __init__(
        self,
        cloud: SimulatedCloud,
        *,
        before: Callable[[str, object], None] = lambda verb, argument: None,
        after: Callable[[str, object], object] = lambda verb, answer: answer,
        capabilities: Capabilities | None = None,
    ) -> None:
        self.cloud = cloud
        self.name = cloud.name
        self.capabilities = capabilities or cloud.capabilities
        self.log: list[tuple[str, object]] = []
        self._before = before
        self._after = after
        self._order = itertools.count()

    def _call(self, verb: str, argument: object, run: Callable[[], object]) -> object:
        self.log.append((verb, argument))
        self._before(verb, argument)
        return self._after(verb, run())

    def verbs(self) -> list[str]:
        """Return the verbs that were called, in order."""
        return [verb for verb, _ in self.log]

    def instances(self, selector: Selector) -> tuple[Instance, ...]:
        return self._call("instances", selector, lambda: self.cloud.instances(selector))  # type: ignore[return-value]

    def launch(self, request: LaunchRequest) -> LaunchReport:
        return self._call("launch", request, lambda: self.cloud.launch(request))  # type: ignore[return-value]

    def terminate(self, ids: Sequence[InstanceId]) -> None:
        self._call("terminate", tuple(ids), lambda: self.cloud.terminate(ids))

    def label(self, ids: Sequence[InstanceId], labels: Mapping[str, str]) -> None:
        self._call("label", tuple(ids), lambda: self.cloud.label(ids, labels))

    def images(self, selector: Selector) -> tuple[Image, ...]:
        return self.cloud.images(selector)

    def delete_images(self, ids: Sequence[ImageId]) -> None:
        self.cloud.delete_images(ids)

    def machine_types(self) -> tuple[MachineType, ...]:
        return self.cloud.machine_types()

    def probe(self, ids: Sequence[InstanceId], check: HealthCheck) -> Mapping[InstanceId, Health]:
        return self.cloud.probe(ids, check)

    def close(self) -> None:
        self.cloud.close()
