"""Hypothesis strategies for what is observed: instances, images, machine types, clouds."""

from hypothesis import strategies as st
from strategies import (
    counts,
    instants,
    mappings,
    names,
    positive_counts,
    positive_seconds,
    seconds,
    texts,
    tuples,
    zone_names,
)

from vmpattern.model import (
    Breakdown,
    Capabilities,
    CloudObservation,
    Health,
    Idempotency,
    Image,
    ImageId,
    Instance,
    InstanceId,
    Latencies,
    LaunchKey,
    MachineType,
    Market,
    Membership,
    Observation,
    Phase,
    RequestBudget,
    Revision,
    Standing,
)

instance_ids = texts.map(InstanceId)
image_ids = texts.map(ImageId)
revisions = texts.map(Revision)
markets = st.sampled_from(Market)
instances = st.builds(
    Instance,
    id=instance_ids,
    cloud=names,
    deployment=names,
    fleet=names,
    revision=revisions,
    key=texts.map(LaunchKey),
    zone=zone_names,
    machine_type=texts,
    image=image_ids,
    phase=st.sampled_from(Phase),
    launched_at=instants,
    name=texts,
    market=markets,
    health=st.sampled_from(Health),
    address=st.none() | texts,
    inputs=texts,
    previous=st.none() | revisions,
    kept_until=st.none() | instants,
    breakdown=st.none() | st.builds(Breakdown, message=texts, lacking=st.booleans()),
)
baked_images = st.builds(
    Image,
    id=image_ids,
    cloud=names,
    deployment=names,
    service=names,
    digest=texts,
    created_at=instants,
    base=texts,
    builder=texts,
    verified=st.booleans(),
)
machine_types = st.builds(
    MachineType,
    name=texts,
    vcpus=positive_counts,
    memory_mib=positive_counts,
    zones=tuples(zone_names, unique=True),
    prices=mappings(markets, st.floats(0, 100)),
)
capabilities = st.builds(
    Capabilities,
    max_batch=positive_counts,
    idempotency=st.sampled_from(Idempotency),
    mutable_labels=st.booleans(),
    markets=st.frozensets(markets),
    staleness_s=seconds,
    budgets=mappings(texts, st.builds(RequestBudget, positive_seconds, positive_seconds)),
    latencies=st.builds(Latencies, call_s=seconds, boot_s=seconds),
)
cloud_observations = st.builds(
    CloudObservation,
    name=names,
    at=instants,
    capabilities=capabilities,
    instances=tuples(instances),
    machine_types=tuples(machine_types),
    probed=mappings(instance_ids, st.sampled_from(Health)),
    members=mappings(instance_ids, st.builds(Standing, st.sampled_from(Membership), texts)),
    error=st.none() | texts,
)
observations = st.builds(Observation, at=instants, clouds=mappings(names, cloud_observations), calls=counts)
