"""Every call that the driver makes: its service, and whether it changes something. The IAM policy is made of these."""

import attrs


@attrs.frozen
class Service:
    """An AWS service: its name in addresses and signatures, its API version, and how its lists are written."""

    name: str
    version: str = ""
    each: str = ".member"


EC2 = Service("ec2", "2016-11-15", "")
ELB = Service("elasticloadbalancing", "2015-12-01")
CLOUDWATCH = Service("monitoring", "2010-08-01")
S3 = Service("s3")

READS = {
    "DescribeImages": EC2,
    "DescribeInstanceStatus": EC2,
    "DescribeInstanceTypeOfferings": EC2,
    "DescribeInstanceTypes": EC2,
    "DescribeInstances": EC2,
    "DescribeSecurityGroups": EC2,
    "DescribeSubnets": EC2,
    "GetConsoleOutput": EC2,
    "DescribeTargetGroups": ELB,
    "DescribeTargetHealth": ELB,
    "GetMetricData": CLOUDWATCH,
}
CHANGES = {
    "CreateImage": EC2,
    "CreateTags": EC2,
    "DeleteTags": EC2,
    "DeregisterImage": EC2,
    "RunInstances": EC2,
    "TerminateInstances": EC2,
    "DeregisterTargets": ELB,
    "RegisterTargets": ELB,
}
OBJECTS = ("DeleteObject", "GetObject", "PutObject")
"""What is done with staged files; a builder gets them with the driver's own permission, through a signed URL."""

SERVICES = {**READS, **CHANGES}
