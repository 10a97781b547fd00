"""Reading every cloud of a deployment once, for a plan or a status."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

import attrs
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential

from vmpattern.driver import Checker, Driver, Timekeeper
from vmpattern.errors import ContractBroken, DriverError, Throttled, Transient
from vmpattern.executor.checking import check_fleets
from vmpattern.executor.reader import FleetReading, Probe, Reader
from vmpattern.executor.runtime import RealRuntime, deadline_s, within
from vmpattern.model import CloudObservation, Deployment, Observation

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
    retrying: Retrying = READING,
) -> Observation:
    """Read every cloud in `drivers`, at the same time; one that can't be read is observed as an error, not left out.

    With `check`, drivers that can are asked what is bound to fail, a call for each placement.
    """
    names = list(drivers)
    with ThreadPoolExecutor(max_workers=max(1, len(names))) as pool:
        clouds = list(pool.map(lambda name: _read(deployment, name, drivers[name], probe, check, retrying), names))
    calls = sum(calls for _, calls in clouds)
    at = max((cloud.at for cloud, _ in clouds), default=RealRuntime().now())
    return Observation(at=at, clouds={cloud.name: cloud for cloud, _ in clouds}, calls=calls)


def _read(
    deployment: Deployment, name: str, driver: Driver, probe: Probe, check: bool, retrying: Retrying
) -> tuple[CloudObservation, int]:
    fleets = {
        fleet.name: FleetReading(check=deployment.services[fleet.service].health, balancer=fleet.balancer.get(name))
        for fleet in deployment.fleets.values()
        if any(placement.cloud == name for placement in fleet.placements)
    }
    reader = Reader(driver, deployment=deployment.name, fleets=fleets, probe=probe, watch=False)
    at = driver.clock.now() if isinstance(driver, Timekeeper) else RealRuntime().now()
    capabilities = driver.capabilities
    patience_s = deadline_s(capabilities)
    try:
        reading = retrying.copy()(within, PAGES * patience_s, reader.read, f"{driver.name}: instances")
        types = retrying.copy()(within, patience_s, driver.machine_types, f"{driver.name}: machine_types")
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
    )
    calls = reader.cost + 1
    if not check or not capabilities.checks or not isinstance(driver, Checker):
        return observed, calls

    def ask(call: Callable[[], object]) -> object:
        nonlocal calls
        calls += 1
        return retrying.copy()(within, patience_s, call, f"{driver.name}: check")

    return attrs.evolve(observed, checks=tuple(check_fleets(deployment, observed, driver, ask))), calls
