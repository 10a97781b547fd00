"""Everything that touches a cloud: sessions with connected drivers, their budgets and retries, readings, time."""

from vmpattern.access.observing import read_clouds
from vmpattern.access.runtime import RealRuntime, Runtime, VirtualRuntime
from vmpattern.access.session import Session, opened
from vmpattern.access.stopping import StopSwitch

__all__ = ["RealRuntime", "Runtime", "Session", "StopSwitch", "VirtualRuntime", "opened", "read_clouds"]
