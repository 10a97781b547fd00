"""Finding the kit of an installed driver: its own by entry point, else a plain one that knows nothing of the cloud."""

import importlib.metadata
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from importlib.metadata import EntryPoint
from pathlib import Path

from vmpattern.driver import Driver, DriverFactory, load
from vmpattern.driver.contract import OptionsT
from vmpattern.driver.options import parse_options
from vmpattern.errors import ContractBroken, Problem, SpecError, UnknownDriver
from vmpattern.model import Options
from vmpattern.testing.kit import Kit

GROUP = "vmpattern.drivers.checks"
_NO_KIT = (
    f"no entry point {{name}} of the group {GROUP} names a kit that would know one; "
    "a newly declared entry point is seen only after its distribution is installed again"
)

EntryPoints = Callable[[], Iterable[EntryPoint]]


def installed() -> Iterable[EntryPoint]:
    """Return the entry points of every installed distribution."""
    return importlib.metadata.entry_points(group=GROUP)


class PlainKit(Kit):
    """A kit for a driver that brings none: connects with `settings`, and leaves what it can't do to be skipped."""

    def __init__(self, factory: DriverFactory[OptionsT]) -> None:
        self._make: Callable[[], Driver] = partial(_connected, factory, self)

    def connect(self) -> Driver:
        """Make a driver from the settings.

        Raises:
            SpecError: a setting is unknown, missing or has a wrong value.
        """
        return self._make()


def kit_for(
    name: str,
    *,
    settings: Options | None = None,
    given: Mapping[str, object] | None = None,
    entry_points: EntryPoints = installed,
    factory: Callable[[str], DriverFactory[object]] = load,
) -> Kit:
    """Make the kit for the driver of that name.

    Args:
        settings: of the cloud, as a file has them under [clouds.NAME].
        given: attributes of the kit, as `zone`, to take the place of its own.

    Raises:
        UnknownDriver: no driver has the name, or several kits claim it.
        ContractBroken: what the entry point names is no kit.
        SpecError: neither the kit nor `given` says what can be launched.
    """
    driver = factory(name)
    claims = {point.value: point for point in entry_points() if point.name == name}
    if len(claims) > 1:
        raise UnknownDriver(f"two kits claim the driver {name}: {' and '.join(sorted(claims))}; uninstall one")
    kit = _own(*claims.values()) if claims else PlainKit(driver)
    lacks = f"the kit of {name} doesn't know one" if claims else _NO_KIT.format(name=name)
    if settings:
        kit.settings = settings
    for attribute, value in (given or {}).items():
        setattr(kit, attribute, value)
    if missing := [need for need in ("zone", "machine_type", "image") if not getattr(kit, need)]:
        raise SpecError([Problem(need, f"is missing: {lacks}") for need in missing])
    return kit


def _connected(factory: DriverFactory[OptionsT], kit: Kit) -> Driver:
    options = parse_options(factory.Options, kit.settings, path="options")
    return factory(options, cloud=kit.cloud, directory=Path())


def _own(point: EntryPoint) -> Kit:
    kind: object = point.load()
    if not (isinstance(kind, type) and issubclass(kind, Kit)):
        raise ContractBroken(f"the kit of the driver {point.name}: {point.value} is no subclass of Kit")
    return kind()
