"""What can't work is told before a launch where the cloud can know, and else with its own fault."""

import contextlib
import time
import uuid
from collections.abc import Iterator, Mapping

import attrs
import pytest
from immutabledict import immutabledict
from oslab import driver, ended, needs_lab, some_request

from vmpattern.driver import LaunchRequest, Selector
from vmpattern.errors import Invalid
from vmpattern.model import ImageId, Options
from vmpattern_openstack import OpenStackDriver

pytestmark = needs_lab


@pytest.fixture(scope="module")
def cloud() -> Iterator[OpenStackDriver]:
    with contextlib.closing(driver()) as made:
        yield made


@pytest.fixture(scope="module")
def request_(cloud: OpenStackDriver) -> LaunchRequest:
    return some_request(cloud, "lab-checks")


@pytest.fixture(scope="module")
def twice(cloud: OpenStackDriver) -> Iterator[str]:
    """Two security groups of one name."""
    calls = cloud.calls("plant security groups", mutating=True)
    name = f"twice-{uuid.uuid4().hex[:8]}"
    made = [calls.change("network", "POST", "/security-groups", {"security_group": {"name": name}}) for _ in range(2)]
    yield name
    calls = cloud.calls("remove security groups", mutating=True)
    for one in made:
        calls.change("network", "DELETE", f"/security-groups/{_id(one['security_group'])}")


@pytest.fixture(scope="module")
def large(cloud: OpenStackDriver) -> Iterator[ImageId]:
    """An image that wants more than the smallest flavor has, and that nobody has uploaded yet."""
    calls = cloud.calls("plant an image", mutating=True)
    form = {"name": "large", "disk_format": "raw", "container_format": "bare", "min_ram": 4096, "min_disk": 30}
    made = calls.change("image", "POST", "/images", form)
    yield ImageId(_id(made))
    cloud.calls("remove an image", mutating=True).change("image", "DELETE", f"/images/{_id(made)}")


def _id(found: object) -> str:
    assert isinstance(found, Mapping)
    return str(found["id"])


def told(cloud: OpenStackDriver, request: LaunchRequest, balancer: Options | None = None) -> dict[str, str]:
    return {problem.path: problem.message for problem in cloud.check([request], balancer)}


def test_nothing_is_told_of_what_can_be_launched(cloud: OpenStackDriver, request_: LaunchRequest) -> None:
    assert {} == told(cloud, request_, immutabledict(pool="oslab-pool", port=80))


@pytest.mark.parametrize(
    ("options", "path", "message"),
    [
        pytest.param({"networks": ("nowhere",)}, "options.networks[0]", "there is no network 'nowhere'", id="network"),
        pytest.param({"networks": ("oslab-public",)}, "options.networks[0]", "is an external one", id="external"),
        pytest.param(
            {"security_groups": ("nobody",)}, "options.security_groups[0]", "there is no security group", id="group"
        ),
        pytest.param({"key_pair": "nokey"}, "options.key_pair", "there is no key pair 'nokey'", id="key pair"),
        pytest.param(
            {"server_group": str(uuid.UUID(int=7))},
            "options.server_group",
            "there is no server group",
            id="group of servers",
        ),
        pytest.param({"tags": ("x" * 61,)}, "options.tags[0]", "has 61 characters", id="a tag of 61"),
        pytest.param({"colour": "blue"}, "options.colour", "isn't an option here", id="unknown option"),
    ],
)
def test_an_option_that_can_not_work_is_told_by_its_path(
    options: dict[str, object], path: str, message: str, cloud: OpenStackDriver, request_: LaunchRequest
) -> None:
    wrong = attrs.evolve(request_, options=request_.options | options)

    assert message in told(cloud, wrong)[path]
    with pytest.raises(Invalid):
        cloud.launch(wrong)
    assert () == cloud.instances(Selector("lab-checks"))


def test_a_group_s_name_that_two_groups_have_is_told_with_their_ids(
    twice: str, cloud: OpenStackDriver, request_: LaunchRequest
) -> None:
    wrong = attrs.evolve(request_, options=request_.options | {"security_groups": (twice,)})

    assert f"2 security groups are named '{twice}'" in told(cloud, wrong)["options.security_groups[0]"]


def test_a_flavor_that_is_too_small_for_the_image_is_told(
    large: ImageId, cloud: OpenStackDriver, request_: LaunchRequest
) -> None:
    found = told(cloud, attrs.evolve(request_, image=large))

    assert "image needs" in found["machine_type"]
    assert "is queued, not active" in found["image"]


def test_a_launch_from_an_image_that_is_not_active_is_invalid(
    large: ImageId, cloud: OpenStackDriver, request_: LaunchRequest
) -> None:
    with pytest.raises(Invalid) as caught:
        cloud.launch(attrs.evolve(request_, image=large))

    assert "image" == caught.value.field


def test_a_zone_and_a_pool_that_are_not_there_are_told(cloud: OpenStackDriver, request_: LaunchRequest) -> None:
    found = told(cloud, attrs.evolve(request_, zone="south"), immutabledict(pool="nopool", port=80))

    assert "there are: nova" in found["zone"]
    assert "there is no pool 'nopool'" in found["balancer.pool"]


def test_a_server_that_failed_tells_its_fault_on_its_console(cloud: OpenStackDriver, request_: LaunchRequest) -> None:
    options = request_.options | {"metadata": immutabledict(oslab_fail="build")}
    (row,) = cloud.launch(attrs.evolve(request_, options=options)).created
    try:
        until = time.monotonic() + 120.0
        while not (text := cloud.console(row.id)).startswith("The server failed") and time.monotonic() < until:
            time.sleep(1.0)
    finally:
        ended(cloud, "lab-checks")

    assert "oslab_fail=build" in text
