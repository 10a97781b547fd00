"""A session: the clouds of a deployment while a verb works on them, with one request budget for each of them.

Observing, baking, carrying out and pruning borrow the same session, so that all calls of a process to a cloud pass one
account: one budget, one retry policy, one sense of time.
"""

import itertools
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import TypeVar

from vmpattern import naming
from vmpattern.access.gateway import Account, Call
from vmpattern.access.probing import NetworkProber
from vmpattern.access.reading import Probe, silent_probe
from vmpattern.access.runtime import RealRuntime, Runtime, VirtualRuntime
from vmpattern.access.stopping import never
from vmpattern.access.tasks import Loop, Task
from vmpattern.access.unreadable import UnreadableCloud
from vmpattern.driver import Driver, Timekeeper, TokenBucket, connect
from vmpattern.errors import ContractBroken, DriverError
from vmpattern.model import Cloud, Deployment, Event, EventKind

T = TypeVar("T")
Budgets = dict[str, dict[str, TokenBucket]]
Connect = Callable[[Cloud], AbstractContextManager[Driver]]
"""Makes a cloud's driver, and closes it at the end of the `with` block."""

_BUDGETS: Budgets = {}
"""The token buckets of every cloud that this process has connected, by driver and options."""


def ignore(event: Event) -> None:
    """Take an event that no caller wants."""


class Session:
    """Connected drivers by cloud name, an account for each, the sense of time, and the health check over the network.

    `listener` takes the events of retries; replace it to hear them. `budgets` are the token buckets of earlier sessions
    of this process, by cloud name: a budget is the cloud's, not a session's.
    """

    def __init__(
        self,
        drivers: Mapping[str, Driver],
        runtime: Runtime,
        *,
        probe: Probe = silent_probe,
        budgets: Budgets | None = None,
    ) -> None:
        self.drivers = drivers
        self.runtime = runtime
        self.probe = probe
        self.listener: Callable[[Event], None] = ignore
        budgets = {} if budgets is None else budgets
        tickets = itertools.count()
        self.accounts = {
            name: Account(name, driver, runtime, tickets, self._report_retry, budgets.setdefault(name, {}))
            for name, driver in drivers.items()
        }

    @property
    def calls(self) -> int:
        """Number of API calls so far, to all clouds."""
        return sum(account.calls for account in self.accounts.values())

    def run(
        self,
        tasks: Sequence[Task[T]],
        *,
        tell: Callable[[Event], None] = ignore,
        stop: Callable[[], bool] = never,
    ) -> list[T]:
        """Run tasks side by side until all are over, and return their results in the same order."""
        return Loop(self.accounts, self.runtime, tell=tell, stop=stop).run(tasks)

    def _report_retry(self, account: Account, call: Call, error: DriverError, delay: float) -> None:
        text = f"{call.verb} again in {delay:.1f} s: {error}"
        self.listener(
            Event(at=self.runtime.now(), kind=EventKind.RETRYING, fleet=call.fleet, cloud=account.name, message=text)
        )


@contextmanager
def opened(deployment: Deployment, *, connect: Connect = connect) -> Generator[Session, None, None]:
    """Connect the drivers of every cloud of the deployment, and close them at the end of the `with` block.

    A cloud whose driver can't be made for a reason outside the file, such as a missing login, is in the session as one
    that can't be read: every call to it fails with the reason, and the other clouds work.

    Raises:
        SpecError: a cloud's options are wrong.
        UnknownDriver: a cloud names a driver that isn't installed.
        ContractBroken: what is installed as a driver is none.
    """
    with ExitStack() as stack:
        drivers = {name: _connected(stack, connect, cloud) for name, cloud in deployment.clouds.items()}
        yield session_of(deployment, drivers)


def _connected(stack: ExitStack, connect: Connect, cloud: Cloud) -> Driver:
    try:
        return stack.enter_context(connect(cloud))
    except ContractBroken:
        raise
    except DriverError as error:
        return UnreadableCloud(cloud.driver, error)


def session_of(deployment: Deployment, drivers: Mapping[str, Driver]) -> Session:
    """Return a session with connected drivers of the deployment's clouds, or of some of them."""
    budgets = {name: _buckets(deployment.clouds[name], driver) for name, driver in drivers.items()}
    return Session(drivers, runtime_for(drivers), probe=network_prober(deployment), budgets=budgets)


def _buckets(cloud: Cloud, driver: Driver) -> dict[str, TokenBucket]:
    """Return the buckets of a cloud entry; a cloud with a time of its own keeps its budgets itself."""
    if isinstance(driver, Timekeeper):
        return {}
    return _BUDGETS.setdefault(naming.digest(cloud.driver, cloud.options, cloud.directory), {})


def network_prober(deployment: Deployment) -> NetworkProber:
    """Return what asks the deployment's instances over the network, each at the port of its fleet's service."""
    return NetworkProber(
        {
            label: deployment.services[deployment.fleets[name].service].port
            for label, name in deployment.owners().items()
        }
    )


def runtime_for(drivers: Mapping[str, Driver]) -> Runtime:
    """Return virtual time where every cloud has a time of its own, else the real one."""
    clocks = [driver for driver in drivers.values() if isinstance(driver, Timekeeper)]
    if clocks and len(clocks) == len(drivers):
        return VirtualRuntime(
            max(clock.clock.now() for clock in clocks), clocks, pace=min(clock.pace for clock in clocks)
        )
    return RealRuntime(clocks)
