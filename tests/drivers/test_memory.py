"""The memory driver's file: kept between processes, never lost, never overwritten when damaged."""

import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st
from simulated import BALANCER, OURS, ids, request

from vmpattern import naming
from vmpattern.errors import Denied, DriverError, Invalid, OutcomeUnknown
from vmpattern.model import Mislabelled, Phase
from vmpattern.simulation import EPOCH, FaultKind
from vmpattern_memory import MemoryDriver, MemoryOptions, keeping

NAME = "world.json"


def driver(folder: Path, path: str = NAME, **options: object) -> MemoryDriver:
    return MemoryDriver(MemoryOptions(path=path, **options), directory=folder)


def seen(made: MemoryDriver) -> set[tuple[str, Phase]]:
    return {(row.id, row.phase) for row in made.instances(OURS)}


# -- between processes ------------------------------------------------------------------------------------------------


EFFECTS = {
    "launch": lambda made, there: made.launch(request("k2")),
    "terminate": lambda made, there: made.terminate(there),
    "label": lambda made, there: made.label(there, {naming.KEPT_UNTIL: "5"}),
    "register": lambda made, there: made.register(BALANCER, there),
    "deregister": lambda made, there: (made.register(BALANCER, there), made.deregister(BALANCER, there)),
}


@pytest.mark.parametrize("verb", EFFECTS)
def test_an_effect_is_in_the_file_before_the_verb_returns(tmp_path, verb) -> None:
    made = driver(tmp_path)
    there = ids(made.launch(request("k1")))
    EFFECTS[verb](made, there)
    other = driver(tmp_path)

    assert made.instances(OURS) == other.instances(OURS)
    assert made.members(BALANCER) == other.members(BALANCER)


def test_an_effect_whose_reply_was_lost_is_in_the_file(tmp_path) -> None:
    with pytest.raises(OutcomeUnknown):
        driver(tmp_path, faults={FaultKind.LOST_AFTER: 1.0}).launch(request())

    assert 1 == len(driver(tmp_path).instances(OURS))


def test_the_key_of_a_launch_holds_in_another_process(tmp_path) -> None:
    first = driver(tmp_path).launch(request("k1", 3))

    assert first.created == driver(tmp_path).launch(request("k1", 3)).adopted


def test_time_is_kept_when_the_driver_is_closed(tmp_path) -> None:
    made = driver(tmp_path)
    made.launch(request())
    made.advance(EPOCH + 25.0)
    made.close()
    other = driver(tmp_path)

    assert (EPOCH + 25.0, [Phase.RUNNING]) == (other.clock.now(), [row.phase for row in other.instances(OURS)])


def test_a_crash_loses_time_and_no_instance(tmp_path) -> None:
    made = driver(tmp_path)
    launched = ids(made.launch(request()))
    made.advance(EPOCH + 25.0)

    assert {(launched[0], Phase.PENDING)} == seen(driver(tmp_path))


def test_what_another_process_did_is_seen_at_the_next_call(tmp_path) -> None:
    one, other = driver(tmp_path), driver(tmp_path)
    one.instances(OURS)
    launched = ids(other.launch(request("k1")))
    one.launch(request("k2"))

    assert {launched[0], *(row.id for row in one.instances(OURS))} == {row.id for row in other.instances(OURS)}


def test_the_clock_never_goes_back_when_another_process_writes(tmp_path) -> None:
    one, other = driver(tmp_path), driver(tmp_path)
    one.advance(EPOCH + 500.0)
    other.launch(request())
    one.instances(OURS)

    assert EPOCH + 500.0 == one.clock.now()
    assert [Phase.RUNNING] == [row.phase for row in one.instances(OURS)]


@settings(max_examples=settings().max_examples // 3)
@given(st.lists(st.tuples(st.booleans(), st.sampled_from(("launch", "end", "wait", "look"))), max_size=12))
def test_two_followers_of_one_file_miss_no_change(tmp_path_factory, steps) -> None:
    folder = tmp_path_factory.mktemp("shared")
    both, views, cursors = [driver(folder), driver(folder)], [{}, {}], [0, 0]
    for number, (which, what) in enumerate(steps):
        made = both[which]
        if what == "launch":
            made.advance(made.clock.now() + 1.0)
            made.launch(request(f"k{number}", 2))
        elif what == "end":
            made.terminate([row.id for row in made.changes(OURS, 0).instances[:1]])
        elif what == "wait":
            made.advance(made.clock.now() + 12.0)
        else:
            changes = made.changes(OURS, cursors[which])
            cursors[which] = changes.cursor
            views[which].update({row.id: row for row in changes.instances})
            shown = {row.id: row for row in made.instances(OURS)}

            assert shown == {id: row for id, row in views[which].items() if id in shown}
            assert all(row.phase is Phase.TERMINATED for id, row in views[which].items() if id not in shown)


def test_a_followers_feed_stays_small_while_nobody_else_writes(tmp_path) -> None:
    made = driver(tmp_path)
    made.launch(request("k1", 50))
    cursor = made.changes(OURS, 0).cursor
    made.launch(request("k2", 1))

    assert 1 == len(made.changes(OURS, cursor).instances)


def test_the_folder_is_made_when_needed(tmp_path) -> None:
    driver(tmp_path, ".vmpattern/demo.json").launch(request())

    assert (tmp_path / ".vmpattern" / "demo.json").is_file()


def test_making_a_driver_touches_nothing(tmp_path) -> None:
    driver(tmp_path)

    assert [] == list(tmp_path.iterdir())


def test_a_removed_file_begins_a_new_world(tmp_path) -> None:
    made = driver(tmp_path)
    made.launch(request())
    (tmp_path / NAME).unlink()

    assert () == made.instances(OURS)


def test_options_may_change_between_processes(tmp_path) -> None:
    driver(tmp_path, zones=("a", "b")).launch(request(zone="b"))
    made = MemoryDriver(MemoryOptions(path=NAME, zones=("a",)), cloud="other", directory=tmp_path)

    assert [("other", "b")] == [(row.cloud, row.zone) for row in made.instances(OURS)]


# -- damage -----------------------------------------------------------------------------------------------------------


def changed(text: str, old: str, new: str) -> str:
    assert old in text
    return text.replace(old, new, 1)


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        pytest.param(lambda text: "", "isn't JSON", id="empty"),
        pytest.param(lambda text: text[: len(text) // 2], "isn't JSON", id="cut short"),
        pytest.param(lambda text: "\0" * len(text), "isn't JSON", id="zeros"),
        pytest.param(lambda text: "[1, 2]", "isn't the file of a simulated cloud", id="another kind of JSON"),
        pytest.param(lambda text: "{}", "isn't the file of a simulated cloud", id="an empty table"),
        pytest.param(lambda text: changed(text, '"version": 1', '"version": 2'), "of version 2", id="another version"),
        pytest.param(lambda text: changed(text, "pending", "running"), "doesn't match its checksum", id="edited"),
        pytest.param(lambda text: changed(text, '"seq":1', '"seq":2'), "doesn't match its checksum", id="one digit"),
    ],
)
def test_a_damaged_file_is_refused_named_and_kept(tmp_path, damage, told) -> None:
    driver(tmp_path).launch(request())
    file = tmp_path / NAME
    file.write_text(damage(file.read_text("utf-8")), "utf-8")
    before = file.read_bytes()
    made = driver(tmp_path)
    messages = []
    for act in (made.instances, made.images):
        with pytest.raises(Invalid) as caught:
            act(OURS)
        messages.append(str(caught.value))
    with pytest.raises(Invalid):
        made.launch(request("k2"))
    made.close()

    assert all(str(file) in text and told in text and "left as it is" in text for text in messages)
    assert before == file.read_bytes()


def test_a_damaged_world_has_a_clock_that_stands_still_and_closes(tmp_path) -> None:
    (tmp_path / NAME).write_text("{", "utf-8")
    made = driver(tmp_path)
    made.advance(EPOCH + 60.0)
    made.close()

    assert EPOCH == made.clock.now()


def test_the_clock_of_a_world_that_is_damaged_and_put_back_never_goes_back(tmp_path) -> None:
    driver(tmp_path).launch(request())
    file, made = tmp_path / NAME, driver(tmp_path)
    whole = file.read_bytes()
    made.advance(EPOCH + 60.0)
    file.write_text("{", "utf-8")
    with pytest.raises(Invalid):
        made.instances(OURS)
    while_damaged = made.clock.now()
    file.write_bytes(whole)
    made.instances(OURS)

    assert (EPOCH + 60.0, EPOCH + 60.0) == (while_damaged, made.clock.now())


def test_a_world_with_a_right_checksum_and_wrong_content_is_refused(tmp_path) -> None:
    body = keeping._dumped({"at": "noon"})
    checksum = keeping.hashlib.sha256(body).hexdigest()
    (tmp_path / NAME).write_bytes(keeping._head(checksum) + body + b"}\n")
    with pytest.raises(Invalid, match="is damaged"):
        driver(tmp_path).instances(OURS)


def edited(folder, change) -> None:
    """Change a file by hand: the checksum goes, by which it would be refused."""
    file = folder / NAME
    document = json.loads(file.read_text("utf-8"))
    del document["sha256"]
    change(document["world"])
    file.write_text(json.dumps(document), "utf-8")


def test_a_file_without_a_checksum_is_one_that_was_edited(tmp_path) -> None:
    driver(tmp_path).launch(request())
    edited(tmp_path, lambda world: world["vms"][0]["row"].update(zone="c"))

    assert ["c"] == [row.zone for row in driver(tmp_path).instances(OURS)]


def test_a_label_that_was_edited_makes_a_vm_mislabelled(tmp_path) -> None:
    (row,) = driver(tmp_path).launch(request()).created
    edited(tmp_path, lambda world: world["vms"][0]["row"].update(fleet="Web.1"))
    reason = "its label vmpattern-fleet is 'Web.1', which is no fleet's name"

    assert (Mislabelled(id=row.id, cloud=row.cloud, deployment=row.deployment, reason=reason),) == driver(
        tmp_path
    ).instances(OURS)


def test_a_file_is_one_scope_by_whatever_way_it_is_named(tmp_path) -> None:
    (tmp_path / "link").symlink_to(tmp_path, target_is_directory=True)
    paths = ("world.json", "./x/../world.json", "link/world.json", "other.json")
    scopes = [MemoryDriver(MemoryOptions(path=path), directory=tmp_path).scope() for path in paths]

    assert (1, True) == (len(set(scopes[:3])), scopes[3] != scopes[0])


def test_a_cloud_in_the_process_has_no_scope_that_another_could_have(tmp_path) -> None:
    assert "" == MemoryDriver(MemoryOptions(), directory=tmp_path).scope()


def test_the_layout_of_the_json_does_not_matter(tmp_path) -> None:
    driver(tmp_path).launch(request())
    file = tmp_path / NAME
    file.write_text(json.dumps(json.loads(file.read_text("utf-8")), indent=4), "utf-8")

    assert 1 == len(driver(tmp_path).instances(OURS))


def test_what_a_crash_left_beside_the_file_does_no_harm(tmp_path) -> None:
    driver(tmp_path).launch(request("k1"))
    (tmp_path / f"{NAME}.new").write_text("half a wor", "utf-8")
    driver(tmp_path).launch(request("k2"))

    assert 2 == len(driver(tmp_path).instances(OURS))


def test_a_folder_in_the_files_place_is_invalid(tmp_path) -> None:
    (tmp_path / NAME).mkdir()
    with pytest.raises(DriverError, match=NAME):
        driver(tmp_path).instances(OURS)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_is_denied(tmp_path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(Denied, match=NAME):
            driver(tmp_path).launch(request())
    finally:
        tmp_path.chmod(0o700)


# -- several processes at once ----------------------------------------------------------------------------------------

WORKER = """
import sys
from pathlib import Path
from simulated import request
from vmpattern_memory import MemoryDriver, MemoryOptions

folder, prefix, most = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
made = MemoryDriver(MemoryOptions(path="world.json"), directory=folder)
print("begun", flush=True)
for number in range(most):
    (row,) = made.launch(request(f"{prefix}-{number}")).created
    print(row.id, flush=True)
    made.advance(made.clock.now() + 3.0)
"""


def worker(folder: Path, prefix: str, most: int) -> "subprocess.Popen[str]":
    paths = os.pathsep.join([str(Path(__file__).parents[1] / "support"), *sys.path])
    command = [sys.executable, "-c", WORKER, str(folder), prefix, str(most)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": paths})


def acknowledged(process: "subprocess.Popen[str]") -> set[str]:
    # A line that the end cut short was never read whole: whoever launched it doesn't count it either.
    assert process.stdout is not None
    lines = process.stdout.read().splitlines(keepends=True)
    process.stdout.close()
    process.wait()
    return {line.strip() for line in lines if line.endswith("\n")} - {"begun"}


def test_two_processes_at_once_lose_nothing(tmp_path) -> None:
    workers = [worker(tmp_path, prefix, 25) for prefix in ("p", "q")]
    told = [acknowledged(process) for process in workers]

    assert [25, 25] == [len(each) for each in told]
    assert set().union(*told) == {row.id for row in driver(tmp_path).instances(OURS)}


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="kills as POSIX does")
def test_a_killed_process_loses_no_launch_that_it_told(tmp_path) -> None:
    moments = random.Random(5)
    told: set[str] = set()
    for round in range(5):
        process = worker(tmp_path, f"r{round}", 10_000)
        assert process.stdout is not None
        process.stdout.readline()
        told |= {process.stdout.readline().strip() for _ in range(moments.randrange(1, 10))}
        process.kill()
        told |= acknowledged(process)
        there = {row.id for row in driver(tmp_path).instances(OURS)}

        assert told <= there
