"""A plan as people like to read it: what changes and why, where, how long, how low, and what it costs."""

from collections.abc import Iterator, Sequence
from io import StringIO
from itertools import groupby

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from vmpattern.model import AnySlot, Bake, FleetPlan, Plan, Reason
from vmpattern.report import units
from vmpattern.report.timeline import Row, timeline

COUNTS = (("+", "create", "green"), ("~", "replace", "yellow"), ("-", "destroy", "red"), ("=", "keep", "dim"))
BAR = 24
UNKNOWN = "unknown"
"""The zone or machine type of a slot in a cloud that couldn't be read."""
ROWS = 12
"""How many rows the timelines of all fleets share; each has at least MIN_ROWS."""
MIN_ROWS = 3


def render_plan(plan: Plan, *, full: bool = False) -> RenderableType:
    """Render a plan for a terminal of 80 columns or more; `full` names every instance that may be terminated."""
    return Group(*_parts(plan, full))


def plan_text(plan: Plan) -> str:
    """Return the plan as text: 80 columns, no colours."""
    with StringIO() as text:
        Console(file=text, width=80, color_system=None).print(render_plan(plan))
        return text.getvalue().rstrip("\n")


def _parts(plan: Plan, full: bool) -> Iterator[RenderableType]:
    yield _title(plan)
    changed = [name for name, fleet in plan.fleets.items() if fleet.changes]
    rows = max(MIN_ROWS, ROWS // max(1, len(changed)))
    if plan.bakes:
        yield Text()
        yield from _bakes(plan.bakes)
    for name, fleet in plan.fleets.items():
        yield Text()
        yield from _fleet(plan, name, fleet, rows=rows, full=full)
    yield Text()
    if plan.changes or plan.notes:
        yield _forecast(plan)
    yield from _verdict(plan)


def _title(plan: Plan) -> Text:
    read = sorted(plan.observed_at.values())
    clouds = ", ".join(plan.observed_at) or "no cloud"
    when = f" at {units.moment(read[0])}" if read else ""
    return Text.assemble(("Plan for ", "bold"), (plan.deployment.name, "bold cyan"), (f" · read {clouds}{when}", "dim"))


def _bakes(bakes: Sequence[Bake]) -> Iterator[RenderableType]:
    """Render what is baked before any fleet changes, and why."""
    longest = units.duration(max(bake.duration_s for bake in bakes))
    yield Text.assemble(("images", "bold cyan"), (f"  + {len(bakes):,} to bake", "green"), f", in about {longest}")
    block = _block()
    for bake in bakes:
        source = bake.base if bake.base == bake.resolved else f"{bake.base} ({bake.resolved})"
        block.add_row(bake.service, Text(f"{bake.digest} in {bake.cloud} from {source}"))
        for index, reason in enumerate(bake.reasons):
            block.add_row("" if index else "why", _change(reason, (f"services.{bake.service}.",)))
    yield Padding(block, (0, 0, 0, 2), expand=False)


def _fleet(plan: Plan, name: str, fleet: FleetPlan, *, rows: int, full: bool) -> Iterator[RenderableType]:
    yield _headline(name, fleet)
    block = _block()
    for label, value in _facts(plan, name, fleet, full):
        block.add_row(label, value)
    yield Padding(block, (0, 0, 0, 2), expand=False)
    if not fleet.changes:
        return
    steps = [step for step in plan.steps if step.fleet == name]
    table = timeline(steps, plan.forecast.counts.get(name, ()), rows=rows)
    if any(row.launch or row.register for row in table):
        yield Padding(_picture(table), (1, 0, 0, 2), expand=False)


def _headline(name: str, fleet: FleetPlan) -> Text:
    before = fleet.keep + fleet.replace + fleet.destroy
    size = units.many(fleet.size, "instance")
    line = Text.assemble((name, "bold cyan"), f"  {size if before == fleet.size else f'{before:,} → {size}'}")
    for sign, verb, style in COUNTS:
        if count := getattr(fleet, verb):
            line.append("  ").append(
                f"{sign} {count:,} to {verb}" if verb != "keep" else f"{sign} {count:,} stay", style
            )
    return line


def _facts(plan: Plan, name: str, fleet: FleetPlan, full: bool) -> Iterator[tuple[str, RenderableType]]:
    for index, reason in enumerate(fleet.reasons):
        yield "" if index else "why", _reason(reason, _prefixes(plan, name))
    if fleet.create or fleet.replace:
        for index, where in enumerate(_places(fleet.slots)):
            yield "" if index else "where", Text(where)
    if balanced := _balanced(fleet):
        yield "balancer", Text(balanced)
    if fleet.changes:
        if _is_short(fleet):
            yield "now", Text("; ".join(fleet.remaining), "yellow")
        lowest, highest = (counts.get(name, 0) for counts in (plan.forecast.lowest_ready, plan.forecast.highest_total))
        yield "ready", _ready(lowest, fleet, highest)
    if fleet.terminates:
        shown = len(fleet.terminates) if full else 3
        yield "ends", Text(units.listed(fleet.terminates, at_most=shown))
    if fleet.on_failure and (fleet.create or fleet.replace):
        yield "if it fails", Text(fleet.on_failure)
    for note in fleet.notes:
        yield "note", Text(note, "yellow")


def _balanced(*fleets: FleetPlan) -> str:
    register, deregister = (sum(getattr(fleet, verb) for fleet in fleets) for verb in ("register", "deregister"))
    counts = ((register, "to register"), (deregister, "to take out"))
    return ", ".join(f"{count:,} {what}" for count, what in counts if count)


def _is_short(fleet: FleetPlan) -> bool:
    """Whether instances that are there aren't ready, or it isn't plain from the counts what an apply does."""
    there = fleet.keep + fleet.replace + fleet.destroy
    acts = fleet.create or fleet.replace or fleet.destroy or fleet.register
    return bool(fleet.size) and (fleet.ready < there or not acts)


def _prefixes(plan: Plan, name: str) -> tuple[str, ...]:
    """What fields of this fleet begin with: it goes without saying below the fleet's headline."""
    fleet = plan.deployment.fleets.get(name)
    return (f"fleets.{name}.", f"services.{fleet.service}.") if fleet else (f"fleets.{name}.",)


def _reason(reason: Reason, prefixes: tuple[str, ...]) -> Text:
    return _change(reason, prefixes).append(f"  ({units.many(reason.count, 'instance')})", "not bold dim")


def _change(reason: Reason, prefixes: tuple[str, ...]) -> Text:
    field = reason.field
    for prefix in prefixes:
        field = field.removeprefix(prefix)
    line = Text(field, "bold")
    if reason.before == reason.after:
        return line.append(" changed", "not bold")
    return Text.assemble(line, " ", (_value(reason.before), "red"), " → ", (_value(reason.after), "green"))


def _value(value: str | int | None) -> str:
    return "none" if value is None else f"{value:,}" if isinstance(value, int) else value


def _places(slots: tuple[AnySlot, ...]) -> Iterator[str]:
    """One line for each cloud, machine type, market and price, with the zones that share them."""

    def alike(slot: AnySlot) -> tuple[int, str, str, str, float]:
        price = -1.0 if slot.price_per_hour is None else slot.price_per_hour
        return slot.rank, slot.cloud, slot.machine_type or UNKNOWN, slot.market.value, price

    for (_, cloud, machine_type, market, _), group in groupby(sorted(slots, key=alike), alike):
        found = list(group)
        zones = units.listed(tuple(sorted({slot.zone or UNKNOWN for slot in found})), at_most=6)
        price = found[0].price_per_hour
        each = units.price(price) + (" each" if price is not None else "")
        yield f"{cloud} {zones} · {machine_type} {market} · {each}"


def _ready(lowest: int, fleet: FleetPlan, highest: int) -> Text:
    most = f"at most {units.many(highest, 'VM')} at once"
    floor = min(fleet.keep + fleet.replace + fleet.destroy, fleet.size)
    if not floor:
        return Text(most)
    low = (f"{lowest:,}", "bold" if lowest >= floor else "bold yellow")
    return Text.assemble("never below ", low, f" of {fleet.size:,}, {most}")


def _picture(rows: tuple[Row, ...]) -> Table:
    optional = [heading for heading in ("register", "drain") if any(getattr(row, heading) for row in rows)]
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
    for heading in ("time", "launch", *optional, "end", "ready", "VMs"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("")
    peak = max(row.total for row in rows) or 1
    for row in rows:
        acts = (row.launch, *(getattr(row, heading) for heading in optional), row.terminate)
        cells = [f"{count:,}" if count else "·" for count in acts]
        table.add_row(units.stopwatch(row.start_s), *cells, f"{row.ready:,}", f"{row.total:,}", _bar(row, peak))
    return table


def _bar(row: Row, peak: int) -> Text:
    total, ready = (max(round(count * BAR / peak), 1 if count else 0) for count in (row.total, row.ready))
    ready = min(ready, total if row.ready == row.total else total - 1)
    return Text.assemble(("█" * ready, "green"), ("░" * (total - ready), "yellow"))


def _forecast(plan: Plan) -> RenderableType:
    forecast = plan.forecast
    block = _block()
    if plan.changes:
        if len(plan.fleets) > 1 and (sums := _sums(plan)):
            block.add_row("in all", sums)
        calls = units.many(forecast.api_calls, "API call")
        block.add_row("takes", Text.assemble((f"about {units.duration(forecast.duration_s)}", "bold"), f", {calls}"))
        before, after, peak = map(units.price, (forecast.price_before, forecast.price_after, forecast.price_peak))
        costs = Text(before if before == after else f"{before} → {after}")
        block.add_row("costs", costs if peak in (before, after) else costs.append(f", at most {peak} on the way"))
    for note in plan.notes:
        block.add_row("note", Text(note, "yellow"))
    return Padding(block, (0, 0, 0, 2), expand=False)


def _verdict(plan: Plan) -> Iterator[RenderableType]:
    if not plan.forecast.completes:
        yield Text(f"In the forecast, the apply ends {plan.forecast.ends}, not complete.", "bold red")
    elif not plan.changes:
        yield Text("Nothing to do: what runs is what the file asks for.", "green")


def _sums(plan: Plan) -> Text:
    """Return the counts of all fleets together; empty where an apply only waits or bakes."""
    fleets = plan.fleets.values()
    sums = [(sum(getattr(fleet, verb) for fleet in fleets), verb, style) for _, verb, style in COUNTS[:3]]
    told = [Text(f"{count:,} to {verb}", style) for count, verb, style in sums if count]
    balanced = _balanced(*fleets)
    return Text(", ").join([*told, Text(balanced)] if balanced else told)


def _block() -> Table:
    block = Table.grid(padding=(0, 2, 0, 0))
    block.add_column(style="dim", no_wrap=True, min_width=11)
    block.add_column(overflow="fold")
    return block
