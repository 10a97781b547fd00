"""Whose name calls bear: the environment, a profile, a role; nothing more is loaded than is needed."""

import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.compat import HTTPHeaders
from botocore.credentials import Credentials as BotocoreCredentials
from loopback import Answer, Asked, loopback

from vmpattern.driver import Selector
from vmpattern.errors import Unauthenticated
from vmpattern_aws import AwsDriver, AwsOptions
from vmpattern_aws.credentials import Credentials, region, source

ENVIRON = {"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "s3cret", "AWS_SESSION_TOKEN": "t0ken"}
EMPTY = b"<R><reservationSet/></R>"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without anything of AWS, no metadata service."""
    for name in ENVIRON:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    return tmp_path


def test_keys_of_the_environment_are_taken() -> None:
    assert Credentials("AKID", "s3cret", "t0ken") == source(None, ENVIRON)()


def test_a_profile_that_is_named_comes_before_the_environment(home: Path) -> None:
    (home / "credentials").write_text("[work]\naws_access_key_id = WORK\naws_secret_access_key = w\n", "utf-8")

    assert Credentials("WORK", "w") == source("work", ENVIRON)()


def test_without_any_credentials_a_person_is_told_what_to_do(home: Path) -> None:
    with pytest.raises(Unauthenticated, match="log in with aws sso login"):
        source(None, {})()


def test_a_profile_that_is_not_there_is_unauthenticated(home: Path) -> None:
    with pytest.raises(Unauthenticated, match="nowhere"):
        source("nowhere", {})()


def test_credentials_that_expire_are_asked_for_at_each_request() -> None:
    with loopback(lambda _: Answer(200, EMPTY)) as server:
        keys = iter([Credentials("FIRST", "a"), Credentials("SECOND", "b", "token")])
        driver = AwsDriver(AwsOptions(region="us-east-1", endpoint=server.url), directory=Path(), environ=ENVIRON)
        driver._credentials = lambda: next(keys)
        for _ in range(2):
            driver.instances(Selector("shop"))

    first, second = server.asked
    assert ("Credential=FIRST/" in first.headers["authorization"], None) == (
        True,
        first.headers.get("x-amz-security-token"),
    )
    assert ("Credential=SECOND/" in second.headers["authorization"], "token") == (
        True,
        second.headers["x-amz-security-token"],
    )


def test_neither_secret_nor_token_is_in_an_address() -> None:
    with loopback(lambda _: Answer(200, EMPTY)) as server:
        driver = AwsDriver(AwsOptions(region="us-east-1", endpoint=server.url), directory=Path(), environ=ENVIRON)
        driver.instances(Selector("shop"))

    assert ["/"] == [asked.path for asked in server.asked]


def test_requests_are_signed_as_botocore_signs_them() -> None:
    with loopback(lambda _: Answer(200, EMPTY)) as server:
        driver = AwsDriver(AwsOptions(region="us-east-1", endpoint=server.url), directory=Path(), environ=ENVIRON)
        driver.instances(Selector("shop"))

    (asked,) = server.asked
    assert signature(asked.headers["authorization"]) == by_botocore(asked, server.url)


def signature(authorization: str) -> str:
    return authorization.rpartition("Signature=")[2]


class AllHeaders(SigV4Auth):
    """Signs every header that is there: botocore leaves out those that proxies change."""

    def headers_to_sign(self, request: AWSRequest) -> HTTPHeaders:
        found = HTTPHeaders()
        for name, value in request.headers.items():
            found[name] = value
        return found


def by_botocore(asked: Asked, url: str) -> str:
    """Sign the same headers with botocore, at the same moment."""
    signed = asked.headers["authorization"].partition("SignedHeaders=")[2].partition(",")[0].split(";")
    headers = {name: asked.headers[name] for name in signed}
    request = AWSRequest(asked.method, f"{url}{asked.path}", headers=headers, data=asked.body)
    request.context["timestamp"] = asked.headers["x-amz-date"]
    auth = AllHeaders(BotocoreCredentials("AKID", "s3cret", "t0ken"), "ec2", "us-east-1")
    canonical = auth.canonical_request(request)
    return auth.signature(auth.string_to_sign(request, canonical), request)


@pytest.mark.parametrize(
    ("named", "environ", "expected"),
    [
        pytest.param("eu-west-1", {"AWS_REGION": "us-east-1"}, "eu-west-1", id="the option first"),
        pytest.param(None, {"AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "x"}, "us-east-1", id="the environment"),
        pytest.param(None, {"AWS_DEFAULT_REGION": "us-west-2"}, "us-west-2", id="its default"),
        pytest.param(None, {}, "eu-north-1", id="the profile"),
    ],
)
def test_a_region_is_looked_for_in_order(
    home: Path, named: str | None, environ: Mapping[str, str], expected: str
) -> None:
    (home / "config").write_text("[default]\nregion = eu-north-1\n", "utf-8")

    assert expected == region(named, None, environ)


def test_keys_of_the_environment_load_no_botocore() -> None:
    code = (
        "import sys, pathlib; from vmpattern_aws import AwsDriver, AwsOptions;"
        "AwsDriver(AwsOptions(region='us-east-1'), directory=pathlib.Path(),"
        " environ={'AWS_ACCESS_KEY_ID': 'a', 'AWS_SECRET_ACCESS_KEY': 'b'})._api;"
        "print([name for name in sys.modules if name.startswith('boto')])"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True)

    assert "[]" == done.stdout.strip()


def test_a_staged_file_s_address_is_signed_for_its_time() -> None:
    moment = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
    options = AwsOptions(region="eu-west-1", staging_bucket="files")
    driver = AwsDriver(options, directory=Path(), environ=ENVIRON, now=moment.timestamp)
    query = driver._staging._signer.presigned("s3.eu-west-1.amazonaws.com", "/files/a", 60.0, at=moment)

    assert "X-Amz-Date=20261126T120000Z" in query
    assert "X-Amz-Expires=60" in query
    assert "s3cret" not in query
