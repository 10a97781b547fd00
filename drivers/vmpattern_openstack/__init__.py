"""The driver `openstack`: instances as Nova's servers, images from Glance, balancers of Octavia."""

from vmpattern_openstack.driver import OpenStackDriver
from vmpattern_openstack.options import BalancerOptions, OpenStackOptions, PlacementOptions, VolumeOptions

__all__ = ["BalancerOptions", "OpenStackDriver", "OpenStackOptions", "PlacementOptions", "VolumeOptions"]
