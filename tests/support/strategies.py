"""Hypothesis strategies for what is desired, for every law: `from strategies import deployments`."""

from collections.abc import Mapping
from typing import TypeVar

import attrs
from hypothesis import strategies as st
from immutabledict import immutabledict

from vmpattern.model import (
    Cloud,
    Deployment,
    Existing,
    Fleet,
    HealthCheck,
    ImageSource,
    Market,
    Options,
    PackerManifest,
    Place,
    Placement,
    Recipe,
    RemoteFile,
    Resources,
    Rollout,
    Secret,
    Service,
    Share,
)

names = st.builds(str.__add__, st.sampled_from("abcxyz"), st.text("abcxyz019-", max_size=4))
texts = st.text(min_size=1, max_size=4)
printable = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=4)
counts = st.integers(min_value=0, max_value=1000)
positive_counts = st.integers(min_value=1, max_value=1000)
shares = st.builds(Share, counts, percent=st.booleans())
some_shares = st.builds(Share, positive_counts, percent=st.booleans())
finite = st.floats(allow_nan=False, allow_infinity=False)
positive_seconds = st.one_of(
    st.sampled_from([0.25, 1.0, 30.0, 90.0, 3600.0, 86400.0]), st.floats(min_value=0.001, max_value=1e7)
)
seconds = st.just(0.0) | positive_seconds
instants = st.floats(min_value=0, max_value=4e9)
prices = st.none() | st.floats(min_value=0, max_value=100)
zone_names = st.sampled_from(["a", "b", "c", "eu-1a"])


K = TypeVar("K")
V = TypeVar("V")


def mappings(
    keys: st.SearchStrategy[K], values: st.SearchStrategy[V], most: int = 2
) -> st.SearchStrategy[Mapping[K, V]]:
    return st.dictionaries(keys, values, max_size=most).map(immutabledict)


def tuples(items: st.SearchStrategy[V], most: int = 2, *, unique: bool = False) -> st.SearchStrategy[tuple[V, ...]]:
    return st.lists(items, max_size=most, unique=unique).map(tuple)


scalars = texts | st.booleans() | st.integers(-(2**63) + 1, 2**63 - 1) | finite
option_values = st.recursive(scalars, lambda inner: tuples(inner) | mappings(st.text(max_size=4), inner), max_leaves=3)
options: st.SearchStrategy[Options] = mappings(st.text(max_size=4), option_values)
cloud_options = mappings(texts.filter(lambda key: key != "driver"), option_values)

secrets = st.builds(Secret, st.builds("{}:{}".format, st.sampled_from(["env", "file", "command"]), texts))
environments = mappings(st.text("ABCxyz_", min_size=1, max_size=8), st.text(max_size=4) | secrets)
health_checks = st.builds(
    HealthCheck,
    http=st.none() | printable.map("/{}".format),
    interval_s=positive_seconds,
    timeout_s=positive_seconds,
    unhealthy_after=positive_counts,
)
resources = st.builds(Resources, vcpus=positive_counts, memory_mib=st.integers(1, 2**22), disk_gib=counts)
web_addresses = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=4).map("https://{}".format)
remote_files = st.builds(RemoteFile, url=web_addresses, sha256=st.binary(min_size=32, max_size=32).map(bytes.hex))
files = mappings(texts.map("/{}".format), texts | remote_files)


def images(clouds: tuple[str, ...]) -> st.SearchStrategy[ImageSource]:
    """Draw an image that every one of the clouds has."""
    by_cloud = st.fixed_dictionaries(dict.fromkeys(clouds, texts))
    bases = st.one_of(by_cloud, st.fixed_dictionaries({"": texts}, optional=dict.fromkeys(clouds, texts)))
    recipes = st.builds(Recipe, base=bases, run=texts, provision=st.none() | texts, files=files)
    return recipes | st.builds(Existing, by_cloud) | st.builds(PackerManifest, texts)


@st.composite
def services(draw: st.DrawFn, name: str, clouds: tuple[str, ...]) -> Service:
    port = draw(st.none() | st.integers(1, 65535))
    return Service(
        name=name,
        image=draw(images(clouds)),
        port=port,
        health=draw(st.none() | health_checks) if port else None,
        resources=draw(resources),
        env=draw(environments),
    )


def placements(clouds: tuple[str, ...]) -> st.SearchStrategy[Placement]:
    return st.builds(
        Placement,
        cloud=st.sampled_from(clouds),
        zones=tuples(zone_names, unique=True),
        machine_type=st.none() | texts,
        market=st.sampled_from(Market),
        weight=positive_counts,
        options=options,
    )


@st.composite
def rollouts(draw: st.DrawFn) -> Rollout:
    surge, unavailable = draw(st.tuples(shares, some_shares) | st.tuples(some_shares, shares))
    return Rollout(
        max_surge=surge,
        max_unavailable=unavailable,
        max_in_flight=draw(positive_counts),
        min_ready_s=draw(seconds),
        launch_deadline_s=draw(positive_seconds),
        ready_deadline_s=draw(positive_seconds),
        progress_deadline_s=draw(positive_seconds),
        max_failures=draw(st.none() | shares),
        drain_s=draw(seconds),
        keep_failed=draw(counts),
        keep_failed_s=draw(seconds),
        blast_budget=draw(st.none() | shares),
        blast_window_s=draw(positive_seconds),
    )


def fleets(name: str, services: tuple[str, ...], clouds: tuple[str, ...]) -> st.SearchStrategy[Fleet]:
    return st.builds(
        Fleet,
        name=st.just(name),
        service=st.sampled_from(services),
        size=counts,
        placements=st.lists(placements(clouds), min_size=1, max_size=2, unique=True).map(tuple),
        place=st.sampled_from(Place),
        rollout=st.just(Rollout()) | rollouts(),
        balancer=mappings(st.sampled_from(clouds), options),
    )


@st.composite
def deployments(draw: st.DrawFn, directory: str = ".") -> Deployment:
    """Draw a deployment that a file can say; its mappings are in no particular order."""
    some = st.lists(names, min_size=1, max_size=2, unique=True).map(tuple)
    clouds, service_names = draw(some), draw(some)
    fleet_names = draw(st.lists(names, max_size=2, unique=True))
    former = draw(st.none() | names.filter(lambda name: name not in fleet_names))
    drawn = {name: draw(fleets(name, service_names, clouds)) for name in fleet_names}
    drawn |= {name: attrs.evolve(drawn[name], was=former) for name in fleet_names[:1]}
    return Deployment(
        name=draw(names),
        clouds={
            name: Cloud(name=name, driver=draw(texts), options=draw(cloud_options), directory=directory)
            for name in clouds
        },
        services={name: draw(services(name, clouds)) for name in service_names},
        fleets=drawn,
    )
