"""What a file can say of AWS: of a cloud, of a placement in it, of a balancer there."""

import enum
import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path

import attrs
from immutabledict import immutabledict

from vmpattern.errors import Problem, SpecError

REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-\d")


class Address(enum.Enum):
    """Which of an instance's addresses health checks and people are told."""

    PRIVATE = "private"
    PUBLIC = "public"


_NO_PRICES: immutabledict[str, float] = immutabledict()


@attrs.frozen(kw_only=True)
class AwsOptions:
    """The options of an AWS cloud: one account in one region.

    `region` and `profile` None: as the AWS tools find them. `machine_types`: patterns of those to choose from, all if
    empty. `prices`, `spot_prices`: dollars an hour by machine type, before all other lists. `staging_bucket`: where
    files for builders are put for a while. `endpoint`: one address for every service, as a test has it.

    Raises:
        SpecError: a value can't be; every one of them, by option.
    """

    region: str | None = None
    profile: str | None = None
    machine_types: tuple[str, ...] = ()
    prices: Mapping[str, float] = _NO_PRICES
    spot_prices: Mapping[str, float] = _NO_PRICES
    staging_bucket: str | None = None
    address: Address = Address.PRIVATE
    call_timeout: timedelta = timedelta(seconds=30)
    staleness: timedelta = timedelta(seconds=10)
    endpoint: str | None = None
    ca_file: Path | None = None
    proxy: str | None = None

    def __attrs_post_init__(self) -> None:
        if problems := tuple(self._problems()):
            raise SpecError(problems)

    def _problems(self) -> Iterator[Problem]:
        if self.region is not None and not REGION.fullmatch(self.region):
            yield Problem("region", f"{self.region!r} isn't a region's name: expected one such as eu-central-1")
        for name, prices in (("prices", self.prices), ("spot_prices", self.spot_prices)):
            for kind, price in prices.items():
                if not price > 0:
                    yield Problem(f"{name}.{kind}", f"expected dollars an hour above 0, found {price:g}")
        for name, span in (("call_timeout", self.call_timeout), ("staleness", self.staleness)):
            if span < timedelta(0) or (name == "call_timeout" and not span):
                yield Problem(name, "expected a duration above 0")
        if self.endpoint is not None and not re.match(r"https?://[^/]", self.endpoint):
            yield Problem("endpoint", f"expected an address such as http://127.0.0.1:5000, found {self.endpoint!r}")


_NO_SUBNETS: immutabledict[str, str] = immutabledict()
_NO_TAGS: immutabledict[str, str] = immutabledict()


@attrs.frozen(kw_only=True)
class PlacementOptions:
    """The options of a placement on AWS.

    `subnets` by zone; without one a zone's default subnet is used. `instance_profile`: a name or an ARN. `root_device`
    None: as the image has it. `metadata_hops`: how far answers of the metadata service travel; 2 lets containers read
    them. `max_price`: the most to pay for a spot instance, in dollars an hour.
    """

    subnets: Mapping[str, str] = _NO_SUBNETS
    security_groups: tuple[str, ...] = ()
    instance_profile: str | None = None
    key_name: str | None = None
    public_address: bool | None = None
    volume_type: str = "gp3"
    encrypted: bool = False
    root_device: str | None = None
    metadata_hops: int = 1
    max_price: float | None = None
    tags: Mapping[str, str] = _NO_TAGS


@attrs.frozen(kw_only=True)
class BalancerOptions:
    """A balancer on AWS: a target group by its ARN, and the port if it isn't the group's own."""

    target_group: str
    port: int | None = None
