"""Who asks: google-auth's own code, with a key and a token service on this machine."""

import json
from collections.abc import Generator
from pathlib import Path

import pytest
from gce.clouds import options
from gce.emulator import Emulator
from gce.serving import served
from gce.tokens import TokenService

from vmpattern.driver import Selector
from vmpattern.errors import Transient, Unauthenticated
from vmpattern_gcp import GcpDriver

SHOP = Selector("shop")


@pytest.fixture
def tokens(emulator: Emulator) -> TokenService:
    return TokenService(emulator)


@pytest.fixture
def url(tokens: TokenService) -> Generator[str]:
    with served(tokens) as url:
        yield url


def connected(emulator: Emulator, url: str, folder: Path, **changes: object) -> GcpDriver:
    return GcpDriver(options(emulator, url, **changes), cloud="eu", directory=folder)


def test_a_key_file_gives_one_token_for_many_calls(
    emulator: Emulator, tokens: TokenService, url: str, tmp_path: Path
) -> None:
    tokens.write_key(tmp_path / "key.json", url)
    driver = connected(emulator, url, tmp_path, credentials="key.json")
    for _ in range(3):
        driver.instances(SHOP)

    assert 1 == tokens.given


def test_a_token_that_runs_out_is_renewed(emulator: Emulator, tokens: TokenService, url: str, tmp_path: Path) -> None:
    tokens.lifetime_s = 1  # google-auth renews some minutes before the end
    tokens.write_key(tmp_path / "key.json", url)
    driver = connected(emulator, url, tmp_path, credentials="key.json")
    for _ in range(3):
        driver.instances(SHOP)

    assert 3 == tokens.given


def test_the_project_is_the_key_s_unless_an_option_says_otherwise(
    emulator: Emulator, tokens: TokenService, url: str, tmp_path: Path
) -> None:
    tokens.write_key(tmp_path / "key.json", url)
    driver = connected(emulator, url, tmp_path, credentials="key.json", project=None)

    assert () == driver.instances(SHOP)


def test_application_default_credentials_are_found_where_google_s_tools_look(
    emulator: Emulator, tokens: TokenService, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tokens.write_key(tmp_path / "key.json", url)))
    driver = connected(emulator, url, tmp_path, project=None)

    assert ((), 1) == (driver.instances(SHOP), tokens.given)


def test_a_refused_key_is_unauthenticated(emulator: Emulator, tokens: TokenService, url: str, tmp_path: Path) -> None:
    tokens.refuses = True
    tokens.write_key(tmp_path / "key.json", url)

    with pytest.raises(Unauthenticated, match=r"key\.json gives no token .*invalid_grant.*gcloud auth"):
        connected(emulator, url, tmp_path, credentials="key.json").instances(SHOP)


def test_a_token_service_that_is_away_is_transient(
    emulator: Emulator, tokens: TokenService, url: str, tmp_path: Path
) -> None:
    tokens.write_key(tmp_path / "key.json", "http://127.0.0.1:9")

    with pytest.raises(Transient, match="tokens can't be reached"):
        connected(emulator, url, tmp_path, credentials="key.json").instances(SHOP)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param(json.dumps({"type": "service_account"}), id="without a key"),
        pytest.param(None, id="not there"),
    ],
)
def test_a_key_file_that_is_none_is_unauthenticated(
    emulator: Emulator, url: str, tmp_path: Path, text: str | None
) -> None:
    if text is not None:
        (tmp_path / "key.json").write_text(text)

    with pytest.raises(Unauthenticated, match=r"key\.json gives no token"):
        connected(emulator, url, tmp_path, credentials="key.json").instances(SHOP)


def test_a_broken_key_is_in_no_message(emulator: Emulator, tokens: TokenService, url: str, tmp_path: Path) -> None:
    path = tokens.write_key(tmp_path / "key.json", url)
    secret = json.loads(path.read_text())["private_key"].splitlines()[5]
    path.write_text(path.read_text().replace("BEGIN PRIVATE KEY", "BEGIN"))
    with pytest.raises(Unauthenticated) as caught:
        connected(emulator, url, tmp_path, credentials="key.json").instances(SHOP)

    assert secret not in f"{caught.value} {caught.value!r} {caught.value.__cause__!r}"
