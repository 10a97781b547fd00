"""What each command prints where, and its exit status; the library behind it is replaced by values."""

import cli_values as values
import pytest

from vmpattern.cli.command import SHARED
from vmpattern.cli.table import COMMANDS, LATER, overview
from vmpattern.errors import Denied, Locked, Problem, SpecError, StalePlan
from vmpattern.model import Failure, Result

QUOTA = Failure(code="QuotaExceeded", scope="account", message="40 of 40 vCPUs are used: ask for more")


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "vmpattern.toml"
    path.write_text('deployment = "shop-prod"\n', "utf-8")
    return path


def engine(plan=None, result=Result.COMPLETE, **more) -> values.Stub:
    return values.Stub(plan or values.rolling(), values.outcome(result, **more))


def test_help_lists_every_command(call) -> None:
    ran = call("--help")

    assert (0, overview(), "") == (ran.status, ran.out, ran.err)
    assert all(f"  {name} " in ran.out for name in COMMANDS)
    assert all(name in ran.out for name in LATER)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_takes_the_shared_options(name: str, call) -> None:
    ran = call(name, "--help")

    assert ran.status == 0
    assert [] == [option.opts[-1] for option in SHARED if option.opts[-1] not in ran.out]


@pytest.mark.parametrize("name", LATER)
def test_what_comes_later_says_so(name: str, call) -> None:
    ran = call(name, "--whatever", "x")

    assert (64, "") == (ran.status, ran.out)
    assert f"{name} comes with a later version" in ran.err


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        pytest.param(["aply"], "did you mean apply?", id="a command that isn't there"),
        pytest.param(["xyzzy"], "--help", id="nothing like it"),
        pytest.param([], "Commands:", id="no command"),
        pytest.param(["--loud"], "--loud", id="an unknown option"),
        pytest.param(["plan", "--loud"], "vmpattern plan --help", id="an unknown option of a command"),
        pytest.param(["scale", "shop"], "SIZE", id="an argument left out"),
        pytest.param(["scale", "shop", "-1"], "-1", id="a negative size"),
        pytest.param(["scale", "shop", "many"], "many", id="a size in words"),
        pytest.param(["scale", "shopp", "3"], "did you mean shop?", id="a fleet that isn't there"),
        pytest.param(["scale", "shop", "3", "--fleet", "queue"], "leave --fleet away", id="two fleets named"),
        pytest.param(["plan", "--fleet", "shopp"], "did you mean shop?", id="a filter for no fleet"),
        pytest.param(["plan", "-f", "other.toml"], "there is no file other.toml", id="a file that isn't there"),
        pytest.param(["apply"], "--yes", id="a question and no terminal"),
        pytest.param(["destroy"], "--yes", id="a question and no terminal, destroying"),
        pytest.param(["apply", "p.json", "--refresh"], "finished plan", id="refreshing a finished plan"),
        pytest.param(["status", "--watch", "--json"], "one document", id="an endless document"),
    ],
)
def test_wrong_usage_is_64_and_says_what_is_right(words: list[str], hint: str, call, file) -> None:
    stub = engine()
    ran = call(*words, engine=stub)

    assert ran.status == 64
    assert hint in ran.err
    assert [] == stub.applied


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(["--json", "--fleet", "queue", "-v", "--no-color", "status"], id="before"),
        pytest.param(["status", "--json", "--fleet", "queue", "-v", "--no-color"], id="after"),
        pytest.param(["--json", "-v", "status", "--fleet", "queue", "--no-color"], id="on both sides"),
    ],
)
def test_shared_options_may_stand_before_and_after_the_command(words: list[str], call, file) -> None:
    ran = call(*words, engine=engine())

    assert ["queue"] == list(ran.document["fleets"])


def test_fleets_that_are_named_before_and_after_the_command_add_up(call, file) -> None:
    ran = call("--fleet", "shop", "status", "--json", "--fleet", "queue", engine=engine())

    assert ["shop", "queue"] == list(ran.document["fleets"])


def test_wrong_usage_with_json_is_a_document(call, file) -> None:
    ran = call("plan", "--json", "--loud")

    assert ran.status == 64
    assert ran.document["error"]["code"] == "WrongUsage"
    assert [] == ran.document["error"]["problems"]


def test_a_wrong_file_lists_every_problem(call, file) -> None:
    class Wrong(values.Stub):
        def load(self, path):
            raise SpecError([Problem("fleets.shop.sise", "unknown key", 7), Problem("clouds", "missing")], str(path))

    stub = Wrong(values.nothing(), values.outcome(Result.NOTHING))
    ran, with_json = call("plan", engine=stub), call("plan", "--json", engine=stub)

    assert (64, "", 64) == (ran.status, ran.out, with_json.status)
    assert "vmpattern.toml:7: fleets.shop.sise: unknown key\nvmpattern.toml: clouds: missing\n" == ran.err
    assert [7, None] == [problem["line"] for problem in with_json.document["error"]["problems"]]


@pytest.mark.parametrize(
    ("plan", "status"), [(values.nothing(), 0), (values.rolling(), 2), (values.stuck(), 1), (values.unreadable(), 1)]
)
def test_plan_tells_changes_by_its_status(plan, status: int, call, file) -> None:
    ran = call("plan", engine=engine(plan))

    assert status == ran.status
    assert ran.out.startswith("Plan for shop-prod")


@pytest.mark.parametrize(
    ("result", "status"),
    [
        (Result.COMPLETE, 0),
        (Result.NOTHING, 0),
        (Result.FAILED, 1),
        (Result.PAUSED, 1),
        (Result.ROLLED_BACK, 1),
        (Result.INTERRUPTED, 130),
    ],
)
def test_apply_tells_its_end_by_its_status(result: Result, status: int, call, file, golden) -> None:
    errors = (QUOTA, QUOTA) if status == 1 else ()
    remaining = ("2 launches without an answer",) if status == 130 else ()
    ran = call("apply", "--yes", engine=engine(result=result, errors=errors, remaining=remaining))

    assert status == ran.status
    golden(f"apply-{result.value}.txt", ran.out[ran.out.index("costs") :] + "-- standard error\n" + ran.err)


def test_events_are_told_on_standard_error_and_all_of_them_on_request(call, file) -> None:
    plain, full = call("apply", "--yes", engine=engine()), call("apply", "--yes", "-v", engine=engine())

    assert "0:00  shop launched demo/a i-new0000" in plain.err
    assert "launching" not in plain.err
    assert "0:20  shop launching demo/a i-new0000" in full.err


def test_apply_of_nothing_for_want_of_an_answer_is_no_success(call, file) -> None:
    stub = engine(values.unreadable(), Result.NOTHING)
    ran = call("apply", "--yes", engine=stub)

    assert (1, []) == (ran.status, stub.applied)
    assert "the apply would have ended failed" in ran.err


def test_apply_of_nothing_asks_nothing(call, file) -> None:
    ran = call("apply", engine=engine(values.nothing(), Result.NOTHING))

    assert ran.status == 0


@pytest.mark.parametrize("error", [Locked("fleet shop is being applied"), StalePlan("shop moved"), Denied("no")])
def test_a_refusal_is_1_without_a_traceback(error: Exception, call, file) -> None:
    ran = call("apply", "--yes", engine=values.Stub(values.rolling(), error))

    assert ran.status == 1
    assert str(error) in ran.err
    assert "Traceback" not in ran.err


def test_an_unexpected_error_is_one_line_and_with_v_a_traceback(call, file) -> None:
    stub = values.Stub(values.rolling(), RuntimeError("boom"))
    plain, full = call("apply", "--yes", engine=stub), call("apply", "--yes", "-v", engine=stub)

    assert (1, 1) == (plain.status, full.status)
    assert "This shouldn't have happened: RuntimeError: boom" in plain.err
    assert "Traceback" not in plain.err
    assert "Traceback" in full.err


def test_scale_asks_for_that_fleet_alone_and_reminds_of_the_file(call, file) -> None:
    stub = engine()
    ran = call("scale", "shop", "9", "--yes", engine=stub)

    assert ran.status == 0
    assert [{"shop": 9}] == stub.asked
    assert "vmpattern.toml still says 6" in ran.err


def test_destroy_asks_for_no_instance_at_all(call, file) -> None:
    stub = engine(values.destruction())
    ran = call("destroy", "--yes", engine=stub)

    assert ran.status == 0
    assert [{"shop": 0, "queue": 0}] == stub.asked


def test_destroy_spares_the_other_fleets(call, file) -> None:
    stub = engine(values.destruction())
    call("destroy", "--yes", "--fleet", "queue", engine=stub)

    assert [{"queue": 0}] == stub.asked


def test_init_writes_once_and_names_the_next_commands(call, tmp_path) -> None:
    first, again = call("init", engine=engine()), call("init", "--driver", "other", engine=engine())

    assert (0, 1) == (first.status, again.status)
    assert "vmpattern plan" in first.out
    assert "left as it is" in again.err
    assert (tmp_path / "vmpattern.toml").read_text("utf-8").endswith("# driver memory\n")


def test_status_shows_every_instance(call, file, golden) -> None:
    ran = call("status", engine=engine())

    assert ran.status == 0
    golden("status-wide.txt", ran.out)


def test_status_with_json_tells_what_a_provider_says_against_an_instance(call, file) -> None:
    fleet = call("status", "--json", engine=engine()).document["fleets"]["shop"]

    assert ["", "", values.COMPLAINT] == [row["complaint"] for row in fleet["instances"]]


def test_status_with_json_has_every_key(call, file) -> None:
    fleet = call("status", "--json", engine=engine()).document["fleets"]["shop"]
    expected = {"id", "name", "phase", "health", "revision", "cloud", "zone", "machine_type", "address", "launched_at"}

    assert (6, 1, 1, 0.168) == (fleet["desired"], fleet["ready"], fleet["out_of_date"], fleet["price_per_hour"])
    assert expected <= fleet["instances"][0].keys()
    assert fleet["instances"][0]["launched_at"] == "2026-05-28T19:20:00Z"


def test_status_of_an_unreadable_cloud_is_1(call, file) -> None:
    stub = values.Stub(values.nothing(), values.outcome(Result.NOTHING), error="timed out")
    ran, with_json = call("status", engine=stub), call("status", "--json", engine=stub)

    assert (1, 1) == (ran.status, with_json.status)
    assert "demo couldn't be read: timed out" in ran.out
    assert {"demo": "timed out"} == with_json.document["unreadable"]
