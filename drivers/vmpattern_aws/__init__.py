"""The driver `aws`: instances on EC2, behind Elastic Load Balancing, as images of one account in one region."""

from vmpattern_aws.driver import AwsDriver
from vmpattern_aws.settings import Address, AwsOptions, BalancerOptions, PlacementOptions

__all__ = ["Address", "AwsDriver", "AwsOptions", "BalancerOptions", "PlacementOptions"]
