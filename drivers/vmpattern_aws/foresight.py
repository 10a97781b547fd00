"""What is bound to fail on AWS, found out by looking at the request, by describing, and by a trial without effect."""

from collections.abc import Iterator, Sequence
from xml.etree.ElementTree import Element

import attrs

from vmpattern.driver import LaunchRequest
from vmpattern.errors import Invalid, NotFound, Problem, SpecError
from vmpattern.model import Options
from vmpattern_aws import launching, reading
from vmpattern_aws.api import Api
from vmpattern_aws.faults import DRY_RUN
from vmpattern_aws.fleet import filters
from vmpattern_aws.launching import balancer_options, placement_options
from vmpattern_aws.settings import PlacementOptions
from vmpattern_libcloud import Deadline


def check(
    api: Api, requests: Sequence[LaunchRequest], balancer: Options | None, deadline: Deadline
) -> tuple[Problem, ...]:
    """Return all that is known to fail: what is written first, then what AWS has, then whether it would launch it."""
    found: list[Problem] = []
    for request in requests:
        found += launching.problems(launching.without_count(request), most=1)
    if not found and requests:
        options = placement_options(requests[0].options)
        subnets = _subnets(api, options, deadline)
        networks = {network for _, network in subnets.values()}
        found += _wrong_subnets(options, subnets)
        found += _wrong_groups(api, options, networks, deadline)
        found += _wrong_image(api, requests[0], deadline)
        found += _wrong_balancer(api, balancer, networks, deadline)
        if not found and requests[0].image:
            found += _refused(api, requests, deadline)
    elif balancer is not None:
        found += _wrong_balancer(api, balancer, set(), deadline)
    return tuple(dict.fromkeys(found))


def _subnets(api: Api, options: PlacementOptions, deadline: Deadline) -> dict[str, tuple[str, str]]:
    """Return the zone and the network of each subnet that is there."""
    ids = sorted(set(options.subnets.values()))
    if not ids:
        return {}
    found = api.pages("DescribeSubnets", {"Filter": filters(subnet_id=ids)}, "subnetSet/item", deadline)
    return {
        reading.text(one, "subnetId"): (reading.text(one, "availabilityZone"), reading.text(one, "vpcId"))
        for one in found
    }


def _wrong_subnets(options: PlacementOptions, there: dict[str, tuple[str, str]]) -> Iterator[Problem]:
    for zone, subnet in options.subnets.items():
        path = f"options.subnets.{zone}"
        if subnet not in there:
            yield Problem(path, f"there is no subnet {subnet} in this region")
        elif there[subnet][0] != zone:
            yield Problem(path, f"the subnet {subnet} is in zone {there[subnet][0]}, not in {zone}")


def _wrong_groups(api: Api, options: PlacementOptions, networks: set[str], deadline: Deadline) -> Iterator[Problem]:
    if not options.security_groups:
        return
    wanted = filters(group_id=options.security_groups)
    found = api.pages("DescribeSecurityGroups", {"Filter": wanted}, "securityGroupInfo/item", deadline)
    there = {reading.text(one, "groupId"): reading.text(one, "vpcId") for one in found}
    for place, group in enumerate(options.security_groups):
        path = f"options.security_groups[{place}]"
        if group not in there:
            yield Problem(path, f"there is no security group {group} in this region")
        elif networks and there[group] not in networks:
            yield Problem(path, f"the security group {group} is of {there[group]}, the subnets of {_named(networks)}")


def _wrong_image(api: Api, request: LaunchRequest, deadline: Deadline) -> Iterator[Problem]:
    if not request.image:
        return
    found = api.pages("DescribeImages", {"Filter": filters(image_id=request.image)}, "imagesSet/item", deadline)
    if not found:
        yield Problem("image", f"there is no image {request.image} in this region, or none that this account may use")
        return
    kinds = api.pages(
        "DescribeInstanceTypes",
        {"Filter": filters(instance_type=request.machine_type)},
        "instanceTypeSet/item",
        deadline,
    )
    architectures = {
        one.text or "" for kind in kinds for one in kind.findall("processorInfo/supportedArchitectures/item")
    }
    built = reading.text(found[0], "architecture")
    if architectures and built not in architectures:
        runs = ", ".join(sorted(architectures))
        yield Problem("image", f"{request.image} is built for {built}, and {request.machine_type} runs {runs}")
    if (state := reading.text(found[0], "imageState")) != "available":
        yield Problem("image", f"{request.image} is {state}, not available")
    yield from _wrong_root(request, found[0])


def _wrong_root(request: LaunchRequest, image: Element) -> Iterator[Problem]:
    device = placement_options(request.options).root_device
    real = reading.text(image, "rootDeviceName")
    if device is not None and real and device != real:
        yield Problem("options.root_device", f"{request.image} calls its root volume {real}: leave the option away")
    sizes = [
        int(reading.text(one, "ebs/volumeSize") or 0)
        for one in image.findall("blockDeviceMapping/item")
        if reading.text(one, "deviceName") == real
    ]
    if request.disk_gib and sizes and request.disk_gib < sizes[0]:
        yield Problem("disk_gib", f"{request.image} needs {sizes[0]} GiB, and {request.disk_gib} are asked for")


def _wrong_balancer(api: Api, balancer: Options | None, networks: set[str], deadline: Deadline) -> Iterator[Problem]:
    if balancer is None:
        return
    path = "balancer.target_group"
    try:
        group = balancer_options(balancer).target_group
    except SpecError as error:
        yield from error.problems
        return
    try:
        answer = api.call("DescribeTargetGroups", {"TargetGroupArns": [group]}, deadline)
    except (Invalid, NotFound) as error:
        yield Problem(path, f"there is no target group {group} here: {error.message}")
        return
    for one in answer.findall(".//TargetGroups/member"):
        network, kind = reading.text(one, "VpcId"), reading.text(one, "TargetType")
        if kind not in ("instance", ""):
            yield Problem(path, f"{group} takes targets of the kind {kind}, and instances are registered by id")
        if networks and network not in networks:
            yield Problem(path, f"{group} is of {network}, the subnets of {_named(networks)}")


def _refused(api: Api, requests: Sequence[LaunchRequest], deadline: Deadline) -> Iterator[Problem]:
    """Ask for each zone whether EC2 would launch one; what nobody may do is raised."""
    for request in requests:
        one = attrs.evolve(request, count=1)
        params = {**launching.parameters(one, root_device=None), "DryRun": True}
        try:
            api.call("RunInstances", params, deadline, subject=launching.subject(one))
        except Invalid as error:
            if error.code != DRY_RUN:
                yield Problem(error.field, error.message)
        except NotFound as error:
            yield Problem(error.field, error.message)


def _named(networks: set[str]) -> str:
    return ", ".join(sorted(networks))
