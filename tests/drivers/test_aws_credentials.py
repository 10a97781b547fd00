"""Whose name calls bear: the environment, a profile, a role; nothing more is loaded than is needed."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aws_cloud.serving import Cloud
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


def test_the_metadata_service_gives_the_role_of_the_vm(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    role = "/latest/meta-data/iam/security-credentials/"

    def answer(asked: Asked) -> Answer:
        if asked.path == "/latest/api/token":
            return Answer(200, b"session") if asked.method == "PUT" else Answer(405)
        if asked.headers.get("x-aws-ec2-metadata-token") != "session":
            return Answer(401)
        return {role: Answer(200, b"web"), f"{role}web": Answer(200, json.dumps(of_the_role()).encode())}.get(
            asked.path, Answer(404)
        )

    with loopback(answer) as server:
        monkeypatch.delenv("AWS_EC2_METADATA_DISABLED")
        monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", server.url)
        found = source(None, {})()

    assert Credentials("ROLE", "r", "role-token") == found


def of_the_role() -> dict[str, str]:
    return {
        "Code": "Success",
        "Type": "AWS-HMAC",
        "AccessKeyId": "ROLE",
        "SecretAccessKey": "r",
        "Token": "role-token",
        "LastUpdated": in_hours(0).isoformat(),
        "Expiration": in_hours(6).isoformat(),
    }


def in_hours(hours: float) -> datetime:
    return datetime.now(UTC) + timedelta(hours=hours)


def test_a_profile_may_assume_a_role(home: Path, monkeypatch: pytest.MonkeyPatch, aws_cloud: Cloud) -> None:
    (home / "config").write_text(
        "[profile deployer]\nsource_profile = work\nregion = us-east-1\n"
        "role_arn = arn:aws:iam::123456789012:role/deployer\n",
        "utf-8",
    )
    (home / "credentials").write_text("[work]\naws_access_key_id = WORK\naws_secret_access_key = w\n", "utf-8")
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", aws_cloud.url)
    found = source("deployer", {})()

    assert found.key.startswith("ASIA")
    assert found.token
    assert 1 == aws_cloud.ask("counts")["AssumeRole"]


START = "https://desk.awsapps.com/start"
DESK = f"""
[profile desk]
sso_start_url = {START}
sso_region = us-east-1
sso_account_id = 123456789012
sso_role_name = deployer
"""


def logged_in(home: Path, hours: float, endpoint: str) -> str:
    """Return what a process of its own makes of a login that lasts for so long: where it is kept is settled early."""
    (home / "config").write_text(DESK, "utf-8")
    cache = home / ".aws" / "sso" / "cache"
    cache.mkdir(parents=True)
    expires = in_hours(hours).strftime("%Y-%m-%dT%H:%M:%SZ")
    login = {"startUrl": START, "region": "us-east-1", "accessToken": "logged-in", "expiresAt": expires}
    (cache / f"{hashlib.sha1(START.encode()).hexdigest()}.json").write_text(json.dumps(login))
    code = (
        "from vmpattern_aws.credentials import source\n"
        "from vmpattern.errors import Unauthenticated\n"
        "try: found = source('desk', {})(); print(found.key, found.secret, found.token)\n"
        "except Unauthenticated as error: print(error)"
    )
    environ = {**os.environ, "HOME": str(home), "AWS_ENDPOINT_URL_SSO": endpoint}
    command = [sys.executable, "-W", "ignore", "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True, env=environ).stdout.strip()


def test_a_profile_may_be_logged_in_by_sso(home: Path) -> None:
    keys = {"accessKeyId": "DESK", "secretAccessKey": "d", "sessionToken": "desk-token"}
    told = {"roleCredentials": {**keys, "expiration": int(in_hours(6).timestamp() * 1000)}}
    with loopback(lambda _: Answer(200, json.dumps(told).encode())) as server:
        found = logged_in(home, 6.0, server.url)

    (asked,) = server.asked
    assert "DESK d desk-token" == found
    assert "logged-in" == asked.headers["x-amz-sso_bearer_token"]
    assert "/federation/credentials?role_name=deployer&account_id=123456789012" == asked.path


def test_a_login_that_has_expired_says_to_log_in_again(home: Path) -> None:
    with loopback(lambda _: Answer(500)) as server:
        told = logged_in(home, -6.0, server.url)

    assert [] == server.asked
    assert "aws sso login" in told


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
