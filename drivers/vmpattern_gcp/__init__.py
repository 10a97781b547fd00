"""The driver `gcp`: fleets on Google Compute Engine, by its own API on libcloud's transport."""

from vmpattern_gcp.credentials import Credentials
from vmpattern_gcp.driver import GcpDriver
from vmpattern_gcp.options import BalancerOptions, GcpOptions, PlacementOptions, PriceOptions

__all__ = ["BalancerOptions", "Credentials", "GcpDriver", "GcpOptions", "PlacementOptions", "PriceOptions"]
