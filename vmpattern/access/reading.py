"""Reading one cloud, tick by tick: one filtered list, the health checks, the balancers; or just what changed."""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import NamedTuple, TypeVar, cast

import attrs

from vmpattern.access.requests import Listing, checked_rows
from vmpattern.access.runtime import attempt_now
from vmpattern.driver import Balancer, Changes, Driver, Prober, Selector, SharedBalancers, Watcher
from vmpattern.errors import ContractBroken, DriverError, OutcomeUnknown, Throttled, Transient, Unsupported
from vmpattern.model import (
    OUTSIDE,
    Health,
    HealthCheck,
    Instance,
    InstanceId,
    Membership,
    Mislabelled,
    Options,
    Standing,
)

FRESH_S = 15.0
"""A reading may be acted upon for so long after it was asked for."""
POLL_S, SLOWEST_POLL_S = 2.0, FRESH_S / 2
"""Between two lists; the longer for clouds that take long for them, so that the next still comes in time."""
LISTING_SHARE = 0.25
"""So much of the time a cloud may be busy with our lists, as far as the slowest poll allows."""
MOMENTARY = (Throttled, Transient, OutcomeUnknown)
"""Errors that may be over at the next reading."""
Members = Mapping[InstanceId, Standing] | DriverError
"""Where instances stand with one balancer, or why it couldn't be read."""
Balancers = Mapping[Options, Members]


@attrs.frozen(kw_only=True)
class FleetReading:
    """What has to be read for one fleet beside the list: its health check and its balancers in this cloud.

    `labels` are the fleet labels of its instances. `former` are balancers that it left, `recorded` such that may be its
    own under another name: the first reading finds out. `unreadable`: why its own balancer isn't asked, where that is
    known. `patience_s`: nothing depends on when an instance begins to run, if it is
    well so long after its launch.
    """

    labels: tuple[str, ...]
    check: HealthCheck | None = None
    balancer: Options | None = None
    former: tuple[Options, ...] = ()
    recorded: tuple[Options, ...] = ()
    unreadable: DriverError | None = None
    patience_s: float = 0.0

    @property
    def asked(self) -> tuple[Options, ...]:
        """The balancers to be read."""
        own = (self.balancer,) if self.balancer is not None and self.unreadable is None else ()
        return (*own, *self.former, *self.recorded)

    @property
    def unproven(self) -> tuple[tuple[Options, Options], ...]:
        """Pairs of balancers of which isn't known whether they share their members."""
        return tuple((balancer, self.balancer) for balancer in self.recorded if self.balancer is not None)

    def left(self, shared: Collection[tuple[Options, Options]]) -> tuple[Options, ...]:
        """Return the balancers that it left, once it is known which pairs share their members."""
        known = {balancer for balancer, own in shared if own == self.balancer}
        return (*self.former, *(balancer for balancer in self.recorded if balancer not in known))

    def standing(self, instance: InstanceId, balancers: Balancers) -> Standing:
        """Return where one of its instances stands with its own balancer: UNKNOWN where that couldn't be read."""
        if self.balancer is None:
            return OUTSIDE
        found = self.error(balancers) or balancers[self.balancer]
        if isinstance(found, DriverError):
            return Standing(Membership.UNKNOWN, f"its balancer can't be read: {found.message}")
        return found.get(instance, OUTSIDE)

    def error(self, balancers: Balancers) -> DriverError | None:
        """Return why its own balancer couldn't be read; None if it could, or if there is none."""
        found = self.unreadable if self.balancer is None else self.unreadable or balancers[self.balancer]
        return found if isinstance(found, DriverError) else None


class Reading(NamedTuple):
    """One reading: the rows, whether they are all (or just what changed), who said what of them, and its duration.

    `balancers` has what each balancer that was asked says of these rows. `took_s` is the cloud's time alone, without
    the health checks. `shared` are pairs of balancers that turned out to share their members. `mislabelled` are VMs
    whose labels can't be read.
    """

    instances: tuple[Instance, ...]
    probed: Mapping[InstanceId, Health]
    balancers: Balancers
    complete: bool
    cursor: int = 0
    took_s: float = 0.0
    shared: frozenset[tuple[Options, Options]] = frozenset()
    mislabelled: tuple[Mislabelled, ...] = ()


Read = TypeVar("Read")
Probe = Callable[[Sequence[Instance], HealthCheck], Mapping[InstanceId, Health]]


def silent_probe(instances: Sequence[Instance], check: HealthCheck) -> Mapping[InstanceId, Health]:
    """Ask no instance: for clouds whose drivers answer the health check themselves."""
    return {}


class Reader:
    """Knows how one cloud is read: composes the calls, and says when to read again.

    `watch`: use the driver's change feed where it has one, and skip the ticks at which nothing can have changed; the
    calls that those would have cost are counted all the same. `watches` tells whether it does so, `poll_s` how many
    seconds lie between two ticks, more where lists take long, `cost` how many calls one reading takes: the pages of the
    list and the balancers.
    """

    def __init__(
        self,
        driver: Driver,
        *,
        deployment: str,
        fleets: Mapping[str, FleetReading],
        probe: Probe,
        watch: bool,
        now: Callable[[], float],
        poll_s: float = POLL_S,
    ) -> None:
        self._driver = driver
        self._pages = driver.capabilities.pages
        self._selector = Selector(deployment)
        self._fleets = fleets
        # Where a service has no health check, its instances aren't asked.
        self._asked = {label for fleet in fleets.values() if fleet.check is not None for label in fleet.labels}
        self._probe = probe
        self._now = now
        self._watcher = driver if watch and isinstance(driver, Watcher) else None
        self.watches = self._watcher is not None
        self._prober = driver if driver.capabilities.probes and isinstance(driver, Prober) else None
        self._balancer = driver if isinstance(driver, Balancer) else None
        self._cursor = 0
        self.poll_s = self._least_s = poll_s
        # Fleets may share a balancer: it is read once.
        self._balancers = list(dict.fromkeys(balancer for fleet in fleets.values() for balancer in fleet.asked))
        self._unproven = dict.fromkeys(pair for fleet in fleets.values() for pair in fleet.unproven)
        self._shared: set[tuple[Options, Options]] = set()
        self._patience_s = min((fleet.patience_s for fleet in fleets.values()), default=0.0) - poll_s
        self._count(0)

    def read(self) -> Reading:
        """Read the cloud once; runs in a worker.

        Raises:
            ContractBroken: what was listed isn't what was asked for.
            DriverError: the cloud can't be read.
        """
        if self._watcher is not None:
            return self._changes(self._watcher.changes(self._selector, self._cursor, self._balancers))
        listed, listing_s = self._timed(lambda: self._checked(self._driver.instances(self._selector)))
        probed = self._probes(listed.instances)
        self._prove()
        balancers, more_s = self._timed(lambda: {balancer: self._members(balancer) for balancer in self._balancers})
        return Reading(
            listed.instances,
            probed,
            balancers,
            complete=True,
            took_s=listing_s + more_s,
            shared=frozenset(self._shared),
            mislabelled=listed.mislabelled,
        )

    def _timed(self, read: Callable[[], Read]) -> tuple[Read, float]:
        began = self._now()
        return read(), self._now() - began

    def took(self, reading: Reading) -> None:
        """Take note of a reading that was answered."""
        self._cursor = reading.cursor
        self.poll_s = max(self._least_s, min(reading.took_s / LISTING_SHARE, SLOWEST_POLL_S))
        if reading.complete:
            self._count(len(reading.instances))

    def due_after(self, asked_at: float) -> float:
        """Return the first tick after the one at `asked_at` at which anything may be new; infinity for none."""
        if self._watcher is None:
            return asked_at + self.poll_s
        answer = attempt_now(partial(self._watcher.next_at, self._patience_s), "next_at")
        if answer.error is not None:
            return asked_at + self.poll_s
        return self.tick_after(asked_at, answer.result) if isinstance(answer.result, float) else math.inf

    def tick_after(self, asked_at: float, moment: float) -> float:
        """Return the first tick after the one at `asked_at` that isn't before `moment`."""
        ticks = math.ceil((moment - asked_at) / self.poll_s - 1e-9)
        return asked_at + max(1, ticks) * self.poll_s

    def tick_past(self, asked_at: float, moment: float) -> float:
        """Return the first tick after the one at `asked_at` that is later than `moment`."""
        passed = math.floor((moment - asked_at) / self.poll_s + 1e-9)
        return asked_at + max(1, passed + 1) * self.poll_s

    def idle_calls(self, asked_at: float, now: float) -> int:
        """Return the calls of the ticks after a reading, up to `now`, that a change feed made needless."""
        if self._watcher is None or math.isinf(asked_at):
            return 0
        return math.floor((now - asked_at) / self.poll_s + 1e-9) * self.cost

    def _count(self, known: int) -> None:
        self.cost = self._pages(known) + len(self._balancers) + len(self._unproven)

    def _changes(self, changes: Changes) -> Reading:
        self._count(changes.total)
        rows, probed, asked = self._checked(changes.instances).instances, changes.probed, self._asked
        words = {row.id: probed[row.id] for row in rows if row.fleet in asked and row.id in probed}
        balancers = dict(zip(self._balancers, changes.members, strict=True))
        return Reading(rows, words, balancers, complete=False, cursor=changes.cursor)

    def _checked(self, rows: object) -> Listing:
        return checked_rows(self._driver.name, self._selector.deployment, rows)

    def _probes(self, rows: Sequence[Instance]) -> Mapping[InstanceId, Health]:
        words: dict[InstanceId, Health] = {}
        for fleet in self._fleets.values():
            if fleet.check is None:
                continue
            live = [row for row in rows if row.fleet in fleet.labels and row.phase.is_live]
            if self._prober is not None:
                words.update(self._prober.probe([row.id for row in live], fleet.check))
            else:
                words.update(self._probe(live, fleet.check))
        return words

    def members(self, balancer: Options) -> Mapping[InstanceId, Standing]:
        """List the members of one balancer; runs in a worker.

        Raises:
            DriverError: it can't be read.
        """
        if self._balancer is None:
            raise Unsupported(f"{self._driver.name} has no balancers")
        answer = attempt_now(partial(self._balancer.members, balancer), f"{self._driver.name}: members")
        if answer.error is not None:
            raise answer.error
        return cast("Mapping[InstanceId, Standing]", answer.result)

    def shares(self, balancer: Options, other: Options) -> bool:
        """Tell whether an instance that is taken out of one balancer is out of the other, too; runs in a worker.

        Where the driver can't tell, balancers with a setting in common are taken to share.

        Raises:
            DriverError: it couldn't be found out.
        """
        if not isinstance(self._driver, SharedBalancers):
            return any(other.get(name) == value for name, value in balancer.items())
        answer = attempt_now(partial(self._driver.shares, balancer, other), f"{self._driver.name}: shares")
        if answer.error is not None:
            raise answer.error
        return answer.result is not False

    def _prove(self) -> None:
        """Find out which balancers share their members; one that can't be asked for is left to the next plan."""
        for pair in tuple(self._unproven):
            try:
                shares = self.shares(*pair)
            except (ContractBroken, *MOMENTARY):
                raise
            except DriverError:
                shares = True
            if shares:
                self._shared.add(pair)
            del self._unproven[pair]

    def _members(self, balancer: Options) -> Members:
        """Read one balancer: one that can't be read makes its members' health unknown, and no cloud unreadable."""
        try:
            return self.members(balancer)
        except (ContractBroken, Throttled):  # said of the driver, or of all calls
            raise
        except DriverError as error:
            return error
