"""What a file can say of a cloud at Google, of a placement there, and of a balancer."""

import math
import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path

import attrs
from immutabledict import immutabledict

from vmpattern.errors import Problem, SpecError
from vmpattern_gcp.machines import CUSTOM

PROJECT = re.compile(r"(?:[a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]")
REGION = re.compile(r"[a-z]+-[a-z]+[0-9]+")
NAME = re.compile(r"[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?")
NAME_RULE = "a lower-case letter, then a-z, 0-9 and -, not at the end, at most 63 in all"
SERVICES = "https://www.googleapis.com/auth"


@attrs.frozen(kw_only=True)
class PriceOptions:
    """What a machine type costs, in dollars an hour; a market that isn't named is unknown."""

    on_demand: float | None = None
    spot: float | None = None


_NO_PRICES: immutabledict[str, PriceOptions] = immutabledict()


@attrs.frozen(kw_only=True)
class GcpOptions:
    """The options of a cloud at Google.

    `project`: None for that of the credentials. `zones`: those of the region that count, empty for all. `credentials`:
    a service account's key file, None for the application-default credentials. `custom_types`: custom machine types to
    offer besides the region's own. `prices`: by machine type, before libcloud's list. `call_timeout`: the longest that
    a verb may take.
    `endpoint` and `monitoring_endpoint` take the place of Google's addresses, `ca_file` of the usual authorities.

    Raises:
        SpecError: a value can't be; every one of them, by option.
    """

    region: str
    project: str | None = None
    zones: tuple[str, ...] = ()
    credentials: Path | None = None
    custom_types: tuple[str, ...] = ()
    prices: Mapping[str, PriceOptions] = _NO_PRICES
    call_timeout: timedelta = timedelta(seconds=60)
    endpoint: str = "https://compute.googleapis.com"
    monitoring_endpoint: str = "https://monitoring.googleapis.com"
    ca_file: Path | None = None
    proxy: str | None = None

    def __attrs_post_init__(self) -> None:
        if problems := tuple(self._problems()):
            raise SpecError(problems)

    def _problems(self) -> Iterator[Problem]:
        if not REGION.fullmatch(self.region):
            yield Problem("region", f"{self.region!r} isn't a region's name, such as europe-west1")
        if self.project is not None and not PROJECT.fullmatch(self.project):
            yield Problem(
                "project", f"{self.project!r} isn't a project's id: 6 to 30 of a-z, 0-9 and -, not its number"
            )
        for zone in self.zones:
            if zone.rpartition("-")[0] != self.region:
                yield Problem("zones", f"{zone!r} isn't in the region {self.region}")
        for kind in self.custom_types:
            if not CUSTOM.fullmatch(kind):
                text = f"{kind!r} isn't a custom machine type, such as n2-custom-4-8192 (vCPUs, MiB)"
                yield Problem("custom_types", text)
        for kind, price in self.prices.items():
            for market, dollars in (("on_demand", price.on_demand), ("spot", price.spot)):
                if dollars is not None and not 0 < dollars < math.inf:
                    text = f"expected dollars an hour above 0, found {dollars:g}; leave out if unknown"
                    yield Problem(f"prices.{kind}.{market}", text)
        if not self.call_timeout > timedelta(0):
            yield Problem("call_timeout", "expected more than nothing")
        for name, url in (("endpoint", self.endpoint), ("monitoring_endpoint", self.monitoring_endpoint)):
            if not re.match(r"https?://[^/]", url):
                yield Problem(name, f"{url!r} isn't the address of an API, such as https://compute.googleapis.com")


_NO_METADATA: immutabledict[str, str] = immutabledict()
OURS = ("startup-script",)
"""Metadata that the driver sets itself."""


@attrs.frozen(kw_only=True)
class PlacementOptions:
    """The options of a placement.

    `network` and `subnetwork` are names or paths; both empty means the network `default`. `tags` are for firewalls.
    `service_account` is an address, empty for none, with `scopes` as words or URLs. `external_ip` False gives no public
    address. `shielded` False turns off secure boot, vTPM and integrity monitoring.

    Raises:
        SpecError: a value can't be; every one of them, by option.
    """

    network: str = ""
    subnetwork: str = ""
    tags: tuple[str, ...] = ()
    service_account: str = ""
    scopes: tuple[str, ...] = ("cloud-platform",)
    external_ip: bool = True
    disk_type: str = "pd-balanced"
    shielded: bool = True
    metadata: Mapping[str, str] = _NO_METADATA

    def __attrs_post_init__(self) -> None:
        if problems := tuple(self._problems()):
            raise SpecError(problems)

    @property
    def scope_urls(self) -> list[str]:
        """The scopes as Google names them."""
        return [scope if "/" in scope else f"{SERVICES}/{scope}" for scope in self.scopes]

    def _problems(self) -> Iterator[Problem]:
        for name, value in (("network", self.network), ("subnetwork", self.subnetwork)):
            if value and not NAME.fullmatch(value.rpartition("/")[2]):
                yield Problem(name, f"{value!r} is no name or path of one: {NAME_RULE}")
        for tag in self.tags:
            if not NAME.fullmatch(tag):
                yield Problem("tags", f"{tag!r} isn't a tag: {NAME_RULE}")
        if self.service_account and "@" not in self.service_account:
            yield Problem("service_account", f"{self.service_account!r} isn't the address of a service account")
        for key in self.metadata:
            if key in OURS:
                yield Problem(f"metadata.{key}", "is set by the driver itself")
            elif not re.fullmatch(r"[a-zA-Z0-9_-]{1,128}", key):
                yield Problem(f"metadata.{key}", "isn't a key: expected at most 128 of letters, digits, - and _")


@attrs.frozen(kw_only=True)
class BalancerOptions:
    """What stands for a balancer: a backend service, global or of a region, with an unmanaged group in each zone."""

    backend_service: str
    region: str | None = None

    def __attrs_post_init__(self) -> None:
        if not NAME.fullmatch(self.backend_service):
            raise SpecError([Problem("backend_service", f"{self.backend_service!r} isn't a name: {NAME_RULE}")])
