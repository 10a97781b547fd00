"""Reading every cloud of a deployment once, for a plan or a status."""

from collections.abc import Iterable, Mapping

import attrs

from vmpattern.driver import Checker, Driver, Scoped, Timekeeper
from vmpattern.errors import ContractBroken, DriverError
from vmpattern.executor.checking import check_fleets
from vmpattern.executor.imaging import read_images
from vmpattern.executor.loop import Task, Until, asked_at, read, reading
from vmpattern.executor.reader import FleetReading, Reader
from vmpattern.executor.session import Session, opened
from vmpattern.model import CloudObservation, Contents, Deployment, FleetCheck, Observation
from vmpattern.recipe import contents_of

ATTEMPTS = 4
"""How often a call is sent before its cloud counts as unreadable."""

PAGES = 10
"""How many pages' time the first list may take, whose length isn't known before."""


def observe(deployment: Deployment, *, check: bool = True) -> Observation:
    """Read every cloud of the deployment: one that no fleet uses any more may still hold instances.

    Args:
        check: ask the drivers that can what is bound to fail, for a plan to refuse it.

    Returns:
        One observation a cloud; a cloud that can't be read is there with its error, and nothing destructive follows.

    Raises:
        SpecError: a cloud's options are wrong.
        UnknownDriver: a cloud names a driver that isn't installed.
    """
    with opened(deployment) as session:
        return read_clouds(deployment, session, check=check)


def read_clouds(
    deployment: Deployment,
    session: Session,
    *,
    check: bool = False,
    images: bool = False,
    most_attempts: int = ATTEMPTS,
) -> Observation:
    """Read every cloud of the session, at the same time; one that can't be read is an error in the result, not absent.

    The files of recipes are read, too. With `check`, drivers that can are asked what is bound to fail, a call for each
    placement. With `images`, the deployment's images are listed even where nothing is baked any more. A call is sent
    `most_attempts` times before its cloud counts as unreadable.
    """
    contents = contents_of(deployment, most=_most_packed(session.drivers.values()))
    before = session.calls
    look = _Look(deployment, contents, session, check, images, most_attempts)
    clouds = session.run([look.at(name) for name in session.drivers])
    at = max((cloud.at for cloud in clouds), default=session.runtime.now())
    calls = session.calls - before
    return Observation(at=at, clouds={cloud.name: cloud for cloud in clouds}, calls=calls, contents=contents)


def scope_of(driver: Driver) -> str:
    """Return the account and region that a driver is limited to, empty where it can't tell without a call."""
    said = driver.scope() if isinstance(driver, Scoped) else ""
    return f"{driver.name} {said}" if said else ""


def _most_packed(drivers: Iterable[Driver]) -> int:
    """Return how large files may be at most, 0 where larger ones can be staged everywhere."""
    every = (driver.capabilities for driver in drivers)
    return max((can.script_bytes for can in every if can.baker and not can.staging), default=0)


@attrs.frozen
class _Look:
    """How clouds are read: for which deployment, in which session, and what is read besides."""

    deployment: Deployment
    contents: Mapping[str, Contents]
    session: Session
    check: bool
    images: bool
    most_attempts: int

    def at(self, name: str) -> Task[CloudObservation]:
        """Read one cloud."""
        driver = self.session.drivers[name]
        try:
            return (yield from self._read(name, driver))
        except ContractBroken:
            raise
        except DriverError as error:
            capabilities, now = driver.capabilities, self.session.runtime.now()
            return CloudObservation(
                name=name, at=now, capabilities=capabilities, scope=scope_of(driver), error=str(error)
            )

    def _read(self, name: str, driver: Driver) -> Task[CloudObservation]:
        capabilities = driver.capabilities
        reader = self._reader(name, driver)
        ask = reading(name, "instances", reader.read, most_attempts=self.most_attempts, patience=PAGES)
        listed, at = yield from asked_at(ask, reader.read)
        reader.took(listed)
        self.session.accounts[name].took_more(reader.cost - 1)
        types = yield from read(name, "machine_types", driver.machine_types, most_attempts=self.most_attempts)
        images = yield from read_images(
            self.deployment, self.contents, name, driver, always=self.images, most_attempts=self.most_attempts
        )
        if isinstance(driver, Timekeeper):
            # A list takes its time there too: a cloud whose time stood still would never refill its budget.
            yield Until(at + capabilities.latencies.call_s)
        observed = CloudObservation(
            name=name,
            at=at,
            capabilities=capabilities,
            instances=listed.instances,
            machine_types=types,
            probed=listed.probed,
            members=listed.members,
            images=images.images,
            resolved=images.resolved,
            unresolved=images.unresolved,
            mislabelled=listed.mislabelled,
            scope=scope_of(driver),
        )
        checks = yield from self._checks(observed, driver)
        return attrs.evolve(observed, checks=checks)

    def _reader(self, name: str, driver: Driver) -> Reader:
        services = self.deployment.services
        fleets = {
            fleet.name: FleetReading(check=services[fleet.service].health, balancer=fleet.balancer.get(name))
            for fleet in self.deployment.fleets.values()
            if any(placement.cloud == name for placement in fleet.placements)
        }
        return Reader(
            driver,
            deployment=self.deployment.name,
            fleets=fleets,
            probe=self.session.probe,
            watch=False,
            now=self.session.runtime.now,
        )

    def _checks(self, observed: CloudObservation, driver: Driver) -> Task[tuple[FleetCheck, ...]]:
        """Ask what the driver foresees of launches, where it can."""
        if not self.check or not observed.capabilities.checks or not isinstance(driver, Checker):
            return ()
        return (
            yield from check_fleets(
                self.deployment, observed, driver, most_attempts=self.most_attempts, contents=self.contents
            )
        )
