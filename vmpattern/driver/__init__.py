"""What a driver author needs: the contract's protocols and values, and the registry that finds drivers."""

from vmpattern.driver import guest
from vmpattern.driver.budget import TokenBucket
from vmpattern.driver.contract import (
    VERSION,
    Baker,
    Balancer,
    Checker,
    Clock,
    Console,
    Driver,
    DriverFactory,
    Limiter,
    Meter,
    Prober,
    Scoped,
    SharedBalancers,
    Timekeeper,
    Watcher,
)
from vmpattern.driver.registry import connect, drivers, load
from vmpattern.driver.requests import CaptureRequest, Changes, LaunchReport, LaunchRequest, Selector

__all__ = [
    "VERSION",
    "Baker",
    "Balancer",
    "CaptureRequest",
    "Changes",
    "Checker",
    "Clock",
    "Console",
    "Driver",
    "DriverFactory",
    "LaunchReport",
    "LaunchRequest",
    "Limiter",
    "Meter",
    "Prober",
    "Scoped",
    "Selector",
    "SharedBalancers",
    "Timekeeper",
    "TokenBucket",
    "Watcher",
    "connect",
    "drivers",
    "guest",
    "load",
]
