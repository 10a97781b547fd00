"""Files reach builders through the object store: what Swift's own lab shows, and what only Ceph says, or nobody."""

import contextlib
import hashlib
import hmac
import os
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import parse_qs, unquote, urlsplit

import attrs
import pytest
from immutabledict import immutabledict
from loopback import Answer, Asked
from oslab import driver, needs_lab, settings
from some_openstack import EXPIRED, Cloud, connected

import vmpattern as vmp
from vmpattern.errors import Denied, Invalid, NotFound, OutcomeUnknown, QuotaExceeded, Transient, Unsupported
from vmpattern.model import BakeState
from vmpattern.specfile.writing import render
from vmpattern_openstack import OpenStackDriver
from vmpattern_openstack.staging import CONTAINER, KEY, OURS, STORE, signed

DATA = b"files of a recipe\n"
NAME = "vmpattern 1.tar.gz"
SWIFT: Mapping[str, str] = immutabledict({STORE: "swift/v1"})
NOTHING = Answer(404, b"")


@attrs.define
class Ceph:
    """An object store as Ceph's gateway is one: keys of containers are nothing to it, and it knows SHA-1 only."""

    account: Mapping[str, str] = immutabledict()
    container: Mapping[str, str] | None = None
    objects: dict[str, bytes] = attrs.field(factory=dict)

    def __call__(self, asked: Asked) -> Answer:
        path, _, query = asked.path.partition("?")
        inner = unquote(path).partition("/swift/v1")[2]
        if "temp_url_sig" in query:
            return Answer(200, b"") if self.honours(unquote(path), parse_qs(query)) else Answer(401, b"")
        if inner == "/":
            return Answer(204, b"", self.account)
        if inner != CONTAINER:
            return self.with_object(inner, asked)
        if asked.method != "HEAD":
            self.container = {name: value for name, value in asked.headers.items() if "meta" in name}
        return NOTHING if self.container is None else Answer(204, b"", self.container)

    def honours(self, path: str, query: Mapping[str, list[str]]) -> bool:
        text = f"GET\n{query['temp_url_expires'][0]}\n{path}".encode()
        made = [hmac.new(key.encode(), text, "sha1").hexdigest() for key in self.account.values()]
        return query["temp_url_sig"][0] in made

    def with_object(self, name: str, asked: Asked) -> Answer:
        self.objects[name] = asked.body
        return Answer(201, b"")


def test_an_account_s_key_signs_where_keys_of_containers_are_nothing() -> None:
    ceph = Ceph(account={"X-Account-Meta-Temp-URL-Key-2": "somebody's"})
    with connected(Cloud(nova=ceph, services=SWIFT, now=1000.0)) as (cloud, server):
        url = cloud.stage(NAME, DATA, lifetime_s=60.0)

    path = f"/Oslo/swift/v1{CONTAINER}/vmpattern%201.tar.gz"
    signature = hmac.new(b"somebody's", f"GET\n1060\n{unquote(path)}".encode(), hashlib.sha1).hexdigest()
    assert f"{server.url}{path}?temp_url_sig={signature}&temp_url_expires=1060" == url


def test_an_account_is_never_changed() -> None:
    ceph = Ceph(account={"X-Account-Meta-Temp-URL-Key": "somebody's"})
    with connected(Cloud(nova=ceph, services=SWIFT)) as (cloud, server):
        cloud.stage(NAME, DATA, lifetime_s=60.0)

    assert {"HEAD"} == {one.method for one in server.asked if one.path.endswith("/swift/v1/")}


def test_where_no_key_is_honoured_it_is_told_how_to_set_one() -> None:
    ceph = Ceph()
    with (
        connected(Cloud(nova=ceph, services=SWIFT)) as (cloud, _),
        pytest.raises(Invalid, match="swift post -m") as caught,
    ):
        cloud.stage(NAME, DATA, lifetime_s=60.0)

    assert ceph.container is not None
    assert ceph.container[KEY] not in str(caught.value)


def test_where_there_is_no_object_store_it_is_told_what_to_do() -> None:
    with (
        connected(Cloud()) as (cloud, _),
        pytest.raises(
            Invalid, match=r"no object-store in this region: put .* `sha256`; with  staging = false"
        ) as caught,
    ):
        cloud.stage(NAME, DATA, lifetime_s=60.0)

    assert "NoService" == caught.value.code


def test_where_there_is_no_object_store_nothing_is_left_to_unstage() -> None:
    with connected(Cloud()) as (cloud, server):
        cloud.unstage([NAME])

    assert ["/v3/auth/tokens"] == [one.path for one in server.asked]


def test_staging_is_declared_unless_the_options_say_otherwise() -> None:
    with connected(Cloud()) as (cloud, _), connected(Cloud(), staging=False) as (other, _):
        declared = [one.capabilities.staging for one in (cloud, other)]

    assert [True, False] == declared


def test_what_isn_t_to_be_staged_is_refused_without_a_call() -> None:
    with connected(Cloud(), staging=False) as (cloud, server):
        with pytest.raises(Unsupported, match="staging = false"):
            cloud.stage(NAME, DATA, lifetime_s=60.0)
        cloud.unstage([NAME])

    assert [] == server.asked


def test_a_token_that_ended_meanwhile_is_renewed_by_the_next_call() -> None:
    ceph = Ceph(account={"X-Account-Meta-Temp-URL-Key": "somebody's"})
    served = Cloud(nova=ceph, services=SWIFT)
    with connected(served) as (cloud, _):
        cloud.stage(NAME, DATA, lifetime_s=60.0)
        served.nova = lambda asked: EXPIRED if asked.headers.get("x-auth-token") == "token-1" else ceph(asked)
        with pytest.raises(Transient) as caught:
            cloud.stage(NAME, DATA, lifetime_s=60.0)
        again = cloud.stage(NAME, DATA, lifetime_s=60.0)

    assert ("TokenRefused", True) == (caught.value.code, again.startswith("http"))


def test_a_container_that_somebody_removes_meanwhile_is_made_by_the_same_again() -> None:
    ceph = Ceph()

    def gone(asked: Asked) -> Answer:
        return NOTHING if asked.method == "PUT" and "tar.gz" in asked.path else ceph(asked)

    with connected(Cloud(nova=gone, services=SWIFT)) as (cloud, _), pytest.raises(Transient) as caught:
        cloud.stage(NAME, DATA, lifetime_s=60.0)

    assert "Removed" == caught.value.code


def test_a_container_that_can_t_be_deleted_is_told_and_not_passed_over() -> None:
    ceph = Ceph(container={OURS: "staging"})

    def broken(asked: Asked) -> Answer:
        return Answer(503, b"") if asked.method == "DELETE" and asked.path.endswith(CONTAINER) else ceph(asked)

    with connected(Cloud(nova=broken, services=SWIFT)) as (cloud, _), pytest.raises(OutcomeUnknown):
        cloud.unstage([NAME])


# -- on the lab -------------------------------------------------------------------------------------------------------


@pytest.fixture
def cloud() -> Iterator[OpenStackDriver]:
    """A project in which nobody else stages, and whose containers are deleted with the test."""
    with contextlib.closing(driver(cloud="oslab-alt")) as made:
        yield made
        made.unstage([NAME, "other"])
        with contextlib.suppress(NotFound):
            exchange(made, "DELETE", CONTAINER)


def exchange(cloud: OpenStackDriver, method: str, path: str, **headers: str) -> Mapping[str, str]:
    """Ask the object store as somebody else would."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return cloud.calls("look", mutating=True).exchange(STORE, method, path, headers=named)


def read(url: str) -> bytes | int:
    """Return what anybody finds at an address, or the status of the refusal."""
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return bytes(answer.read())
    except HTTPError as error:
        return error.code


def has_container(cloud: OpenStackDriver) -> bool:
    try:
        exchange(cloud, "HEAD", CONTAINER)
    except NotFound:
        return False
    return True


@needs_lab
def test_an_address_is_read_by_whoever_has_it_and_by_nobody_else(cloud: OpenStackDriver) -> None:
    url = cloud.stage(NAME, DATA, lifetime_s=60.0)

    assert (DATA, 401) == (read(url), read(url.partition("?")[0]))


@needs_lab
def test_an_address_ends_with_its_time(cloud: OpenStackDriver) -> None:
    url = cloud.stage(NAME, DATA, lifetime_s=60.0)
    key, path = exchange(cloud, "HEAD", CONTAINER)[KEY], unquote(urlsplit(url).path)
    past = signed(path, key, "sha256", until=1)

    assert 401 == read(f"{url.partition('?')[0]}?temp_url_sig={past['temp_url_sig']}&temp_url_expires=1")


@needs_lab
def test_an_object_ends_by_itself_with_its_address(cloud: OpenStackDriver) -> None:
    url = cloud.stage(NAME, DATA, lifetime_s=6000.0)
    expires = int(parse_qs(urlsplit(url).query)["temp_url_expires"][0])
    found = exchange(cloud, "HEAD", f"{CONTAINER}/vmpattern%201.tar.gz")

    assert abs(int(found["x-delete-at"]) - expires) < 60


@needs_lab
def test_the_container_goes_with_its_last_object(cloud: OpenStackDriver) -> None:
    for name in (NAME, "other"):
        cloud.stage(name, DATA, lifetime_s=60.0)
    cloud.unstage([NAME])
    before = has_container(cloud)
    cloud.unstage(["other"])

    assert (True, False) == (before, has_container(cloud))


@needs_lab
def test_a_key_that_is_there_stays_and_signs(cloud: OpenStackDriver) -> None:
    exchange(cloud, "PUT", CONTAINER, **{OURS: "staging", KEY: "set by somebody"})
    url = cloud.stage(NAME, DATA, lifetime_s=60.0)

    assert ("set by somebody", DATA) == (exchange(cloud, "HEAD", CONTAINER)[KEY], read(url))


@needs_lab
def test_a_container_of_ours_that_lost_its_key_gets_one(cloud: OpenStackDriver) -> None:
    exchange(cloud, "PUT", CONTAINER, **{OURS: "staging"})

    assert DATA == read(cloud.stage(NAME, DATA, lifetime_s=60.0))


@needs_lab
def test_who_comes_second_takes_no_address_from_the_first(cloud: OpenStackDriver) -> None:
    with contextlib.closing(driver(cloud="oslab-alt")) as other:
        urls = [one.stage(name, DATA, lifetime_s=60.0) for one, name in ((cloud, NAME), (other, "other"))]

    assert [DATA, DATA] == [read(url) for url in urls]


@needs_lab
def test_a_stranger_s_container_is_neither_used_nor_deleted(cloud: OpenStackDriver) -> None:
    exchange(cloud, "PUT", CONTAINER)
    with pytest.raises(Invalid, match="lacks our mark"):
        cloud.stage(NAME, DATA, lifetime_s=60.0)
    cloud.unstage([NAME])

    assert KEY not in exchange(cloud, "HEAD", CONTAINER)


@needs_lab
def test_an_account_gets_no_key(cloud: OpenStackDriver) -> None:
    cloud.stage(NAME, DATA, lifetime_s=60.0)

    assert not [name for name in exchange(cloud, "HEAD", "") if "temp-url-key" in name]


@needs_lab
def test_what_the_quota_leaves_no_room_for_is_told(cloud: OpenStackDriver) -> None:
    exchange(cloud, "PUT", CONTAINER, **{OURS: "staging", "x-container-meta-quota-bytes": "4"})
    with pytest.raises(QuotaExceeded, match=r"stage vmpattern 1\.tar\.gz"):
        cloud.stage(NAME, DATA, lifetime_s=60.0)


@needs_lab
def test_who_may_only_look_is_refused_a_container() -> None:
    with contextlib.closing(driver(cloud="oslab-guest")) as guest, pytest.raises(Denied, match="grant the permission"):
        guest.stage(NAME, DATA, lifetime_s=60.0)


@needs_lab
def test_a_bake_with_large_files_leaves_nothing_in_the_object_store(cloud: OpenStackDriver, tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(os.urandom(100_000))
    recipe = {"base": "debian-12", "files": {"model.bin": "/opt/model.bin"}, "run": "/bin/true"}
    placement = {"cloud": "lab", "machine_type": "oslab.nano", "options": {"networks": ["none"]}}
    document = {
        "deployment": "staged",
        "clouds": {"lab": {"driver": "openstack", **settings(cloud="oslab-alt", call_timeout="15s")}},
        "services": {"web": {"image": recipe}},
        "fleets": {"web": {"service": "web", "size": 1, "placements": [placement]}},
    }
    path = tmp_path / "staged.toml"
    path.write_text(render(document), "utf-8")
    told: list[str] = []
    outcome = vmp.bake(vmp.load(path), on_event=lambda event: told.append(event.message), locks=tmp_path)
    cloud.delete_images([result.image for result in outcome.results if result.image is not None])

    assert [BakeState.BAKED] == [result.state for result in outcome.results]
    assert ([True], False) == (["bytes" in one for one in told if "stages" in one], has_container(cloud))
