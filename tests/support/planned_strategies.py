"""Hypothesis strategies for what is planned, and for what came of it."""

from hypothesis import strategies as st
from observed_strategies import image_ids, instance_ids, markets, revisions
from strategies import (
    counts,
    deployments,
    instants,
    mappings,
    names,
    options,
    positive_counts,
    prices,
    seconds,
    texts,
    tuples,
    zone_names,
)

from vmpattern.model import (
    Action,
    Count,
    Event,
    EventKind,
    Failure,
    FleetOutcome,
    FleetPlan,
    Forecast,
    Outcome,
    PendingSlot,
    Plan,
    Reason,
    Result,
    Slot,
    Step,
    Unbaked,
)

slots = st.builds(
    Slot,
    cloud=names,
    zone=zone_names,
    placement=counts,
    machine_type=texts,
    market=markets,
    revision=revisions,
    image=image_ids,
    admits=st.frozensets(texts, max_size=3),
    inputs=texts,
    weight=positive_counts,
    rank=counts,
    price_per_hour=prices,
    options=options,
)
pending_slots = st.builds(
    PendingSlot,
    cloud=names,
    zone=st.none() | zone_names,
    placement=counts,
    machine_type=st.none() | texts,
    market=markets,
    revision=revisions,
    image=st.none() | st.builds(Unbaked, texts),
    admits=st.frozensets(texts, max_size=3),
    inputs=texts,
    weight=positive_counts,
    rank=counts,
    price_per_hour=prices,
    options=options,
)
steps = st.builds(
    Step,
    action=st.sampled_from(Action),
    fleet=names,
    cloud=names,
    zone=zone_names,
    count=counts,
    instances=tuples(instance_ids),
    start_s=seconds,
    duration_s=seconds,
)
reasons = st.builds(
    Reason, field=texts, before=st.none() | texts | counts, after=st.none() | texts | counts, count=counts
)
fleet_plans = st.builds(
    FleetPlan,
    size=counts,
    ready=counts,
    reached=st.booleans(),
    create=counts,
    replace=counts,
    destroy=counts,
    keep=counts,
    register=counts,
    deregister=counts,
    slots=tuples(slots | pending_slots),
    reasons=tuples(reasons),
    terminates=tuples(instance_ids),
    on_failure=texts,
    remaining=tuples(texts),
    notes=tuples(texts),
)
fleet_counts = st.builds(Count, at_s=seconds, ready=counts, total=counts)
forecasts = st.builds(
    Forecast,
    duration_s=seconds,
    api_calls=counts,
    lowest_ready=mappings(names, counts),
    highest_total=mappings(names, counts),
    counts=mappings(names, tuples(fleet_counts), most=2),
    price_before=prices,
    price_after=prices,
    price_peak=prices,
    ends=texts,
)
plans = st.builds(
    Plan,
    deployment=deployments(),
    at=instants,
    fleets=mappings(names, fleet_plans, most=2),
    steps=tuples(steps),
    forecast=forecasts,
    observed=mappings(names, tuples(instance_ids)),
    observed_at=mappings(names, instants),
    notes=tuples(texts),
)
events = st.builds(
    Event,
    at=instants,
    kind=st.sampled_from(EventKind),
    fleet=names,
    count=counts,
    instances=tuples(instance_ids),
    message=texts,
    planned=st.booleans(),
)
outcomes = st.builds(
    Outcome,
    result=st.sampled_from(Result),
    fleets=mappings(names, st.builds(FleetOutcome, created=counts, destroyed=counts, ready=counts, size=counts)),
    duration_s=seconds,
    api_calls=counts,
    errors=tuples(st.builds(Failure, code=texts, scope=texts, message=texts)),
    remaining=tuples(texts),
    events=tuples(events),
)
