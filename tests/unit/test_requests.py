import sys
from pathlib import Path
from typing import Any

import attrs
import pytest
from situations import NEW, OLD, fleet, instance, slot

from vmpattern.access.requests import checked_report, checked_rows, launch_request, resolved_env
from vmpattern.access.secrets import MOST_BYTES, secret_value
from vmpattern.driver import LaunchReport, LaunchRequest
from vmpattern.errors import ContractBroken, KeyConflict, Refused, Throttled
from vmpattern.model import Existing, Instance, LaunchKey, Market, Resources, Revision, Secret, Service

SERVICE = Service(name="shop", image=Existing({}), port=8080, resources=Resources(disk_gib=20))
VALUE = "pa55word"


def request(count: int = 2) -> LaunchRequest:
    return launch_request(
        "shop", fleet(3), SERVICE, slot("b"), count=count, key=LaunchKey("k"), previous=OLD, env={"DB": VALUE}
    )


@pytest.mark.parametrize(
    ("value", "field"),
    [
        ("k", "key"),
        (2, "count"),
        ("shop", "deployment"),
        ("web", "fleet"),
        (NEW, "revision"),
        (OLD, "previous"),
        ("b", "zone"),
        ("small", "machine_type"),
        (Market.ON_DEMAND, "market"),
        ("img-new", "image"),
        (20, "disk_gib"),
        (8080, "port"),
        ({"DB": VALUE}, "env"),
    ],
)
def test_a_request_carries(value: object, field: str) -> None:
    assert value == getattr(request(), field)


def test_a_request_shows_no_environment() -> None:
    assert VALUE not in repr(request())


# -- reports


def made(id: str, **changes: Any) -> Instance:
    return attrs.evolve(instance(id, zone="b", key="k"), **changes)


@pytest.mark.parametrize(
    "report",
    [
        pytest.param(LaunchReport(created=(made("i1"), made("i2"))), id="all created"),
        pytest.param(LaunchReport(created=(made("i1"),), adopted=(made("i2"),)), id="one created and one adopted"),
        pytest.param(LaunchReport(created=(made("i1"),), failures=(Throttled("slow"),)), id="one created, one failed"),
        pytest.param(LaunchReport(created=(made("i1"),), unknown=1), id="one created, one unknown"),
    ],
)
def test_a_report_is_believed(report: LaunchReport) -> None:
    assert report is checked_report("demo", request(), report)


@pytest.mark.parametrize(
    ("message", "report"),
    [
        pytest.param("launch returned NoneType, not a LaunchReport", None, id="that is none"),
        pytest.param("launch of 2 reported 1 instances", LaunchReport(created=(made("i1"),)), id="of too few"),
        pytest.param("launch of 2 reported 3 instances", LaunchReport(unknown=3), id="of too many"),
        pytest.param("launch of 2 reported 0 instances", LaunchReport(), id="of nobody"),
    ],
)
def test_a_report_breaks_the_contract(message: str, report: object) -> None:
    with pytest.raises(ContractBroken, match=f"demo: {message}"):
        checked_report("demo", request(), report)


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        pytest.param("deployment", {"deployment": "other"}, id="another deployment"),
        pytest.param("fleet", {"fleet": "api"}, id="another fleet"),
        pytest.param("revision", {"revision": Revision("other")}, id="another revision"),
        pytest.param("key", {"key": LaunchKey("other")}, id="another key"),
        pytest.param("zone", {"zone": "c"}, id="another zone"),
        pytest.param("machine_type", {"machine_type": "large"}, id="another machine type"),
        pytest.param("market", {"market": Market.SPOT}, id="another market"),
    ],
)
@pytest.mark.parametrize("how", ["created", "adopted"])
def test_an_instance_in_a_report_is_never_of(how: str, field: str, changes: dict[str, Any]) -> None:
    instances = (made("i1", **changes),)
    report = LaunchReport(created=instances) if how == "created" else LaunchReport(adopted=instances)

    with pytest.raises((ContractBroken, KeyConflict), match=f"i1, whose {field} isn't the request's"):
        checked_report("demo", request(1), report)


@pytest.mark.parametrize("changes", [{"fleet": "api"}, {"revision": Revision("other")}])
def test_what_a_key_made_and_was_relabelled_since_conflicts_with_it(changes: dict[str, Any]) -> None:
    report = LaunchReport(adopted=(made("i1", **changes),))

    with pytest.raises(KeyConflict, match=r"i1, whose .* isn't the request's any more"):
        checked_report("demo", request(1), report)


def test_an_instance_in_a_report_is_there_once() -> None:
    report = LaunchReport(created=(made("i1"),), adopted=(made("i1"),))

    with pytest.raises(ContractBroken, match="demo: launch returned an id twice"):
        checked_report("demo", request(), report)


# -- rows


def test_rows_of_the_deployment_are_believed() -> None:
    rows = (instance("i1"), instance("i2", fleet="api"))

    assert (rows, ()) == checked_rows("demo", "shop", rows)


@pytest.mark.parametrize(
    ("message", "rows"),
    [
        pytest.param("list, not a tuple of instances", [instance("i1")], id="a list"),
        pytest.param("NoneType, not a tuple of instances", None, id="nothing at all"),
        pytest.param("str among its instances", (instance("i1"), "i2"), id="something else in it"),
        pytest.param("i2, which isn't of shop", (instance("i1"), instance("i2", deployment="x")), id="a stranger"),
        pytest.param("an id twice", (instance("i1"), instance("i1", zone="b")), id="the same id twice"),
        pytest.param("i1 with a time that is none", (instance("i1", launched_at=float("nan")),), id="no launch time"),
        pytest.param("i1 with a time that is none", (instance("i1", kept_until=float("inf")),), id="kept for ever"),
    ],
)
def test_rows_break_the_contract_with(message: str, rows: object) -> None:
    with pytest.raises(ContractBroken, match=f"demo: instances returned {message}"):
        checked_rows("demo", "shop", rows)


# -- secrets


def env_of(ref: str, directory: Path) -> dict[str, str]:
    return resolved_env(attrs.evolve(SERVICE, env={"DB": Secret(ref), "LOG": "info"}), str(directory))


def test_plain_values_stay_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_DB", VALUE)

    assert {"DB": VALUE, "LOG": "info"} == env_of("env:SHOP_DB", tmp_path)


def test_a_secret_is_read_from_a_file_beside_the_deployment(tmp_path: Path) -> None:
    (tmp_path / "db.txt").write_text(f"{VALUE}\n", "utf-8")

    assert VALUE == env_of("file:db.txt", tmp_path)["DB"]


def test_a_secret_keeps_its_own_spaces_and_inner_lines(tmp_path: Path) -> None:
    (tmp_path / "db.txt").write_text(f" {VALUE}\nmore \n", "utf-8")

    assert f" {VALUE}\nmore " == env_of("file:db.txt", tmp_path)["DB"]


def test_a_secret_is_what_a_command_prints(tmp_path: Path) -> None:
    assert VALUE == env_of(f"command:{sys.executable} -c 'print(\"{VALUE}\")'", tmp_path)["DB"]


def test_a_command_runs_beside_the_deployment(tmp_path: Path) -> None:
    (tmp_path / "show.py").write_text(f"print('{VALUE}')", "utf-8")

    assert VALUE == env_of(f"command:{sys.executable} show.py", tmp_path)["DB"]


REFUSED = [
    pytest.param("the variable NO_SUCH isn't set", "env:NO_SUCH", id="a variable that isn't set"),
    pytest.param(
        "its file secret can't be read: no such file or directory; correct the path",
        "file:missing.txt",
        id="a file that isn't there",
    ),
    pytest.param("its file secret can't be read: it isn't UTF-8 text", "file:binary", id="a file that is no text"),
    pytest.param(
        "its command secret can't be read: no such file or directory; correct the line",
        "command:no-such-program-here",
        id="a command that isn't there",
    ),
    pytest.param(
        "its command secret can't be read: the command ended with status 1; run it by hand",
        f'command:{sys.executable} -c \'print("{VALUE}"); raise SystemExit("{VALUE}")\'',
        id="a command that fails",
    ),
    pytest.param(
        "its command secret can't be read: the line has a quote that isn't closed",
        "command:echo 'oops",
        id="a command with an open quote",
    ),
    pytest.param("its command secret can't be read: the line is empty", "command:", id="no command at all"),
    pytest.param(
        "its command secret can't be read: the command prints more than 1,048,576 bytes",
        f"command:yes {VALUE}",
        id="a command that never ends",
    ),
    pytest.param(
        "its command secret can't be read: the command was ended by signal 9",
        f"command:sh -c 'kill -9 $$ {VALUE}'",
        id="a command that is killed",
    ),
    pytest.param(
        "its command secret can't be read: it isn't UTF-8 text",
        r"command:printf \\377",
        id="a command that prints no text",
    ),
    pytest.param("a secret is env:NAME, file:PATH or command:LINE", VALUE, id="a value in place of a reference"),
    pytest.param("a secret is env:NAME, file:PATH or command:LINE", f"vault:{VALUE}", id="a kind that isn't known"),
]


@pytest.mark.parametrize(("message", "ref"), REFUSED)
def test_a_secret_that_cannot_be_had_is_refused(message: str, ref: str, tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(VALUE.encode() + b"\xff")

    with pytest.raises(Refused, match=rf"^services\.shop\.env\.DB: {message}"):
        env_of(ref, tmp_path)


@pytest.mark.parametrize(("message", "ref"), REFUSED)
def test_a_refusal_never_shows_a_value(message: str, ref: str, tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(VALUE.encode() + b"\xff")

    with pytest.raises(Refused, match=message) as caught:
        env_of(ref, tmp_path)

    assert VALUE not in f"{caught.value!r} {caught.value.__cause__!r}"


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("sleep 60", id="it prints nothing"),
        pytest.param("sh -c 'exec >&-; sleep 60'", id="it closes its output"),
        pytest.param("sh -c 'sleep 5 & exit 0'", id="what it started goes on"),
    ],
)
def test_a_command_that_takes_too_long_is_ended(line: str, tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"^env\.DB: its command secret .* took longer than 0.3 seconds; run it by hand"):
        secret_value("env.DB", Secret(f"command:{line}"), str(tmp_path), within_s=0.3)


def test_a_command_may_print_as_much_as_is_allowed(tmp_path: Path) -> None:
    line = f"""sh -c "head -c {MOST_BYTES} /dev/zero | tr '\\000' x\""""

    assert MOST_BYTES == len(env_of(f"command:{line}", tmp_path)["DB"])


@pytest.mark.parametrize(
    ("ref", "told"),
    [
        pytest.param("command:true", "there is nothing in it", id="a command that prints nothing"),
        pytest.param("command:echo", "there is nothing in it", id="a command that prints an empty line"),
        pytest.param("file:empty", "there is nothing in it", id="an empty file"),
        pytest.param("file:nul", "it has a NUL", id="a NUL"),
    ],
)
def test_what_can_be_no_secret_is_refused(ref: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "nul").write_text("a\0b")

    with pytest.raises(Refused, match=told):
        secret_value("env.DB", Secret(ref), str(tmp_path))
