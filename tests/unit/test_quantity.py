import pytest
from hypothesis import given, strategies as st

from vmpattern.model import Share
from vmpattern.model.quantity import (
    format_duration,
    format_mib,
    parse_duration,
    parse_gib,
    parse_mib,
    parse_share,
)
from vmpattern.model.words import LONGEST_S


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        pytest.param(30.0, "30s", id="seconds"),
        pytest.param(0.2, "200ms", id="milliseconds"),
        pytest.param(90.0, "1.5m", id="a part of a minute"),
        pytest.param(3600.0, "1h", id="an hour"),
        pytest.param(172800.0, "2d", id="days"),
        pytest.param(5.0, " 5 s ", id="spaces do no harm"),
        pytest.param(0.0, "0s", id="no time at all"),
    ],
)
def test_a_duration_is_read_in(seconds: float, text: str) -> None:
    assert seconds == parse_duration(text)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("30", id="no unit"),
        pytest.param("s", id="no number"),
        pytest.param("-5s", id="a negative number"),
        pytest.param("5 weeks", id="an unknown unit"),
        pytest.param("5S", id="a unit in capitals"),
        pytest.param("1e3s", id="an exponent"),
        pytest.param("1m30s", id="two units"),
        pytest.param("9" * 400 + "s", id="a number beyond all bounds"),
    ],
)
def test_no_duration_is_read_from(text: str) -> None:
    with pytest.raises(ValueError, match='expected a duration such as "30s"'):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        pytest.param("90s", 90.0, id="seconds where minutes would lose something"),
        pytest.param("2m", 120.0, id="minutes where they lose nothing"),
        pytest.param("1h", 3600.0, id="an hour instead of sixty minutes"),
        pytest.param("1d", 86400.0, id="a day instead of twenty-four hours"),
        pytest.param("250ms", 0.25, id="milliseconds below a second"),
        pytest.param("0s", 0.0, id="seconds for no time at all"),
    ],
)
def test_a_duration_is_written_in(text: str, seconds: float) -> None:
    assert text == format_duration(seconds)


@given(st.floats(min_value=0.0, max_value=LONGEST_S))
def test_a_duration_survives_writing_and_reading(seconds: float) -> None:
    assert seconds == parse_duration(format_duration(seconds))


@pytest.mark.parametrize(
    ("mib", "text"),
    [
        pytest.param(512, "512MiB", id="mebibytes"),
        pytest.param(4096, "4GiB", id="gibibytes"),
        pytest.param(512, "0.5GiB", id="a part of a gibibyte"),
        pytest.param(1048576, "1TiB", id="tebibytes"),
    ],
)
def test_a_size_of_memory_is_read_in(mib: int, text: str) -> None:
    assert mib == parse_mib(text)


@pytest.mark.parametrize(
    ("message", "text"),
    [
        pytest.param('expected a size such as "512MiB"', "4GB", id="units of a thousand are not guessed at"),
        pytest.param('expected a size such as "512MiB"', "4", id="a unit is needed"),
        pytest.param("expected a whole number of MiB", "0.3MiB", id="there is no part of a mebibyte"),
    ],
)
def test_no_size_is_read(message: str, text: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_mib(text)


def test_a_disk_is_read_in_gibibytes() -> None:
    assert 20 == parse_gib("20GiB")


def test_a_disk_is_a_whole_number_of_gibibytes() -> None:
    with pytest.raises(ValueError, match="expected a whole number of GiB"):
        parse_gib("1536MiB")


@given(st.integers(0, 2**40))
def test_a_size_of_memory_survives_writing_and_reading(mib: int) -> None:
    assert mib == parse_mib(format_mib(mib))


@pytest.mark.parametrize(
    ("share", "value"),
    [
        pytest.param(Share(2), 2, id="a number"),
        pytest.param(Share(2), "2", id="a number as text"),
        pytest.param(Share(25, percent=True), "25%", id="a percentage"),
        pytest.param(Share(0), 0, id="none"),
    ],
)
def test_a_share_is_read_from(share: Share, value: str | int) -> None:
    assert share == parse_share(value)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(-1, id="a negative number"),
        pytest.param("2.5%", id="a part of a percent"),
        pytest.param("%", id="no number"),
        pytest.param("a quarter", id="words"),
        pytest.param(True, id="a truth value"),
    ],
)
def test_no_share_is_read_from(value: str | int) -> None:
    with pytest.raises(ValueError, match="expected a whole number or a share"):
        parse_share(value)


@given(st.builds(Share, st.integers(0, 1000), percent=st.booleans()))
def test_a_share_survives_writing_and_reading(share: Share) -> None:
    assert share == parse_share(str(share))
