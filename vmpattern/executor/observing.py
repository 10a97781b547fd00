"""Reading every cloud of a deployment once, for a plan or a status."""

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import attrs
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential

from vmpattern.driver import Checker, Driver, Timekeeper
from vmpattern.errors import ContractBroken, DriverError, Throttled, Transient
from vmpattern.executor.checking import check_fleets
from vmpattern.executor.imaging import read_images
from vmpattern.executor.reader import FleetReading, Probe, Reader
from vmpattern.executor.runtime import RealRuntime, deadline_s, within
from vmpattern.model import CloudObservation, Contents, Deployment, Observation
from vmpattern.recipe import contents_of

T = TypeVar("T")

READING = Retrying(
    retry=retry_if_exception_type((Throttled, Transient)),
    wait=wait_exponential(multiplier=0.5, max=8.0),
    stop=stop_after_attempt(4),
    reraise=True,
)
"""How often a cloud is asked before it counts as unreadable."""

PAGES = 10
"""How many pages' time the first list may take, of which nobody knows how long it is."""


def read_clouds(
    deployment: Deployment,
    drivers: Mapping[str, Driver],
    *,
    probe: Probe,
    check: bool = False,
    images: bool = False,
    retrying: Retrying = READING,
) -> Observation:
    """Read every cloud in `drivers`, at the same time; one that can't be read is observed as an error, not left out.

    The files of recipes are read, too. With `check`, drivers that can are asked what is bound to fail, a call for each
    placement. With `images`, the deployment's images are listed even where nothing is baked any more.
    """
    names = list(drivers)
    contents = contents_of(deployment, most=_most_packed(drivers.values()))
    look = _Look(deployment, contents, probe, check, images, retrying)
    with ThreadPoolExecutor(max_workers=max(1, len(names))) as pool:
        clouds = list(pool.map(lambda name: look.at(name, drivers[name]), names))
    calls = sum(calls for _, calls in clouds)
    at = max((cloud.at for cloud, _ in clouds), default=RealRuntime().now())
    return Observation(at=at, clouds={cloud.name: cloud for cloud, _ in clouds}, calls=calls, contents=contents)


def _most_packed(drivers: Iterable[Driver]) -> int:
    """Return how large files may be at most, 0 where larger ones can be staged everywhere."""
    every = (driver.capabilities for driver in drivers)
    return max((can.script_bytes for can in every if can.baker and not can.staging), default=0)


@attrs.frozen
class _Look:
    """How clouds are read: for which deployment, by whom its health is asked, and what is read besides."""

    deployment: Deployment
    contents: Mapping[str, Contents]
    probe: Probe
    check: bool
    images: bool
    retrying: Retrying

    def at(self, name: str, driver: Driver) -> tuple[CloudObservation, int]:
        """Read one cloud, and return how many calls that took."""
        reader = self._reader(name, driver)
        at = driver.clock.now() if isinstance(driver, Timekeeper) else RealRuntime().now()
        capabilities = driver.capabilities
        patience_s = deadline_s(capabilities)
        try:
            reading = self._patiently(PAGES * patience_s, reader.read, f"{driver.name}: instances")
            types = self._patiently(patience_s, driver.machine_types, f"{driver.name}: machine_types")
            images = read_images(self.deployment, self.contents, name, driver, self.retrying, always=self.images)
        except ContractBroken:
            raise
        except DriverError as error:
            return CloudObservation(name=name, at=at, capabilities=capabilities, error=str(error)), 0
        reader.took(reading)
        if isinstance(driver, Timekeeper):
            # A list takes its time there too: a cloud whose time stood still would never refill its budget.
            driver.advance(at + capabilities.latencies.call_s)
        observed = CloudObservation(
            name=name,
            at=at,
            capabilities=capabilities,
            instances=reading.instances,
            machine_types=types,
            probed=reading.probed,
            members=reading.members,
            images=images.images,
            resolved=images.resolved,
            unresolved=images.unresolved,
        )
        checked, calls = self._checked(observed, driver)
        return checked, reader.cost + 1 + images.calls + calls

    def _reader(self, name: str, driver: Driver) -> Reader:
        services = self.deployment.services
        fleets = {
            fleet.name: FleetReading(check=services[fleet.service].health, balancer=fleet.balancer.get(name))
            for fleet in self.deployment.fleets.values()
            if any(placement.cloud == name for placement in fleet.placements)
        }
        now = RealRuntime().now
        return Reader(driver, deployment=self.deployment.name, fleets=fleets, probe=self.probe, watch=False, now=now)

    def _checked(self, observed: CloudObservation, driver: Driver) -> tuple[CloudObservation, int]:
        """Add what the driver foresees of launches, and return how many calls that took."""
        calls = 0
        if not self.check or not observed.capabilities.checks or not isinstance(driver, Checker):
            return observed, calls

        def ask(call: Callable[[], object]) -> object:
            nonlocal calls
            calls += 1
            return self._patiently(deadline_s(observed.capabilities), call, f"{driver.name}: check")

        checks = tuple(check_fleets(self.deployment, observed, driver, ask))
        return attrs.evolve(observed, checks=checks), calls

    def _patiently(self, timeout_s: float, run: Callable[[], T], what: str) -> T:
        return self.retrying.copy()(lambda: within(timeout_s, run, what))
