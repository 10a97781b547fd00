"""The record of balancers: what it keeps, what it makes of a file that isn't one, and what it says when it can't."""

import json
import stat
from pathlib import Path

import attrs
import pytest
from immutabledict import immutabledict
from situations import deployment, fleet, instance

from vmpattern.errors import Scope, ScopeKind
from vmpattern.model import (
    CloudObservation,
    Deployment,
    FormerBalancer,
    Instance,
    InstanceId,
    Membership,
    NoRoom,
    Observation,
    Options,
    Standing,
)
from vmpattern.reconcile.former_balancers import forget_ended, former_balancers, settle
from vmpattern.simulation import EC2_LIKE
from vmpattern.store.record import NOTHING_RECORDED, Entry, FileRecord, NoRecord, Recorded

FRONT: Options = immutabledict(name="front")
BACK: Options = immutabledict(name="back", ports=(80, 81), more=immutabledict(drain="1m"))
WANTED = deployment(fleet(2, balanced=True))
SERVED = Standing(Membership.HEALTHY)


def known(record: FileRecord, wanted: Deployment = WANTED) -> set[tuple[str, str, Options]]:
    return {(entry.fleet, entry.cloud, entry.balancer) for entry in record.read(wanted).entries}


def test_what_is_remembered_is_read_again(tmp_path: Path) -> None:
    record = FileRecord(tmp_path)
    told = [record.remember(WANTED, "web", "demo", balancer) for balancer in (FRONT, BACK, FRONT)]

    assert ["", "", ""] == told
    assert {("web", "demo", FRONT), ("web", "demo", BACK)} == known(record)
    assert 2 == len(record.read(WANTED).entries)


def test_what_is_forgotten_is_gone(tmp_path: Path) -> None:
    record = FileRecord(tmp_path)
    for balancer in (FRONT, BACK):
        record.remember(WANTED, "web", "demo", balancer)
    record.forget(WANTED, [("web", "demo", BACK), ("api", "demo", FRONT)])

    assert {("web", "demo", FRONT)} == known(record)


def test_only_its_user_reads_it(tmp_path: Path) -> None:
    FileRecord(tmp_path / "new").remember(WANTED, "web", "demo", FRONT)

    assert 0o600 == stat.S_IMODE((tmp_path / "new" / "shop.json").stat().st_mode)


def test_it_keeps_the_balancers_settings_and_nothing_of_the_cloud(tmp_path: Path) -> None:
    clouds = {"demo": attrs.evolve(WANTED.clouds["demo"], options=immutabledict(password="hunter2"))}
    FileRecord(tmp_path).remember(attrs.evolve(WANTED, clouds=clouds), "web", "demo", FRONT)

    assert "hunter2" not in (tmp_path / "shop.json").read_text("utf-8")


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"driver": "aws"}, id="another driver"),
        pytest.param({"options": immutabledict(region="eu")}, id="other options"),
    ],
)
def test_a_cloud_of_another_file_is_not_this_one(tmp_path: Path, other: dict) -> None:
    record = FileRecord(tmp_path)
    record.remember(WANTED, "web", "demo", FRONT)
    elsewhere = attrs.evolve(WANTED, clouds={"demo": attrs.evolve(WANTED.clouds["demo"], **other)})
    record.remember(elsewhere, "web", "demo", BACK)

    assert ({("web", "demo", FRONT)}, {("web", "demo", BACK)}) == (known(record), known(record, elsewhere))


def test_without_a_file_nothing_is_known_and_nothing_is_said(tmp_path: Path) -> None:
    assert NOTHING_RECORDED == FileRecord(tmp_path).read(WANTED)


BAD = [
    pytest.param(b"{", id="no JSON"),
    pytest.param(b"[1]", id="another form"),
    pytest.param(b'{"version": 1, "entries": [{"fleet": "web"}]}', id="an entry without a cloud"),
    pytest.param(b"[" * 200_000, id="nested too deeply"),
    pytest.param(b"\xff", id="no text"),
    pytest.param(b'{"version": 1, "entries": [], "more": "' + b"x" * 2**20 + b'"}', id="too large"),
]


@pytest.mark.parametrize("data", BAD)
def test_a_damaged_file_is_no_knowledge_and_is_replaced(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "shop.json").write_bytes(data)
    record = FileRecord(tmp_path)
    before = record.read(WANTED)
    record.remember(WANTED, "web", "demo", FRONT)

    assert ((), True) == (before.entries, "can't be used: this version of vmpattern didn't write it" in before.notes[0])
    assert {("web", "demo", FRONT)} == known(record)


def test_a_file_of_another_version_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "shop.json").write_text('{"version": 2, "links": []}', "utf-8")
    record = FileRecord(tmp_path)
    trouble = record.remember(WANTED, "web", "demo", FRONT)

    assert "was written by another version of vmpattern, and is left alone" in trouble
    assert {"version": 2, "links": []} == json.loads((tmp_path / "shop.json").read_text("utf-8"))
    assert "can't be used" in record.read(WANTED).notes[0]


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", "utf-8")
    record = FileRecord(tmp_path / "file")

    assert "can't be written" in record.remember(WANTED, "web", "demo", FRONT)
    assert "can't be used" in record.read(WANTED).notes[0]


def test_no_record_knows_nothing() -> None:
    record = NoRecord()
    record.forget(WANTED, [("web", "demo", FRONT)])

    assert ("", NOTHING_RECORDED) == (record.remember(WANTED, "web", "demo", FRONT), record.read(WANTED))


# -- whose former balancers those are


def entry(fleet: str, balancer: Options = BACK, cloud: str = "demo") -> Entry:
    return Entry(fleet, cloud, "identity", balancer)


@pytest.mark.parametrize(
    ("expected", "entries", "wanted"),
    [
        pytest.param({"web": (BACK,)}, [entry("web"), entry("web", FRONT)], WANTED, id="not what is declared"),
        pytest.param({"api": (FRONT,)}, [entry("api", FRONT)], WANTED, id="all of a fleet that the file has no more"),
        pytest.param({}, [entry("web", cloud="lab")], WANTED, id="none of another cloud"),
        pytest.param(
            {"shop": (BACK,)},
            [entry("web"), entry("web", FRONT)],
            deployment(attrs.evolve(fleet(2, balanced=True), name="shop", was="web")),
            id="those of the former name",
        ),
    ],
)
def test_former_balancers_are(expected: dict, entries: list[Entry], wanted: Deployment) -> None:
    assert expected == Recorded(entries=tuple(entries)).former(wanted, "demo")


def test_a_plan_of_some_fleets_concerns_only_their_balancers() -> None:
    recorded = Recorded(entries=(entry("web"), entry("api")))

    assert (entry("web"),) == recorded.within(WANTED).entries


# -- what an apply remembers and forgets


class Memory(FileRecord):
    """A record in a folder, with what it knows of the usual deployment."""

    def knows(self, *registrations: tuple[str, Options]) -> "Memory":
        for name, balancer in registrations:
            self.remember(WANTED, name, "demo", balancer)
        return self


def seen(
    *rows: Instance, members: dict | None = None, former: tuple[FormerBalancer, ...] = (), error: str | None = None
) -> Observation:
    cloud = CloudObservation(
        name="demo", at=0.0, capabilities=EC2_LIKE, instances=rows, members=members or {}, former=former, error=error
    )
    return Observation(at=0.0, clouds={"demo": cloud})


WEB = instance("i-1")


def test_a_balancer_that_has_members_of_ours_is_remembered_at_once(tmp_path: Path) -> None:
    record = Memory(tmp_path)
    settle(record, record.read(WANTED), WANTED, seen(WEB, members={WEB.id: SERVED}))

    assert {("web", "demo", FRONT)} == known(record)


def test_a_balancer_without_members_of_ours_is_not_remembered(tmp_path: Path) -> None:
    record = Memory(tmp_path)
    settle(record, record.read(WANTED), WANTED, seen(WEB))

    assert set() == known(record)


LEFT = FormerBalancer(fleet="web", balancer=BACK, members={InstanceId("i-1"): SERVED})


@pytest.mark.parametrize(
    ("stays", "observation"),
    [
        pytest.param(True, seen(WEB, former=(LEFT,)), id="while it has members"),
        pytest.param(
            True,
            seen(WEB, former=(attrs.evolve(LEFT, members={WEB.id: Standing(Membership.DRAINING)}),)),
            id="while it drains members",
        ),
        pytest.param(False, seen(WEB, former=(attrs.evolve(LEFT, members={}),)), id="once it has none"),
        pytest.param(False, seen(), id="where no instance lives"),
        pytest.param(
            True, seen(WEB, former=(attrs.evolve(LEFT, members={}, error="no"),)), id="while it can't be read"
        ),
        pytest.param(
            False, seen(WEB, former=(attrs.evolve(LEFT, members={}, error="no", gone=True),)), id="once it is gone"
        ),
        pytest.param(True, seen(error="down"), id="while its cloud can't be read"),
    ],
)
def test_a_former_balancer_stays_remembered(tmp_path: Path, stays: bool, observation: Observation) -> None:
    record = Memory(tmp_path).knows(("web", BACK))
    settle(record, record.read(WANTED), WANTED, observation)

    assert stays is (("web", "demo", BACK) in known(record))


def test_a_fleet_that_has_ended_is_forgotten(tmp_path: Path) -> None:
    record = Memory(tmp_path).knows(("web", FRONT), ("api", BACK))
    gone = deployment(fleet(0, name="api"), fleet(2, balanced=True))
    forget_ended(record, record.read(gone), gone, seen())

    assert {("web", "demo", FRONT)} == known(record)


def test_a_fleet_that_ended_in_a_cloud_that_cannot_be_read_is_not_forgotten(tmp_path: Path) -> None:
    record = Memory(tmp_path).knows(("api", BACK))
    gone = deployment(fleet(0, name="api"))
    forget_ended(record, record.read(gone), gone, seen(error="down"))

    assert {("api", "demo", BACK)} == known(record)


def test_an_apply_reads_former_balancers_that_can_be_read() -> None:
    blind = attrs.evolve(LEFT, balancer=FRONT, members={}, error="no")

    assert {"demo": (BACK,)} == former_balancers(seen(former=(LEFT, blind)), "web")
    assert {} == former_balancers(seen(former=(LEFT,)), "api")


def refusal(zone: str, at: float = 100.0) -> NoRoom:
    scope = Scope(ScopeKind.ZONE, zone=zone)
    return NoRoom(cloud="demo", scope=scope, code="Full", message=f"zone {zone} is full", at=at)


def test_where_there_was_no_room_is_read_again_and_replaced_as_a_whole(tmp_path: Path) -> None:
    record = FileRecord(tmp_path)
    record.remember(WANTED, "web", "demo", FRONT)
    record.note_no_room(WANTED, (refusal("a"), refusal("b")))
    before = record.read(WANTED).no_room
    record.note_no_room(WANTED, (refusal("b"),))

    assert ((refusal("a"), refusal("b")), (refusal("b"),)) == (before, record.read(WANTED).no_room)
    assert {("web", "demo", FRONT)} == known(record)


def test_no_file_is_made_where_there_was_room(tmp_path: Path) -> None:
    FileRecord(tmp_path).note_no_room(WANTED, ())

    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize(("later_s", "counts"), [(60.0, True), (13 * 3600.0, False), (-60.0, True)])
def test_no_room_counts_for_half_a_day(later_s: float, counts: bool, tmp_path: Path) -> None:
    recorded = Recorded(no_room=(refusal("a", at=1e9),))

    assert counts == bool(recorded.still_no_room(1e9 + later_s))


def test_the_same_names_in_another_folder_are_another_cloud(tmp_path: Path) -> None:
    record, clouds = FileRecord(tmp_path), {"demo": attrs.evolve(WANTED.clouds["demo"], directory="/elsewhere")}
    record.remember(WANTED, "web", "demo", FRONT)

    assert set() == known(record, attrs.evolve(WANTED, clouds=clouds))


def test_a_cloud_is_known_by_its_account_whatever_the_file_calls_it(tmp_path: Path) -> None:
    FileRecord(tmp_path, scopes={"demo": "account 1"}).remember(WANTED, "web", "demo", FRONT)
    renamed = attrs.evolve(WANTED.clouds["demo"], name="eu", options=immutabledict(staleness="5s"))
    other = Deployment(name=WANTED.name, clouds={"eu": renamed}, services=WANTED.services, fleets={})

    assert {("web", "eu", FRONT)} == known(FileRecord(tmp_path, scopes={"eu": "account 1"}), other)
    assert set() == known(FileRecord(tmp_path, scopes={"eu": "account 2"}), other)
