"""The tables of a service: resources, health check, environment; its image is in `images`."""

import re

from vmpattern.model import HealthCheck, Resources, Secret, Service
from vmpattern.model.quantity import format_mib, parse_gib, parse_mib
from vmpattern.model.service import MOST_ANSWERS
from vmpattern.specfile.images import IMAGE
from vmpattern.specfile.kinds import POSITIVE_DURATION, Kind, check_variable, mapping, quantity, text, whole
from vmpattern.specfile.sheet import Spot, kind_of, shown
from vmpattern.specfile.tables import Key, fields, table
from vmpattern.specfile.writing import Toml

_SIZE = 'a size such as "512MiB" or "4GiB"'
_SECRET = re.compile(r"(env|file|command):.+", re.DOTALL)
_SECRET_RULE = '"env:NAME", "file:PATH" or "command:LINE"'

RESOURCES = table(
    Resources,
    Key("vcpus", whole(1)),
    Key("memory", quantity(_SIZE, parse_mib, format_mib, accept=lambda mib: mib > 0), field="memory_mib"),
    Key("disk", quantity(_SIZE, parse_gib, lambda gib: f"{gib}GiB", accept=lambda gib: gib >= 0), field="disk_gib"),
)


def _check_health(spot: Spot) -> None:
    ways = [name for name in ("http", "tcp") if name in spot.entries()]
    if len(ways) != 1:
        found = "both" if ways else "neither"
        spot.tell(f'expected either http = "/path" or tcp = true, found {found}')


def _read_true(spot: Spot) -> bool:
    if spot.value is not True:
        raise ValueError(f"expected true, found {shown(spot.value)}")
    return True


_HEALTH_KEYS = (
    Key(
        "http",
        text(
            'a path such as "/healthz"',
            accept=lambda path: path.startswith("/") and path.isascii() and path.isprintable(),
        ),
    ),
    Key("tcp", Kind(_read_true, bool), field=""),
    Key("interval", POSITIVE_DURATION, field="interval_s"),
    Key("timeout", POSITIVE_DURATION, field="timeout_s"),
    Key("unhealthy_after", whole(1, MOST_ANSWERS)),
)


def _write_health(health: HealthCheck) -> dict[str, Toml]:
    way: dict[str, Toml] = {"tcp": True} if health.http is None else {}
    return way | fields(health, _HEALTH_KEYS)


HEALTH = Kind(table(HealthCheck, *_HEALTH_KEYS, checks=(_check_health,)).read, _write_health)

_SECRET_TABLE = table(
    Secret,
    Key(
        "secret",
        text(_SECRET_RULE, accept=lambda ref: _SECRET.fullmatch(ref) is not None, secret=True),
        field="ref",
        required=_SECRET_RULE,
    ),
)


def _read_env_value(spot: Spot) -> str | Secret:
    if isinstance(spot.value, dict):
        return _SECRET_TABLE.read(spot)
    if isinstance(spot.value, str):
        return spot.value
    raise ValueError(f'expected a string or {{ secret = "env:NAME" }}, found {kind_of(spot.value)}')


ENV = mapping(
    Kind(_read_env_value, lambda value: _SECRET_TABLE.write(value) if isinstance(value, Secret) else value),
    key=check_variable,
)


def _check_port(spot: Spot) -> None:
    entries = spot.entries()
    if "health" in entries and "port" not in entries:
        entries["health"].tell("a health check needs a port to ask: add port to the service")


SERVICE = table(
    Service,
    Key("port", whole(1, 65535)),
    Key("health", HEALTH),
    Key("resources", RESOURCES),
    Key("env", ENV),
    Key("image", IMAGE, required="a table that says where the image comes from"),
    named=True,
    checks=(_check_port,),
)
