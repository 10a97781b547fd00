"""Reading every cloud of a deployment once, for a plan or a status."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial

import attrs

from vmpattern.access.images import read_images
from vmpattern.access.preflight import check_fleets
from vmpattern.access.reading import MOMENTARY, FleetReading, Reader, Reading
from vmpattern.access.session import Session
from vmpattern.access.tasks import Task, Until, asked_at, read, reading
from vmpattern.driver import Checker, Driver, Limiter, Scoped, Timekeeper
from vmpattern.errors import ContractBroken, DriverError, NotFound, OutcomeUnknown, Transient
from vmpattern.model import (
    CloudObservation,
    Contents,
    Deployment,
    FleetCheck,
    FormerBalancer,
    Instance,
    InstanceId,
    Limit,
    Membership,
    Observation,
    Options,
    Standing,
)
from vmpattern.recipe import contents_of
from vmpattern.store.record import NOTHING_RECORDED, Recorded

ATTEMPTS = 4
"""How often a call is sent before its cloud counts as unreadable."""

PAGES = 10
"""How many pages' time the first list may take, whose length isn't known before."""


def read_clouds(
    deployment: Deployment,
    session: Session,
    *,
    check: bool = False,
    limits: bool = False,
    images: bool = False,
    recorded: Recorded = NOTHING_RECORDED,
    most_attempts: int = ATTEMPTS,
) -> Observation:
    """Read every cloud of the session, at the same time; one that can't be read is an error in the result, not absent.

    The files of recipes are read, too. With `check`, drivers that can are asked what is bound to fail, a call for each
    placement; with `limits`, what the account's limits leave. With `images`, the deployment's images are listed even
    where nothing is baked any more. Balancers that fleets have left, as far as `recorded`, are read where such a fleet
    has instances. A call is sent `most_attempts` times before its cloud counts as unreadable.
    """
    contents = contents_of(deployment, most=_most_packed(session.drivers.values()))
    before = session.calls
    look = _Look(deployment, contents, session, check, limits, images, recorded, most_attempts)
    clouds = session.run([look.at(name) for name in session.drivers])
    at = max((cloud.at for cloud in clouds), default=session.runtime.now())
    calls = session.calls - before
    return Observation(
        at=at,
        clouds={cloud.name: cloud for cloud in clouds},
        calls=calls,
        contents=contents,
        notes=recorded.notes,
        no_room=recorded.still_no_room(at),
    )


def scopes_of(session: Session) -> dict[str, str]:
    """Return the account and region of each cloud of a session, as far as its driver knows it without a call."""
    return {name: scope_of(driver) for name, driver in session.drivers.items()}


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
    limits: bool
    images: bool
    recorded: Recorded
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
        foreseen = reader.cost
        ask = reading(name, "instances", reader.read, most_attempts=self.most_attempts, patience=PAGES, reads=foreseen)
        listed, at = yield from asked_at(ask, reader.read)
        reader.took(listed)
        self.session.accounts[name].took_more(reader.cost - foreseen)
        listed = yield from self._ask_again(name, reader, listed)
        former = yield from self._former(name, reader, listed)
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
            members=self._members(name, listed),
            unread_balancers=self._unread(name, listed),
            former=former,
            images=images.images,
            resolved=images.resolved,
            unresolved=images.unresolved,
            mislabelled=listed.mislabelled,
            scope=scope_of(driver),
        )
        checks = yield from self._checks(observed, driver)
        found = yield from self._limits(name, driver)
        limits, error = ((), str(found)) if isinstance(found, DriverError) else (found, None)
        return attrs.evolve(observed, checks=checks, limits=limits, limits_error=error)

    def _limits(self, name: str, driver: Driver) -> Task[tuple[Limit, ...] | DriverError]:
        """Read what the account's limits leave, where a fleet may launch here and the driver offers it."""
        may_launch = any(
            fleet.size and any(place.cloud == name for place in fleet.placements)
            for fleet in self.deployment.fleets.values()
        )
        if not (self.limits and may_launch and driver.capabilities.limits and isinstance(driver, Limiter)):
            return ()
        try:
            return tuple((yield from read(name, "limits", driver.limits, most_attempts=self.most_attempts)))
        except ContractBroken:
            raise
        except DriverError as error:
            return error

    def _reader(self, name: str, driver: Driver) -> Reader:
        return Reader(
            driver,
            deployment=self.deployment.name,
            fleets=self._fleets(name),
            probe=self.session.probe,
            watch=False,
            now=self.session.runtime.now,
        )

    def _fleets(self, name: str) -> Mapping[str, FleetReading]:
        """Return what is read for each fleet: also for one without a placement here, which may still have instances."""
        services = self.deployment.services
        return {
            fleet.name: FleetReading(
                labels=fleet.labels, check=services[fleet.service].health, balancer=fleet.balancer.get(name)
            )
            for fleet in self.deployment.fleets.values()
        }

    def _members(self, name: str, reading: Reading) -> Mapping[InstanceId, Standing]:
        """Return where each instance stands with the balancer of its own fleet."""
        by_label = {label: fleet for fleet in self._fleets(name).values() for label in fleet.labels}
        told = {
            row.id: by_label[row.fleet].standing(row.id, reading.balancers)
            for row in reading.instances
            if row.fleet in by_label
        }
        return {id: standing for id, standing in told.items() if standing.membership is not Membership.ABSENT}

    def _unread(self, name: str, reading: Reading) -> Mapping[str, str]:
        errors = {fleet: part.error(reading.balancers) for fleet, part in self._fleets(name).items()}
        return {fleet: str(error) for fleet, error in errors.items() if error is not None}

    def _ask_again(self, name: str, reader: Reader, reading: Reading) -> Task[Reading]:
        """Ask the balancers again that couldn't be read for a moment."""
        balancers = dict(reading.balancers)
        for balancer, found in reading.balancers.items():
            if isinstance(found, Transient | OutcomeUnknown):
                balancers[balancer] = yield from self._balancer(name, reader, balancer)
        return reading._replace(balancers=balancers)

    def _balancer(
        self, name: str, reader: Reader, balancer: Options
    ) -> Task[Mapping[InstanceId, Standing] | DriverError]:
        try:
            ask = partial(reader.members, balancer)
            return (yield from read(name, "members", ask, most_attempts=self.most_attempts))
        except ContractBroken:
            raise
        except DriverError as error:
            return error

    def _former(self, name: str, reader: Reader, reading: Reading) -> Task[tuple[FormerBalancer, ...]]:
        """Read the balancers that fleets with instances here have left, each once."""
        told: list[FormerBalancer] = []
        known = dict(reading.balancers)
        for fleet, balancers in self.recorded.former(self.deployment, name).items():
            ids = _live(reading.instances, self.recorded.labels(self.deployment, fleet))
            for balancer in balancers if ids else ():
                try:
                    if (yield from self._is_shared(name, reader, fleet, balancer)):
                        continue
                    if balancer not in known:
                        known[balancer] = yield from self._balancer(name, reader, balancer)
                    found = known[balancer]
                except ContractBroken:
                    raise
                except DriverError as error:
                    found = error
                told.append(_former(fleet, balancer, found, ids))
        return tuple(told)

    def _is_shared(self, name: str, reader: Reader, fleet: str, balancer: Options) -> Task[bool]:
        """Tell whether what is taken out of a balancer is out of the one that the fleet declares, too."""
        declared = self.deployment.fleets[fleet].balancer.get(name) if fleet in self.deployment.fleets else None
        if declared is None:
            return False
        ask = partial(reader.shares, balancer, declared)
        return (yield from read(name, "shares", ask, most_attempts=self.most_attempts))

    def _checks(self, observed: CloudObservation, driver: Driver) -> Task[tuple[FleetCheck, ...]]:
        """Ask what the driver foresees of launches, where it can."""
        if not self.check or not observed.capabilities.checks or not isinstance(driver, Checker):
            return ()
        return (
            yield from check_fleets(
                self.deployment,
                observed,
                driver,
                most_attempts=self.most_attempts,
            )
        )


def _former(
    fleet: str,
    balancer: Options,
    found: Mapping[InstanceId, Standing] | DriverError,
    ids: frozenset[InstanceId],
) -> FormerBalancer:
    if isinstance(found, DriverError):
        gone = isinstance(found, NotFound)
        momentary = isinstance(found, MOMENTARY)
        return FormerBalancer(fleet=fleet, balancer=balancer, error=str(found), gone=gone, momentary=momentary)
    ours = {id: found[id] for id in found if id in ids and found[id].membership is not Membership.ABSENT}
    return FormerBalancer(fleet=fleet, balancer=balancer, members=ours)


def _live(rows: Sequence[Instance], labels: Sequence[str]) -> frozenset[InstanceId]:
    return frozenset(row.id for row in rows if row.fleet in labels and row.phase.is_live)
