"""Wrong tables of a service: the place, the line, and the words of the message."""

import pytest
from wrong_files import DURATION, ENV, HEALTH, RESOURCES, SECRET, SIZE, marked, problems

from vmpattern.errors import Problem


@pytest.mark.parametrize(
    ("old", "new", "path", "message"),
    [
        pytest.param(
            "port = 8080",
            "port = 65536<>",
            "services.shop.port",
            "expected a whole number from 1 to 65535, found 65536",
            id="a port is in range",
        ),
        pytest.param(
            "port = 8080",
            'port = "8080"<>',
            "services.shop.port",
            "expected a whole number from 1 to 65535, found '8080'",
            id="a port is a number",
        ),
        pytest.param(
            "port = 8080",
            "port = true<>",
            "services.shop.port",
            "expected a whole number from 1 to 65535, found true",
            id="a boolean is no number",
        ),
        pytest.param(
            "port = 8080\nhealth",
            "<>health",
            "services.shop.health",
            "a health check needs a port to ask: add port to the service",
            id="a health check needs a port",
        ),
        pytest.param(
            HEALTH,
            '{ http = "/", tcp = true }<>',
            "services.shop.health",
            'expected either http = "/path" or tcp = true, found both',
            id="a health check asks in one way",
        ),
        pytest.param(
            HEALTH,
            '{ interval = "5s" }<>',
            "services.shop.health",
            'expected either http = "/path" or tcp = true, found neither',
            id="a health check asks in some way",
        ),
        pytest.param(
            HEALTH,
            '{ http = "healthz"<> }',
            "services.shop.health.http",
            "expected a path such as \"/healthz\", found 'healthz'",
            id="a path begins with a slash",
        ),
        pytest.param(
            HEALTH,
            "{ tcp = false<> }",
            "services.shop.health.tcp",
            "expected true, found false",
            id="tcp is not switched off",
        ),
        pytest.param(
            HEALTH,
            "{ tcp = true, interval = 5<> }",
            "services.shop.health.interval",
            f"{DURATION}, found 5",
            id="a duration has a unit",
        ),
        pytest.param(
            HEALTH,
            '{ tcp = true, interval = "5sec"<> }',
            "services.shop.health.interval",
            f"{DURATION}, found '5sec'",
            id="a duration has a known unit",
        ),
        pytest.param(
            HEALTH,
            '{ tcp = true, interval = "0s"<> }',
            "services.shop.health.interval",
            "expected more than nothing, found '0s'",
            id="an interval takes time",
        ),
        pytest.param(
            HEALTH,
            '{ tcp = true, interval = "' + "9" * 400 + 's"<> }',
            "services.shop.health.interval",
            f"{DURATION}, and at most 3650d, found more",
            id="a duration has an end",
        ),
        pytest.param(
            RESOURCES,
            '{ memory = "4GB"<> }',
            "services.shop.resources.memory",
            f"{SIZE}, found '4GB'",
            id="a size has a known unit",
        ),
        pytest.param(
            RESOURCES,
            "{ memory = 4096<> }",
            "services.shop.resources.memory",
            f"{SIZE}, found 4096",
            id="a size is text",
        ),
        pytest.param(
            RESOURCES,
            '{ disk = "1.5GiB"<> }',
            "services.shop.resources.disk",
            "expected a whole number of GiB, found '1.5GiB'",
            id="a disk has whole gibibytes",
        ),
        pytest.param(
            RESOURCES,
            "{ vcpus = 0<> }",
            "services.shop.resources.vcpus",
            "expected a whole number, at least 1, found 0",
            id="an instance has some vcpus",
        ),
        pytest.param(
            ENV, '"LOG=info"<>', "services.shop.env", "expected a table, found a string", id="an environment is a table"
        ),
        pytest.param(
            ENV,
            '{ "A B" = "x"<> }',
            'services.shop.env."A B"',
            "expected a name of letters, digits and _ that doesn't begin with a digit",
            id="an environment's name has its rule",
        ),
        pytest.param(
            ENV,
            "{ PIN = 1234<> }",
            "services.shop.env.PIN",
            'expected a string or { secret = "env:NAME" }, found a whole number',
            id="an environment holds strings, and the value isn't shown",
        ),
        pytest.param(
            ENV,
            '{ PIN = { secret = "1234" }<> }',
            "services.shop.env.PIN.secret",
            f"expected {SECRET}, found another string",
            id="a secret is a reference, and its text isn't shown",
        ),
        pytest.param(
            ENV,
            '{ PIN = { secret = "env:" }<> }',
            "services.shop.env.PIN.secret",
            f"expected {SECRET}, found another string",
            id="a secret refers to something",
        ),
        pytest.param(
            ENV,
            "{ PIN = { secret = 1234 }<> }",
            "services.shop.env.PIN.secret",
            f"expected {SECRET}, found a whole number",
            id="a secret is a reference, and its number isn't shown",
        ),
    ],
)
def test_a_service_that_is_wrong_is_told(old: str, new: str, path: str, message: str) -> None:
    text, line = marked(old, new)

    assert [Problem(path, message, line)] == problems(text)
