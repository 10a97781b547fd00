"""Every instance of every fleet, as a table that fits and as JSON."""

import textwrap
from collections.abc import Callable, Iterator, Mapping

from rich.console import Group, RenderableType
from rich.text import Text

from vmpattern.model import Health, Observation
from vmpattern.planner import builder_note, builders, overlaps
from vmpattern.planner.survey import FleetSurvey, SurveyRow
from vmpattern.report import units
from vmpattern.report.tables import Column, table

HEALTH_STYLES = {Health.HEALTHY: "green", Health.UNHEALTHY: "red", Health.UNKNOWN: "yellow"}

_NAMED = 3

# heading, how dispensable it is, whether numbers, and the cell of a row at a moment
_COLUMNS: tuple[tuple[str, int, bool, Callable[[SurveyRow, float], tuple[str, str]]], ...] = (
    ("INSTANCE", 0, False, lambda row, now: (row.instance.id, "")),
    ("NAME", 10, False, lambda row, now: (row.instance.name if row.instance.name != row.instance.id else "", "")),
    ("STATE", 2, False, lambda row, now: (row.state, "bold")),
    ("PHASE", 5, False, lambda row, now: (row.instance.phase.value, "")),
    ("HEALTH", 1, False, lambda row, now: (row.health.value, HEALTH_STYLES[row.health])),
    (
        "REVISION",
        4,
        False,
        lambda row, now: _revision(row),
    ),
    ("ZONE", 3, False, lambda row, now: (f"{row.instance.cloud}/{row.instance.zone}", "")),
    ("TYPE", 7, False, lambda row, now: (row.instance.machine_type, "")),
    ("ADDRESS", 8, False, lambda row, now: (row.instance.address or "", "")),
    ("AGE", 6, True, lambda row, now: (units.age(now - row.instance.launched_at), "")),
    ("PRICE", 9, True, lambda row, now: ("" if row.price_per_hour is None else units.price(row.price_per_hour), "")),
)


def _revision(row: SurveyRow) -> tuple[str, str]:
    """Return the revision, with a mark unless it is up to date."""
    if row.in_date:
        return row.instance.revision, ""
    return f"{row.instance.revision} {'unknown' if row.in_date is None else 'old'}", "yellow"


def render_status(surveys: Mapping[str, FleetSurvey], observation: Observation, *, width: int | None) -> RenderableType:
    """Render the fleets as observed, for a terminal of `width` columns; None shows every column.

    Below them stands what belongs to no fleet: clouds that couldn't be read and that no fleet shown has a placement in,
    VMs whose labels can't be read, cloud entries that are one cloud, and builders.
    """
    return Group(*_parts(surveys, observation.at, width), *_strange(surveys, observation, width))


def _strange(
    surveys: Mapping[str, FleetSurvey], observation: Observation, width: int | None
) -> Iterator[RenderableType]:
    shown = {note for survey in surveys.values() for note in survey.notes}
    unread = (
        f"{one.name} couldn't be read: {one.error}" for one in observation.clouds.values() if one.error is not None
    )
    found = [text for text in unread if text not in shown]
    found += [
        f"{one.cloud}: {one.id} is neither counted nor touched: {one.reason}" for one in observation.mislabelled()
    ]
    found += [f"clouds.{one.second} {one.message}" for one in overlaps(observation)]
    found += [f"{one.cloud}: {builder_note(one)}" for one in builders(observation)]
    if found:
        yield Text()
    for text in found:
        yield from _wrapped(text, width)


def _parts(surveys: Mapping[str, FleetSurvey], now: float, width: int | None) -> Iterator[RenderableType]:
    for index, (name, survey) in enumerate(surveys.items()):
        if index:
            yield Text()
        yield _summary(name, survey)
        columns = [
            Column(heading, order, tuple(cell(row, now) for row in survey.rows), right=right)
            for heading, order, right, cell in _COLUMNS
        ]
        if survey.rows:
            yield from table(columns, width=width)
        for complaint in _complaints(survey):
            yield from _wrapped(complaint, width)
        for note in survey.notes:
            yield Text(f"  {note}", "yellow")


def _complaints(survey: FleetSurvey) -> Iterator[str]:
    """Yield what the provider says against live instances, each thing once, with those it is said of."""
    said: dict[str, list[str]] = {}
    for row in survey.rows:
        if row.complaint and row.instance.phase.is_live:
            said.setdefault(row.complaint, []).append(row.instance.id)
    for complaint, ids in said.items():
        yield f"{units.listed(tuple(ids), at_most=_NAMED)}: {complaint}"


def _wrapped(text: str, width: int | None) -> Iterator[Text]:
    indent, further = "  ", "    "
    lines = textwrap.wrap(text, width, initial_indent=indent, subsequent_indent=further) if width else [indent + text]
    yield from (Text(line, "yellow") for line in lines)


def _summary(name: str, survey: FleetSurvey) -> Text:
    ready = (f"{survey.ready:,} of {survey.desired:,} ready", "green" if survey.ready >= survey.desired else "yellow")
    line = Text.assemble((name, "bold cyan"), "  ", ready)
    if survey.out_of_date is None:
        line.append(" · out of date: unknown", "yellow")
    elif survey.out_of_date:
        line.append(f" · {survey.out_of_date:,} out of date", "yellow")
    if survey.rows:
        line.append(f" · {units.price(survey.price_per_hour)}")
    return line


def status_to_json(surveys: Mapping[str, FleetSurvey], observation: Observation) -> dict[str, object]:
    """Return the JSON form of the status; instants are ISO 8601 in UTC."""
    unreadable = {cloud.name: cloud.error for cloud in observation.clouds.values() if cloud.error is not None}
    return {
        "reached": all(survey.reached for survey in surveys.values()),
        "remaining": [f"fleet {name}: {text}" for name, survey in surveys.items() for text in survey.remaining],
        "fleets": {name: _fleet_to_json(survey) for name, survey in surveys.items()},
        "unreadable": unreadable,
        "mislabelled": [{"cloud": one.cloud, "id": one.id, "reason": one.reason} for one in observation.mislabelled()],
        "overlaps": [
            {"clouds": [one.first, one.second], "instances": list(one.shared), "message": one.message}
            for one in overlaps(observation)
        ],
        "builders": [{"cloud": one.cloud, "id": one.id, "message": builder_note(one)} for one in builders(observation)],
    }


def _fleet_to_json(survey: FleetSurvey) -> dict[str, object]:
    return {
        "desired": survey.desired,
        "ready": survey.ready,
        "reached": survey.reached,
        "remaining": list(survey.remaining),
        "out_of_date": survey.out_of_date,
        "price_per_hour": survey.price_per_hour,
        "notes": list(survey.notes),
        "instances": [_row_to_json(row) for row in survey.rows],
    }


def _row_to_json(row: SurveyRow) -> dict[str, object]:
    instance = row.instance
    return {
        "id": instance.id,
        "name": instance.name,
        "phase": instance.phase.value,
        "health": row.health.value,
        "state": row.state,
        "in_date": row.in_date,
        "revision": instance.revision,
        "cloud": instance.cloud,
        "zone": instance.zone,
        "machine_type": instance.machine_type,
        "market": instance.market.value,
        "address": instance.address,
        "launched_at": units.timestamp(instance.launched_at),
        "price_per_hour": row.price_per_hour,
        "complaint": row.complaint,
    }
