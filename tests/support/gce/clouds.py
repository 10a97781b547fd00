"""Connecting the driver with an emulator."""

from pathlib import Path
from typing import cast

from immutabledict import immutabledict

from gce.emulator import TOKEN, Emulator
from vmpattern.driver.options import parse_options
from vmpattern.model import Options
from vmpattern_gcp import GcpDriver, GcpOptions
from vmpattern_gcp.credentials import Token


def options(emulator: Emulator, url: str, **changes: object) -> GcpOptions:
    """Return options that lead to an emulator, as a file would say them."""
    usual: Options = immutabledict(
        region=emulator.world.region, project=emulator.world.project, endpoint=url, monitoring_endpoint=url
    )
    return cast("GcpOptions", parse_options(GcpOptions, usual | changes, path="clouds.eu"))  # type: ignore[operator]


def driver(emulator: Emulator, url: str, *, cloud: str = "eu", **changes: object) -> GcpDriver:
    """Return a driver that lives in the emulator's time."""
    made = options(emulator, url, **changes)
    credentials = Token(TOKEN, emulator.world.project)
    return GcpDriver(made, cloud=cloud, directory=Path(), credentials=credentials, now=emulator.world.clock.now)
