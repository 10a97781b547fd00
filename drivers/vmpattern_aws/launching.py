"""From a launch request to EC2's parameters. Pure: the same request gives the same parameters, byte for byte."""

import base64
import gzip
import re
from collections.abc import Mapping

import attrs

from vmpattern.driver import LaunchRequest, guest
from vmpattern.driver.options import parse_options
from vmpattern.errors import Problem, Scope, ScopeKind, SpecError
from vmpattern.model import Market, Options
from vmpattern_aws.api import Params
from vmpattern_aws.settings import BalancerOptions, PlacementOptions
from vmpattern_libcloud import Subject

MOST_USER_DATA = 16384
MOST_TAGS = 50
LABELS = 7
"""So many tags are kept free of a person's: six labels of a launch, and one that is changed later."""

NAME = "Name"
STANDARD = ("a", "c", "d", "h", "i", "im", "is", "m", "r", "t", "z")
"""The families of machine types whose vCPUs count for the quota of standard instances."""


def placement_options(options: Options) -> PlacementOptions:
    """Return a placement's options.

    Raises:
        SpecError: one isn't known, or has a wrong value.
    """
    return parse_options(PlacementOptions, options, path="options")


def balancer_options(balancer: Options) -> BalancerOptions:
    """Return what the file says of a balancer.

    Raises:
        SpecError: a key isn't known, or has a wrong value.
    """
    return parse_options(BalancerOptions, balancer, path="balancer")


def subject(request: LaunchRequest) -> Subject:
    """Return what errors of a launch are about."""
    return Subject(
        what="RunInstances",
        zone=request.zone,
        machine_type=request.machine_type,
        market=request.market.value,
        family=family(request.machine_type),
        secrets=tuple(request.env.values()),
    )


def family(machine_type: str) -> str:
    """Return a pattern of the machine types that share one quota of vCPUs.

    Source:
        "Amazon EC2 instance type quotas" (read 2026-11): one for A, C, D, H, I, M, R, T and Z together, one for each
        other letter.

    Example:
        >>> family("m7i.large"), family("g5.xlarge")
        ('[acdhimrtz][0-9]*', 'g[0-9]*')
    """
    letters = re.match("[a-z]*", machine_type)
    own = letters[0] if letters else ""
    return f"{own if own not in STANDARD else '[acdhimrtz]'}[0-9]*"


def problems(request: LaunchRequest, *, most: int) -> list[Problem]:
    """Return what can be known to be wrong with a request by looking at it alone."""
    found: list[Problem] = []
    try:
        options = placement_options(request.options)
    except SpecError as error:
        return list(error.problems)
    if options.subnets and request.zone not in options.subnets:
        named = ", ".join(sorted(options.subnets))
        found.append(Problem("options.subnets", f"no subnet is named for zone {request.zone}, only for {named}"))
    if len(options.tags) > MOST_TAGS - LABELS - (NAME not in options.tags):
        room = MOST_TAGS - LABELS - 1
        found.append(Problem("options.tags", f"{len(options.tags)} tags, and EC2 has room for {room} beside our own"))
    for key in options.tags:
        if key.lower().startswith(("aws:", "vmpattern-")):
            found.append(Problem(f"options.tags.{key}", "tags that begin so aren't a person's"))
    if len(request.script.encode()) > MOST_USER_DATA:
        found.append(Problem("script", f"the script has more than {MOST_USER_DATA:,} bytes"))
    elif (size := len(user_data(request))) > MOST_USER_DATA:
        text = f"user data of {size:,} bytes, compressed, and EC2 takes {MOST_USER_DATA:,}: put less into env"
        found.append(Problem("env", text))
    if not 1 <= request.count <= most:
        found.append(Problem("count", f"expected a count from 1 to {most}"))
    return found


def user_data(request: LaunchRequest) -> bytes:
    """Return the user data, compressed only where it would be too long otherwise: cloud-init reads both."""
    plain = guest.user_data(request).encode()
    return plain if len(plain) <= MOST_USER_DATA else gzip.compress(plain, mtime=0)


def parameters(request: LaunchRequest, *, root_device: str | None) -> Params:
    """Return the parameters of RunInstances. Fewer instances than asked for are taken, rather than none.

    Args:
        root_device: the name of the root volume, where something is said of it.
    """
    options = placement_options(request.options)
    tags = _tags(request.labels | {NAME: f"{request.deployment}-{request.fleet}"} | dict(options.tags))
    kinds = ["instance", "volume", *(["spot-instances-request"] if request.market is Market.SPOT else [])]
    return {
        "ImageId": request.image,
        "InstanceType": request.machine_type,
        "MinCount": 1,
        "MaxCount": request.count,
        "ClientToken": request.key,
        "UserData": base64.b64encode(user_data(request)).decode(),
        "MetadataOptions": {
            "HttpTokens": "required",
            "HttpEndpoint": "enabled",
            "HttpPutResponseHopLimit": options.metadata_hops,
        },
        "TagSpecification": [{"ResourceType": kind, "Tag": tags} for kind in kinds],
        "InstanceInitiatedShutdownBehavior": "stop" if request.script else None,
        "KeyName": options.key_name,
        "IamInstanceProfile": _profile(options.instance_profile),
        "BlockDeviceMapping": _root(request.disk_gib, options, root_device),
        **_market(request.market, options),
        **_network(request.zone, options),
    }


def needs_root_device(request: LaunchRequest) -> bool:
    """Tell whether something is said of the root volume, and not what it is called."""
    options = placement_options(request.options)
    return bool(request.disk_gib or options.encrypted) and options.root_device is None


def out_of_capacity(request: LaunchRequest) -> Scope:
    """Return the scope of what a launch lacked."""
    market = request.market.value
    return Scope(ScopeKind.MACHINE_TYPE, zone=request.zone, machine_type=request.machine_type, market=market)


def _tags(tags: Mapping[str, str]) -> list[Params]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def _profile(name: str | None) -> Params | None:
    if name is None:
        return None
    return {"Arn": name} if name.startswith("arn:") else {"Name": name}


def _root(disk_gib: int, options: PlacementOptions, device: str | None) -> list[Params] | None:
    name = options.root_device or device
    if name is None or not (disk_gib or options.encrypted):
        return None
    size = {"VolumeSize": disk_gib} if disk_gib else {}
    encrypted = {"Encrypted": True} if options.encrypted else {}
    return [
        {
            "DeviceName": name,
            "Ebs": {**size, **encrypted, "VolumeType": options.volume_type, "DeleteOnTermination": True},
        }
    ]


def _market(market: Market, options: PlacementOptions) -> Params:
    if market is not Market.SPOT:
        return {}
    price = None if options.max_price is None else f"{options.max_price:g}"
    spot: Params = {"SpotInstanceType": "one-time", "InstanceInterruptionBehavior": "terminate", "MaxPrice": price}
    return {"InstanceMarketOptions": {"MarketType": "spot", "SpotOptions": spot}}


def _network(zone: str, options: PlacementOptions) -> Params:
    subnet = options.subnets.get(zone)
    place: Params = {} if subnet else {"Placement": {"AvailabilityZone": zone}}
    if options.public_address is None:
        return {**place, "SubnetId": subnet, "SecurityGroupId": options.security_groups}
    # EC2 takes a public address only together with a whole interface.
    interface: Params = {
        "DeviceIndex": 0,
        "SubnetId": subnet,
        "SecurityGroupId": options.security_groups,
        "AssociatePublicIpAddress": options.public_address,
        "DeleteOnTermination": True,
    }
    return {**place, "NetworkInterface": [interface]}


def without_count(request: LaunchRequest) -> LaunchRequest:
    """Return the request for one instance, to look at apart from how many there are to be."""
    return attrs.evolve(request, count=1)
