"""Wrong names and keys, and wrong tables of clouds: the place, the line, and the words of the message."""

import pytest
from wrong_files import NAME_RULE, RESOURCES, ROLLOUT, marked, problems

from vmpattern.errors import Problem


@pytest.mark.parametrize(
    ("old", "new", "path", "message"),
    [
        pytest.param(
            '"shop-prod"',
            '"Shop"<>',
            "deployment",
            f"expected a name: {NAME_RULE}, found 'Shop'",
            id="a deployment's name has its rule",
        ),
        pytest.param(
            'deployment = "shop-prod"',
            "",
            "deployment",
            "is missing: expected the deployment's name",
            id="a deployment has a name",
        ),
        pytest.param(
            "[clouds.lab]",
            "<>[clouds.My_Lab]",
            "clouds.My_Lab",
            f"'My_Lab' isn't a name: expected {NAME_RULE}",
            id="a cloud's name has its rule",
        ),
        pytest.param(
            "[clouds.lab]",
            '<>[clouds."my lab"]',
            'clouds."my lab"',
            f"'my lab' isn't a name: expected {NAME_RULE}",
            id="a name that needs quotes is told in quotes",
        ),
        pytest.param(
            ROLLOUT,
            "{ max_serge<> = 1 }",
            "fleets.shop.rollout.max_serge",
            'unknown key: did you mean "max_surge"?',
            id="the nearest key is told",
        ),
        pytest.param(
            "[clouds.lab]",
            "[cloud.lab]<>",
            "cloud",
            'unknown key: did you mean "clouds"?',
            id="the nearest section is told",
        ),
        pytest.param(
            ROLLOUT,
            ROLLOUT + '\nowner = "me"<>',
            "fleets.shop.owner",
            'unknown key: expected "service", "size", "placements", "place", "rollout", "was" or "balancer"',
            id="without a near key all are told",
        ),
        pytest.param(
            RESOURCES,
            "{ vcpu = 2<> }",
            "services.shop.resources.vcpu",
            'unknown key: did you mean "vcpus"?',
            id="an unknown key may be nested deeply",
        ),
        pytest.param(
            '[clouds.lab]\ndriver = "openstack"',
            '<>[clouds.lab]\nregion = "x"',
            "clouds.lab.driver",
            'is missing: expected the name of a driver such as "memory"',
            id="a cloud has a driver",
        ),
        pytest.param(
            'driver = "openstack"',
            'driver = ""<>',
            "clouds.lab.driver",
            "expected the name of a driver, found ''",
            id="a driver has a name",
        ),
        pytest.param(
            '[clouds.lab]\ndriver = "openstack"',
            '[clouds]\nlab = "openstack"<>',
            "clouds.lab",
            "expected a table, found a string",
            id="a section is a table",
        ),
        pytest.param(
            'driver = "openstack"',
            'driver = "openstack"\nsince = { tags = [\n1, 2026-01-31<>\n] }',
            "clouds.lab.since.tags[1]",
            "expected no date or time: write it as a string",
            id="a date is refused wherever it stands",
        ),
        pytest.param(
            'driver = "openstack"',
            'driver = "openstack"\nlimit = inf<>',
            "clouds.lab.limit",
            "expected a finite number",
            id="an infinite number is refused",
        ),
        pytest.param(
            'driver = "openstack"',
            'driver = "openstack"\nlimit = 9223372036854775808<>',
            "clouds.lab.limit",
            "expected a whole number of at most 64 bits",
            id="a number of more than 64 bits is refused",
        ),
    ],
)
def test_a_name_or_key_that_is_wrong_is_told(old: str, new: str, path: str, message: str) -> None:
    text, line = marked(old, new)

    assert [Problem(path, message, line)] == problems(text)
