"""How a deployment stands, from one observation: every instance with its state, and counts for each fleet. Pure."""

from collections.abc import Mapping

import attrs
from immutabledict import immutabledict

from vmpattern.errors import SpecError
from vmpattern.model import (
    AnySlot,
    CloudObservation,
    Deployment,
    Existing,
    Fleet,
    Health,
    Instance,
    Membership,
    Observation,
    Service,
)
from vmpattern.planner.assessment import assess, lacks, uneven
from vmpattern.planner.balancing import balancer_notes
from vmpattern.planner.resolve import resolve
from vmpattern.planner.retired import with_retired
from vmpattern.planner.scopes import counted_once

UNJUDGED = "it isn't known which instances are up to date"
"""What is said of a fleet whose file can't be resolved."""


@attrs.frozen(kw_only=True)
class SurveyRow:
    """One instance: what the provider lists, the combined health, and how it stands with its fleet.

    `in_date` is None where it isn't known: the file asks for something that can't be found out, so that an apply would
    be refused. `complaint` is what the provider says against it, in its own words; empty for nothing.
    """

    instance: Instance
    health: Health
    state: str
    in_date: bool | None
    price_per_hour: float | None
    complaint: str = ""


@attrs.frozen(kw_only=True)
class FleetSurvey:
    """One fleet: instances wanted, ready now, out of date; dollars an hour (None: a price is unknown); its rows.

    `out_of_date` is None where it isn't known of any instance whether it is up to date; a note gives the reason then.
    `rows` are sorted by cloud, zone, age and id. `notes` say what couldn't be found out, `remaining` what isn't as
    asked for.
    """

    desired: int
    ready: int
    out_of_date: int | None
    price_per_hour: float | None
    rows: tuple[SurveyRow, ...]
    notes: tuple[str, ...] = ()
    remaining: tuple[str, ...] = ()

    @property
    def reached(self) -> bool:
        """Whether everything is as asked for: an apply has nothing to do."""
        return not self.remaining


def survey(deployment: Deployment, observation: Observation) -> Mapping[str, FleetSurvey]:
    """Tell how every fleet stands, by name in the deployment's order; fleets that the file no longer has come last.

    A VM that two cloud entries list is counted once. One observation can't show how long an instance has been healthy:
    one that is healthy, and was launched at least min_ready ago, counts as ready.
    """
    observation = counted_once(observation)
    known = {name: _fleet(deployment, fleet, observation) for name, fleet in deployment.fleets.items()}
    return immutabledict({**known, **_retired(deployment, observation)})


def _fleet(deployment: Deployment, fleet: Fleet, observation: Observation) -> FleetSurvey:
    notes: list[str] = [
        f"{cloud.name} couldn't be read: {cloud.error}"
        for cloud in observation.clouds.values()
        if cloud.error is not None and any(place.cloud == cloud.name for place in fleet.placements)
    ]
    notes += [*observation.notes, *balancer_notes(observation, fleet)]
    slots: tuple[AnySlot, ...] = ()
    refusal = ""
    try:
        slots = resolve(deployment, fleet, observation).slots
    except SpecError as error:
        refusal = "; ".join(f"{problem.path}: {problem.message}" for problem in error.problems)
        notes.append(f"{UNJUDGED}, and an apply is refused: {refusal}")
    assessment = assess(deployment, fleet, slots, observation)
    index = assessment.index
    rows = tuple(
        SurveyRow(
            instance=row.instance,
            health=Health.UNKNOWN if row.membership is Membership.UNKNOWN else row.health,
            state=row.word,
            in_date=None if refusal else row.dated,
            price_per_hour=_price(observation.clouds[row.instance.cloud], row.instance),
            complaint=row.complaint,
        )
        for row in sorted(index.rows.values(), key=lambda row: (row.instance.cloud, row.instance.zone, *row.order))
    )
    remaining = () if assessment.reached else tuple(lacks(index, observation.at))
    if refusal:  # without slots, what is counted as out of date isn't known to be
        remaining = (f"{assessment.ready} of {fleet.size} ready, {UNJUDGED}: {refusal}", *remaining[1:])
    elif assessment.reached and (rest := uneven(index, observation.no_room)):
        notes.append(rest)
    return _summed(fleet.size, rows, tuple(notes), remaining)


def _retired(deployment: Deployment, observation: Observation) -> dict[str, FleetSurvey]:
    """Survey the fleets that the file doesn't have any more, by name, as a plan sees them: as fleets of size 0."""
    if not deployment.services:  # of an instance's health one can be known without any
        none = Service(name="none", image=Existing({}))
        deployment = attrs.evolve(deployment, services={none.name: none})
    full = with_retired(deployment, observation, full=deployment)
    found = {
        name: _fleet(full, full.fleets[name], observation) for name in full.fleets if name not in deployment.fleets
    }
    return {
        name: attrs.evolve(fleet, notes=(f"the file has no fleet {name} any more", *fleet.notes))
        for name, fleet in found.items()
    }


def _summed(
    desired: int, rows: tuple[SurveyRow, ...], notes: tuple[str, ...], remaining: tuple[str, ...]
) -> FleetSurvey:
    live = [row for row in rows if row.instance.phase.is_live]
    prices = [row.price_per_hour for row in live]
    known = [price for price in prices if price is not None]
    is_judged = all(row.in_date is not None for row in rows)
    return FleetSurvey(
        desired=desired,
        ready=sum(row.state == "ready" for row in live),
        out_of_date=sum(not row.in_date for row in live) if is_judged else None,
        price_per_hour=round(sum(known), 6) if len(known) == len(prices) else None,
        rows=rows,
        notes=notes,
        remaining=remaining,
    )


def _price(cloud: CloudObservation, instance: Instance) -> float | None:
    kind = next((kind for kind in cloud.machine_types if kind.name == instance.machine_type), None)
    return kind.price(instance.market) if kind else None
