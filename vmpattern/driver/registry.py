"""Finding drivers: by entry point and in no other way; nothing is loaded before it is asked for."""

import importlib.metadata
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import cast

from vmpattern.driver.contract import Driver, DriverFactory
from vmpattern.errors import ContractBroken, UnknownDriver
from vmpattern.model import Cloud

GROUP = "vmpattern.drivers"

EntryPoints = Callable[[], Iterable[EntryPoint]]


def installed() -> Iterable[EntryPoint]:
    """Return the entry points of every installed distribution."""
    return importlib.metadata.entry_points(group=GROUP)


def drivers(*, entry_points: EntryPoints = installed) -> tuple[str, ...]:
    """Return the names of the installed drivers, sorted, each once."""
    return tuple(sorted({point.name for point in entry_points()}))


def load(name: str, *, entry_points: EntryPoints = installed) -> DriverFactory[object]:
    """Load the driver of that name.

    Raises:
        UnknownDriver: none has the name, two distributions claim it, or it can't be imported.
        ContractBroken: what the entry point names is no `DriverFactory`.
    """
    claims = {(_distribution(point), point.value): point for point in entry_points() if point.name == name}
    if not claims:
        raise UnknownDriver(_unknown(name, drivers(entry_points=entry_points)))
    if len(claims) > 1:
        claimants = " and ".join(f"{distribution} ({value})" for distribution, value in sorted(claims))
        raise UnknownDriver(f"the driver {name} is claimed by {claimants}: uninstall all but one")
    ((distribution, value),) = claims
    try:
        factory: object = claims[distribution, value].load()
    except (ImportError, AttributeError) as error:
        raise UnknownDriver(f"the driver {name} of {distribution} ({value}) can't be loaded: {error}") from error
    if not callable(factory) or not isinstance(getattr(factory, "Options", None), type):
        raise ContractBroken(f"the driver {name} of {distribution}: {value} can't be called, or has no class Options")
    return cast("DriverFactory[object]", factory)


@contextmanager
def connect(cloud: Cloud, *, entry_points: EntryPoints = installed) -> Generator[Driver]:
    """Make a cloud's driver, and close it at the end of the `with` block. Doesn't talk to the cloud yet.

    Raises:
        UnknownDriver: as `load`.
        SpecError: an option is unknown, missing or has a wrong value; every problem at once.
        DriverError: the driver can't be made for a reason outside the options.
    """
    # Only who connects pays for the import.
    from vmpattern.driver.options import parse_options

    factory = load(cloud.driver, entry_points=entry_points)
    options = parse_options(factory.Options, cloud.options, path=f"clouds.{cloud.name}")
    driver = factory(options, cloud=cloud.name, directory=Path(cloud.directory))
    try:
        yield driver
    finally:
        driver.close()


def _distribution(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else "an unknown distribution"


def _unknown(name: str, known: tuple[str, ...]) -> str:
    from vmpattern.driver.options import nearest

    told = nearest(name, known) if known else "none is installed"
    return (
        f"no installed driver is named {name!r}; {told} (installed: {', '.join(known) or 'none'}). "
        "A newly declared entry point is seen only after its distribution is installed again."
    )
