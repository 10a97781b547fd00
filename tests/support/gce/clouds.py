"""Connecting the driver with an emulator."""

from pathlib import Path

import attrs
from immutabledict import immutabledict

from gce.catalog import BASES, VENDOR
from gce.emulator import TOKEN, Emulator
from vmpattern.driver import LaunchRequest
from vmpattern.driver.options import parse_options
from vmpattern.model import ImageId, LaunchKey, Market, Options, Revision
from vmpattern_gcp import GcpDriver, GcpOptions


@attrs.frozen
class Token:
    """One token, and the project that it is of."""

    _token: str = attrs.field(repr=False)
    _project: str | None = None

    def token(self) -> str:
        """Return the token."""
        return self._token

    def project(self) -> str | None:
        """Return the project."""
        return self._project

    def secrets(self) -> tuple[str, ...]:
        """Return the token."""
        return (self._token,)


BASE = ImageId(f"projects/{VENDOR}/global/images/{BASES[0]}")


def options(emulator: Emulator, url: str, **changes: object) -> GcpOptions:
    """Return options that lead to an emulator, as a file would say them."""
    usual: Options = immutabledict(
        region=emulator.world.region, project=emulator.world.project, endpoint=url, monitoring_endpoint=url
    )
    return parse_options(GcpOptions, usual | changes, path="clouds.eu")  # type: ignore[operator]


def driver(emulator: Emulator, url: str, *, cloud: str = "eu", **changes: object) -> GcpDriver:
    """Return a driver that lives in the emulator's time."""
    made = options(emulator, url, **changes)
    credentials = Token(TOKEN, emulator.world.project)
    return GcpDriver(made, cloud=cloud, directory=Path(), credentials=credentials, now=emulator.world.clock.now)


def request(count: int = 1, **changes: object) -> LaunchRequest:
    """Return a request for a fleet `web` of the deployment `shop`."""
    usual: dict[str, object] = {
        "key": LaunchKey("k0123456789abcdef"),
        "deployment": "shop",
        "fleet": "web",
        "revision": Revision("3f2a"),
        "inputs": "i123456",
        "zone": "europe-west1-b",
        "machine_type": "e2-small",
        "market": Market.ON_DEMAND,
        "image": BASE,
    }
    return LaunchRequest(count=count, **(usual | changes))  # type: ignore[arg-type]
