import re
from typing import Any

import attrs
import pytest
from hypothesis import given, strategies as st
from immutabledict import immutabledict

from vmpattern import naming
from vmpattern.model import (
    Existing,
    Fleet,
    HealthCheck,
    ImageId,
    InstanceId,
    LaunchKey,
    Market,
    Placement,
    Resources,
    Revision,
    Rollout,
    Secret,
    Service,
    is_name,
)

LABEL_VALUE = re.compile(r"[a-z0-9_-]{1,63}")
LABEL_NAME = re.compile(r"[a-z][a-z0-9-]{0,62}")

SERVICE = Service(
    name="shop",
    image=Existing({}),
    port=8080,
    resources=Resources(vcpus=2, memory_mib=4096, disk_gib=20),
    env={"LOG_LEVEL": "info", "DB": Secret("env:SHOP_DB")},
)
PLACEMENT = Placement(cloud="eu", zones=("a", "b"), options=immutabledict({"subnet": "subnet-1", "tags": ("x", "y")}))
FLEET = Fleet(name="web", service="shop", size=6, placements=[PLACEMENT])
PARTS: dict[str, Any] = {
    "deployment": "shop-prod",
    "fleet": "web",
    "revision": "0123456789ab",
    "cloud": "eu",
    "zone": "eu-1a",
    "machine_type": "small",
    "market": "on-demand",
    "image": "img-1",
}
SCOPE = naming.KeyScope(**PARTS)

names = st.builds(str.__add__, st.sampled_from("az"), st.text("az09-", max_size=39))
texts = st.text(max_size=5)
scopes = st.builds(
    naming.KeyScope,
    deployment=names,
    fleet=names,
    revision=st.text("0123456789abcdef", min_size=12, max_size=12).map(Revision),
    cloud=names,
    zone=texts,
    machine_type=texts,
    market=texts,
    image=texts.map(ImageId),
)


def revision(service: Service = SERVICE, fleet: Fleet = FLEET, placement: Placement = PLACEMENT) -> Revision:
    return naming.inputs(service, fleet, placement, "img-1").revision


# -- labels


def labels_of(name: str, text: str, count: int) -> dict[str, str]:
    """Return the labels of a launch: every part as vmpattern makes it from a valid name and any other text."""
    service = Service(name=name, image=Existing({}), env={text: text, "DB": Secret(text)})
    placement = Placement(cloud=name, machine_type=text, options=immutabledict({text: text}))
    fleet = Fleet(name=name, service=name, size=1, placements=[placement])
    inputs = naming.inputs(service, fleet, placement, text)
    scope = naming.KeyScope(**{**PARTS, "zone": text, "machine_type": text, "image": text})
    key = naming.launch_key(scope, count=count, visible=count, attempt=count)
    return naming.launch_labels(
        deployment=name, fleet=name, revision=inputs.revision, inputs=inputs.text, key=key, previous=inputs.revision
    )


labels = st.builds(labels_of, names, texts, st.integers(0, 2**128 - 1))


@given(labels)
def test_the_value_of_a_label_fits_every_cloud(labels: dict[str, str]) -> None:
    assert [] == [value for value in labels.values() if not LABEL_VALUE.fullmatch(value)]


@given(labels)
def test_the_name_of_a_label_fits_every_cloud(labels: dict[str, str]) -> None:
    assert [] == [name for name in (*labels, naming.KEPT_UNTIL) if not LABEL_NAME.fullmatch(name)]


@given(labels)
def test_an_instance_bears_at_most_ten_labels(labels: dict[str, str]) -> None:
    assert len({*labels, naming.KEPT_UNTIL}) <= 10


def test_the_labels_of_a_launch_are_these() -> None:
    expected = {
        "vmpattern-deployment": "shop-prod",
        "vmpattern-fleet": "web",
        "vmpattern-revision": "r2",
        "vmpattern-inputs": "i1",
        "vmpattern-key": "k1",
        "vmpattern-from": "r1",
    }

    assert expected == naming.launch_labels(
        deployment="shop-prod",
        fleet="web",
        revision=Revision("r2"),
        inputs="i1",
        key=LaunchKey("k1"),
        previous=Revision("r1"),
    )


def test_an_empty_label_is_left_out() -> None:
    labels = naming.launch_labels(
        deployment="shop", fleet="web", revision=Revision("r"), inputs="", key=LaunchKey("k"), previous=None
    )

    assert {naming.INPUTS, naming.PREVIOUS}.isdisjoint(labels)


@given(names)
def test_a_name_may_be_the_value_of_a_label(name: str) -> None:
    assert is_name(name)
    assert LABEL_VALUE.fullmatch(name)


# -- digests: labels of running instances hold them, so these values never change


def test_a_digest_is_what_it_always_was() -> None:
    assert "3452b31ff5ff" == naming.digest("shop", 1, {"b": 2, "a": Secret("env:X")})


def test_a_revision_is_what_it_always_was() -> None:
    assert "df0e62962137" == revision()


def test_the_text_of_inputs_is_what_it_always_was() -> None:
    assert "i66c977-e76b6d0-r0f7438-m1d8fc6-p977b04-o90c131" == naming.inputs(SERVICE, FLEET, PLACEMENT, "img-1").text


def test_a_launch_key_is_what_it_always_was() -> None:
    assert "k490651015acb7dbc909e0506fec85b4" == naming.launch_key(SCOPE, count=3, visible=255, attempt=1)


def test_the_id_of_a_simulated_instance_is_what_it_always_was() -> None:
    assert "i-30f446e2f16e" == naming.instance_id(LaunchKey("k1"), 0)


def test_the_digest_of_an_id_is_what_it_always_was() -> None:
    assert "126843bcd3cd5727e2d7882aca8059fa" == f"{naming.id_digest(InstanceId('i-1')):032x}"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param(("ab", "c"), ("a", "bc"), id="where a part ends"),
        pytest.param(("a", "b"), ("b", "a"), id="the order of parts"),
        pytest.param((1,), ("1",), id="a number from its text"),
        pytest.param((None,), ("null",), id="nothing from its text"),
        pytest.param((Secret("env:X"),), ("env:X",), id="a secret from its reference as plain text"),
        pytest.param((["a", "b"],), (["b", "a"],), id="the order of a list"),
    ],
)
def test_a_digest_tells_apart(one: tuple[object, ...], other: tuple[object, ...]) -> None:
    assert naming.digest(*one) != naming.digest(*other)


def test_a_digest_is_blind_to_the_order_of_keys() -> None:
    assert naming.digest({"a": 1, "b": {"c": 2, "d": 3}}) == naming.digest({"b": {"d": 3, "c": 2}, "a": 1})


def test_a_digest_takes_immutable_mappings_for_plain_ones() -> None:
    assert naming.digest({"a": {"b": 1}}) == naming.digest(immutabledict({"a": immutabledict({"b": 1})}))


def test_what_has_no_stable_form_has_no_digest() -> None:
    with pytest.raises(TypeError, match="set has no form to digest"):
        naming.digest({"a", "b"})


# -- revisions


@pytest.mark.parametrize(
    ("field", "service", "placement", "image"),
    [
        pytest.param("image", SERVICE, PLACEMENT, "img-2", id="the image"),
        pytest.param("env", attrs.evolve(SERVICE, env={"LOG_LEVEL": "info"}), PLACEMENT, "img-1", id="a variable"),
        pytest.param(
            "env",
            attrs.evolve(SERVICE, env={**SERVICE.env, "DB": Secret("env:OTHER")}),
            PLACEMENT,
            "img-1",
            id="the reference of a secret",
        ),
        pytest.param(
            "resources",
            attrs.evolve(SERVICE, resources=Resources(vcpus=4, memory_mib=4096, disk_gib=20)),
            PLACEMENT,
            "img-1",
            id="the resources",
        ),
        pytest.param("port", attrs.evolve(SERVICE, port=9090), PLACEMENT, "img-1", id="the port"),
        pytest.param("options", SERVICE, attrs.evolve(PLACEMENT, options={}), "img-1", id="an option of the driver"),
        pytest.param("options", SERVICE, attrs.evolve(PLACEMENT, market=Market.SPOT), "img-1", id="the market"),
    ],
)
def test_a_change_gives_another_revision_and_is_named(
    field: str, service: Service, placement: Placement, image: str
) -> None:
    before = naming.inputs(SERVICE, FLEET, PLACEMENT, "img-1")
    after = naming.inputs(service, FLEET, placement, image)

    changes = [name for name, _, _ in naming.changed_inputs(before.text, after.text)]

    assert ([field], True) == (changes, before.revision != after.revision)


def test_naming_a_machine_type_replaces_the_resources() -> None:
    after = naming.inputs(SERVICE, FLEET, attrs.evolve(PLACEMENT, machine_type="small"), "img-1")

    changes = naming.changed_inputs(naming.inputs(SERVICE, FLEET, PLACEMENT, "img-1").text, after.text)

    assert ["resources", "machine_type"] == [name for name, _, _ in changes]


def test_vcpus_do_not_matter_where_the_machine_type_is_named() -> None:
    named = attrs.evolve(PLACEMENT, machine_type="small")
    bigger = attrs.evolve(SERVICE, resources=Resources(vcpus=9, memory_mib=9, disk_gib=20))

    assert revision(placement=named) == revision(bigger, placement=named)


def test_fleets_of_the_same_inputs_have_revisions_of_their_own() -> None:
    assert revision() != revision(fleet=attrs.evolve(FLEET, name="api"))


@pytest.mark.parametrize(
    ("service", "fleet", "placement"),
    [
        pytest.param(SERVICE, attrs.evolve(FLEET, size=60), PLACEMENT, id="the size"),
        pytest.param(SERVICE, attrs.evolve(FLEET, rollout=Rollout(min_ready_s=1)), PLACEMENT, id="the rollout policy"),
        pytest.param(SERVICE, FLEET, attrs.evolve(PLACEMENT, zones=("c",)), id="the zones"),
        pytest.param(SERVICE, FLEET, attrs.evolve(PLACEMENT, weight=5), id="the weight"),
        pytest.param(
            attrs.evolve(SERVICE, health=HealthCheck(http="/healthz")), FLEET, PLACEMENT, id="how health is asked for"
        ),
        pytest.param(
            attrs.evolve(SERVICE, env=dict(reversed(list(SERVICE.env.items())))),
            FLEET,
            PLACEMENT,
            id="the order of variables",
        ),
        pytest.param(
            SERVICE,
            FLEET,
            attrs.evolve(PLACEMENT, options=dict(reversed(list(PLACEMENT.options.items())))),
            id="the order of options",
        ),
    ],
)
def test_a_revision_is_blind_to(service: Service, fleet: Fleet, placement: Placement) -> None:
    assert revision() == revision(service, fleet, placement)


@pytest.mark.parametrize(
    ("changes", "before", "after"),
    [
        pytest.param((), "i111-e222", "i111-e222", id="nothing between equal texts"),
        pytest.param((("image", "111", "333"),), "i111-e222", "i333-e222", id="digests before and after"),
        pytest.param((("env", "", "222"),), "i111", "i111-e222", id="a part that labels of old lack"),
        pytest.param((("image", "111", ""),), "i111", "", id="a part that isn't there any more"),
        pytest.param((), "i111-z999", "i111", id="nothing for a part of a later version"),
    ],
)
def test_comparing_inputs_tells(changes: tuple[tuple[str, str, str], ...], before: str, after: str) -> None:
    assert changes == naming.changed_inputs(before, after)


# -- launch keys


@pytest.mark.parametrize("part", PARTS)
def test_a_launch_key_depends_on_its_scope(part: str) -> None:
    other = naming.KeyScope(**{**PARTS, part: "other"})

    assert naming.launch_key(SCOPE, count=1, visible=0, attempt=0) != naming.launch_key(
        other, count=1, visible=0, attempt=0
    )


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"count": 2, "visible": 0, "attempt": 0}, id="how many are asked for"),
        pytest.param({"count": 1, "visible": 1, "attempt": 0}, id="which instances are visible"),
        pytest.param({"count": 1, "visible": 0, "attempt": 1}, id="the attempt"),
    ],
)
def test_a_launch_key_depends_on(other: dict[str, int]) -> None:
    assert naming.launch_key(SCOPE, count=1, visible=0, attempt=0) != naming.launch_key(SCOPE, **other)


@given(scopes, st.integers(1, 1000), st.integers(0, 2**128 - 1), st.integers(0, 99))
def test_a_launch_key_fits_every_cloud(scope: naming.KeyScope, count: int, visible: int, attempt: int) -> None:
    key = naming.launch_key(scope, count=count, visible=visible, attempt=attempt)

    assert re.fullmatch(r"k[0-9a-f]{31}", key)


def test_each_instance_of_a_launch_has_an_id_of_its_own() -> None:
    ids = {naming.instance_id(LaunchKey("k1"), ordinal) for ordinal in range(1000)}

    assert 1000 == len(ids)
