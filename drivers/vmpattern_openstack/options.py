"""What a file can say of a cloud that runs OpenStack, of a placement there, and of a balancer."""

import math
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path

import attrs
from immutabledict import immutabledict

from vmpattern.errors import Problem, SpecError
from vmpattern_openstack.labels import OUR_TAGS, PREFIX, TAG_LENGTH, TAGS

_NO_PRICES: immutabledict[str, float] = immutabledict()
_NO_METADATA: immutabledict[str, str] = immutabledict()
AUTO, NOTHING = "auto", "none"
"""Networks by word: Nova chooses or makes one; the server gets none."""


@attrs.frozen(kw_only=True)
class OpenStackOptions:
    """The options of a cloud.

    `cloud`: its name in clouds.yaml; None for that in OS_CLOUD, else for the variables OS_AUTH_URL and the like.
    `clouds_file`: None for where OpenStack's own tools look. `region`, `project` and `interface` take the place of what
    is written there. `zones`: the availability zones that count, empty for all. `prices`: dollars an hour by flavor.
    `address_network`: whose addresses are the instances', None for the first. `floating_network`: of which each server
    gets an address that leads to its first network. `staging`: whether what is too large for user data goes through the
    cloud's object store. `meter`: whether Nova's diagnostics may be asked, which is for administrators unless the cloud
    says otherwise. `call_timeout`: the longest that a verb may take. `page_size`: how many servers Nova lists at
    once.

    Raises:
        SpecError: a value can't be; every one of them, by option.
    """

    cloud: str | None = None
    clouds_file: Path | None = None
    region: str | None = None
    project: str | None = None
    interface: str | None = None
    zones: tuple[str, ...] = ()
    prices: Mapping[str, float] = _NO_PRICES
    address_network: str | None = None
    floating_network: str | None = None
    staging: bool = True
    meter: bool = False
    call_timeout: timedelta = timedelta(seconds=60)
    page_size: int = 1000
    proxy: str | None = None

    def __attrs_post_init__(self) -> None:
        if problems := tuple(self._problems()):
            raise SpecError(problems)

    def _problems(self) -> Iterator[Problem]:
        if self.interface not in (None, "public", "internal", "admin"):
            yield Problem("interface", f"found {self.interface!r}; there are: admin, internal, public")
        for flavor, dollars in self.prices.items():
            if not 0 < dollars < math.inf:
                text = f"expected dollars an hour above 0, found {dollars:g}; leave out if unknown"
                yield Problem(f"prices.{flavor}", text)
        if not self.call_timeout > timedelta(0):
            yield Problem("call_timeout", "expected more than nothing")
        if self.page_size < 1:
            yield Problem("page_size", f"expected at least 1, found {self.page_size}")


@attrs.frozen(kw_only=True)
class VolumeOptions:
    """A root disk in a volume of its own, which ends with the server: `type` None for the cloud's usual one."""

    type: str | None = None


@attrs.frozen(kw_only=True)
class PlacementOptions:
    """The options of a placement; things are named by id, or by a name that only one thing has.

    `networks`: empty, or the word `auto`, lets Nova choose; the word `none` gives none. `server_group`: by id, for
    instance of the policy anti-affinity. `volume` puts the root disk into a volume. `tags` and `metadata` are the
    servers' besides the driver's own.

    Raises:
        SpecError: a value can't be; every one of them, by option.
    """

    networks: tuple[str, ...] = ()
    security_groups: tuple[str, ...] = ()
    key_pair: str | None = None
    server_group: str | None = None
    volume: VolumeOptions | None = None
    config_drive: bool = False
    tags: tuple[str, ...] = ()
    metadata: Mapping[str, str] = _NO_METADATA

    def __attrs_post_init__(self) -> None:
        if problems := tuple(self._problems()):
            raise SpecError(problems)

    @property
    def has_no_network(self) -> bool:
        """Whether the servers get none."""
        return self.networks == (NOTHING,)

    @property
    def named_networks(self) -> tuple[str, ...]:
        """The networks that are named, and not left to Nova."""
        return () if self.networks in ((AUTO,), (NOTHING,)) else self.networks

    def _problems(self) -> Iterator[Problem]:
        for place, network in enumerate(self.networks):
            if network in (AUTO, NOTHING) and len(self.networks) > 1:
                yield Problem(f"networks[{place}]", f"the word {network} stands alone, not beside networks")
        for name, named in (("networks", self.networks), ("security_groups", self.security_groups)):
            for place, one in enumerate(named):
                if one in named[:place]:
                    yield Problem(f"{name}[{place}]", f"{one!r} stands there twice")
        if self.security_groups and self.has_no_network:
            yield Problem("security_groups", "are of no use without a network")
        yield from self._problems_of_tags()
        for key, value in self.metadata.items():
            if key.startswith(PREFIX):
                yield Problem(f"metadata.{key}", "is set by the driver itself")
            elif not 0 < len(key) <= 255 or len(value) > 255:
                yield Problem(f"metadata.{key}", "is too long: key and value have at most 255 characters")

    def _problems_of_tags(self) -> Iterator[Problem]:
        for place, tag in enumerate(self.tags):
            path = f"tags[{place}]"
            if not 0 < len(tag) <= TAG_LENGTH:
                yield Problem(path, f"{tag!r} has {len(tag)} characters; Nova takes 1 to {TAG_LENGTH}")
            if "," in tag or "/" in tag:
                yield Problem(path, f"{tag!r} has a comma or a slash, which Nova doesn't take in a tag")
            if tag.startswith(OUR_TAGS) or tag == PREFIX:
                yield Problem(path, f"{tag!r} is the driver's own: tags that begin with {OUR_TAGS} are labels")
        if len(self.tags) > TAGS:
            yield Problem("tags", f"{len(self.tags)} are too many: beside the driver's own, Nova takes {TAGS}")


@attrs.frozen(kw_only=True)
class BalancerOptions:
    """What stands for a balancer: a pool of Octavia's by id or name, and the port at which it asks its members.

    `subnet`: where Octavia reaches them, None for the balancer's own. `drain` is how long a member that leaves keeps
    its connections without getting new ones.
    """

    pool: str
    port: int
    subnet: str | None = None
    drain: timedelta = timedelta(seconds=30)

    def __attrs_post_init__(self) -> None:
        if not 0 < self.port < 65536:
            raise SpecError([Problem("port", f"expected a port from 1 to 65535, found {self.port}")])
