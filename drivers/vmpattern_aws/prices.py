"""What an hour costs: the user's own table, else libcloud's; a price of 0 there means that nobody knows."""

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path

from libcloud.pricing import get_pricing, get_pricing_file_path

from vmpattern.model import Market
from vmpattern_aws.settings import AwsOptions

_TABLE = "ec2_linux"


def prices(options: AwsOptions, region: str) -> dict[str, dict[Market, float]]:
    """Return the known prices of a region by machine type, in dollars an hour; spot prices are only the user's."""
    found = {kind: {Market.ON_DEMAND: price} for kind, price in _listed(region).items()}
    for market, own in ((Market.ON_DEMAND, options.prices), (Market.SPOT, options.spot_prices)):
        for kind, price in own.items():
            found.setdefault(kind, {})[market] = price
    return found


@cache
def _listed(region: str) -> Mapping[str, float]:
    table: Mapping[str, Mapping[str, object]] = get_pricing("compute", _TABLE) or {}
    listed = ((kind, by_region.get(region)) for kind, by_region in table.items())
    return {kind: float(price) for kind, price in listed if isinstance(price, int | float | str) and float(price) > 0}


def listed_on() -> date:
    """Return the day of which libcloud's prices are."""
    updated: float = json.loads(Path(get_pricing_file_path()).read_text("utf-8"))["updated"]
    return datetime.fromtimestamp(updated, UTC).date()
