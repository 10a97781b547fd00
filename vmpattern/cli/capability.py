"""What the installed drivers can do, side by side."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import attrs
from rich.console import Group, RenderableType
from rich.text import Text

from vmpattern.cli.engine import Engine
from vmpattern.errors import SpecError, VmpatternError
from vmpattern.model import Capabilities, Deployment, Idempotency
from vmpattern.report.tables import Column, table

YES, NO = ("✓", "green"), ("·", "dim")


@attrs.frozen
class Ability:
    """A driver and what it declares, or why that can't be told."""

    driver: str
    capabilities: Capabilities | None
    error: str = ""


def abilities(engine: Engine, deployment: Deployment | None) -> Iterator[Ability]:
    """Ask every installed driver for its capabilities: as the file sets it up, else with its own defaults."""
    clouds = {cloud.driver: cloud for cloud in deployment.clouds.values()} if deployment else {}
    for name in engine.drivers():
        try:
            if name in clouds:
                with engine.connect(clouds[name]) as driver:
                    yield Ability(name, driver.capabilities)
            else:
                yield _with_defaults(engine, name)
        except VmpatternError as error:
            yield Ability(name, None, str(error))


def _with_defaults(engine: Engine, name: str) -> Ability:
    factory = engine.driver(name)
    try:
        driver = factory(factory.Options(), cloud=name, directory=Path())
    except (TypeError, ValueError, SpecError):  # an option has no default
        return Ability(name, None, "told for a file with a cloud of this driver")
    try:
        return Ability(name, driver.capabilities)
    finally:
        driver.close()


def render_abilities(found: list[Ability], *, width: int | None) -> RenderableType:
    """Render a row for each capability, a column for each driver."""
    told = [(ability.driver, ability.capabilities) for ability in found if ability.capabilities is not None]
    lines: list[Text] = []
    if told:
        columns = [Column("", -1, tuple((label, "dim") for label in _rows(told[0][1])))]
        columns += [Column(name, index, tuple(_rows(able).values())) for index, (name, able) in enumerate(told)]
        lines += table(columns, width=width)
    lines += [Text(f"  {ability.driver}: {ability.error}", "yellow") for ability in found if ability.error]
    return Group(*lines) if lines else Text("no driver is installed")


def _rows(able: Capabilities) -> Mapping[str, tuple[str, str]]:
    launch, latencies = able.budgets.get("launch"), able.latencies
    never = able.idempotency is Idempotency.NONE
    return {
        "a launch sent twice": ("launches twice" if never else f"is one ({able.idempotency.value})", ""),
        "instances a launch": (f"up to {able.max_batch:,}", ""),
        "instances a terminate": (f"up to {able.max_terminate:,}", ""),
        "launches": (f"{launch.burst:g}, then {launch.per_second:g}/s" if launch else "no limit known", ""),
        "age of lists": (f"up to {able.staleness_s:g} s" if able.staleness_s else "none", ""),
        "launch to ready": (f"about {latencies.boot_s + latencies.ready_s:g} s", ""),
        "labels": (f"up to {able.label_count}", ""),
        "labels can change": YES if able.mutable_labels else NO,
        "markets": (", ".join(sorted(market.value for market in able.markets)), ""),
        "own health": YES if able.native_health else NO,
        "asks health checks": YES if able.probes else NO,
        "checks launches": YES if able.checks else NO,
        "balancers": YES if able.balancer else NO,
        "console": YES if able.console else NO,
        "bakes images": YES if able.baker else NO,
        "measures use": YES if able.meter else NO,
    }
