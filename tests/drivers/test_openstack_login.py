"""Who asks: clouds.yaml, secure.yaml and variables, read once; what is lacking is told by name."""

from pathlib import Path

import pytest

from vmpattern.errors import Unauthenticated
from vmpattern_openstack.identity import token_request
from vmpattern_openstack.login import Login, find_login
from vmpattern_openstack.options import OpenStackOptions

CLOUDS = """\
clouds:
  eu:
    auth:
      auth_url: https://keystone.example:5000
      username: ann
      project_name: shop
      domain_name: acme
    region_name: Oslo
    cacert: authority.pem
    interface: internal
    compute_endpoint_override: https://nova.example/v2.1
  robot:
    auth_type: v3applicationcredential
    auth:
      auth_url: https://keystone.example:5000/v3
      application_credential_id: ac-1
      application_credential_secret: hush
  odd:
    auth_type: v3kerberos
    auth: { auth_url: "https://keystone.example" }
  bare:
    auth: { username: ann }
"""
SECURE = """\
clouds:
  eu:
    auth:
      password: hunter2
"""
VARIABLES = {
    "OS_AUTH_URL": "https://keystone.example/v3",
    "OS_USERNAME": "bob",
    "OS_PASSWORD": "hunter2",
    "OS_PROJECT_ID": "p-1",
    "OS_USER_DOMAIN_NAME": "acme",
    "OS_REGION_NAME": "Bergen",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "clouds.yaml").write_text(CLOUDS)
    (tmp_path / "secure.yaml").write_text(SECURE)
    return tmp_path


def login(folder: Path, environment: dict[str, str] | None = None, **options: object) -> Login:
    return find_login(OpenStackOptions(**options), folder, environment or {}, home=folder / "home")  # type: ignore[arg-type]


def refused(folder: Path, environment: dict[str, str] | None = None, **options: object) -> str:
    with pytest.raises(Unauthenticated) as caught:
        login(folder, environment, **options)
    return str(caught.value)


def test_the_password_of_secure_yaml_goes_with_the_cloud(folder: Path) -> None:
    found = login(folder, cloud="eu")

    assert "hunter2" == found.auth["password"]
    assert ("https://keystone.example:5000/v3", "Oslo", "internal") == (found.url, found.region, found.interface)


def test_a_file_that_a_cloud_names_is_beside_clouds_yaml(folder: Path) -> None:
    found = login(folder, cloud="eu")

    assert folder / "authority.pem" == found.ca_file


def test_the_address_of_a_service_may_be_written_down(folder: Path) -> None:
    assert {"compute": "https://nova.example/v2.1"} == login(folder, cloud="eu").endpoints


def test_a_domain_is_the_user_s_and_the_project_s(folder: Path) -> None:
    found = login(folder, cloud="eu")

    assert {
        "auth": {
            "identity": {
                "methods": ["password"],
                "password": {"user": {"name": "ann", "domain": {"name": "acme"}, "password": "hunter2"}},
            },
            "scope": {"project": {"name": "shop", "domain": {"name": "acme"}}},
        }
    } == token_request(found)


def test_options_take_the_place_of_what_is_written(folder: Path) -> None:
    found = login(folder, cloud="eu", region="Bergen", project="other", interface="public")

    assert ("Bergen", "other", "public") == (found.region, found.auth["project_name"], found.interface)


def test_an_application_credential_names_no_project(folder: Path) -> None:
    identity = {
        "methods": ["application_credential"],
        "application_credential": {"id": "ac-1", "secret": "hush"},
    }

    assert {"auth": {"identity": identity}} == token_request(login(folder, cloud="robot"))


def test_a_variable_chooses_the_cloud(folder: Path) -> None:
    assert "ac-1" == login(folder, {"OS_CLOUD": "robot"}).auth["application_credential_id"]


def test_a_variable_names_the_file(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "elsewhere.yaml"
    other.write_text(CLOUDS.replace("robot", "android"))

    assert "hush" in login(folder, {"OS_CLIENT_CONFIG_FILE": str(other)}, cloud="android").secrets


def test_variables_alone_will_do(tmp_path: Path) -> None:
    found = login(tmp_path, VARIABLES)

    assert ("p-1", "Bergen", "password") == (found.auth["project_id"], found.region, found.method)
    assert {"name": "bob", "domain": {"name": "acme"}, "password": "hunter2"} == token_request(found)["auth"][  # type: ignore[index]
        "identity"
    ]["password"]["user"]


def test_a_token_is_shown_where_there_is_no_password(tmp_path: Path) -> None:
    given = {"OS_AUTH_URL": "https://keystone.example", "OS_TOKEN": "tok", "OS_PROJECT_ID": "p-1"}

    assert {"methods": ["token"], "token": {"id": "tok"}} == token_request(login(tmp_path, given))["auth"]["identity"]  # type: ignore[index]


@pytest.mark.parametrize(
    ("cloud", "message"),
    [
        pytest.param("robo", "did you mean robot?", id="a cloud that isn't there"),
        pytest.param("odd", "wants 'v3kerberos' as auth_type", id="a way that isn't known"),
        pytest.param("bare", "lacks auth_url", id="no address"),
        pytest.param("bare", "lacks project_id or project_name", id="no project"),
        pytest.param("bare", "lacks password", id="no password"),
    ],
)
def test_what_is_lacking_is_told(folder: Path, cloud: str, message: str) -> None:
    assert message in refused(folder, cloud=cloud)


def test_where_nothing_is_said_it_is_told_what_to_say(tmp_path: Path) -> None:
    assert "name a cloud of clouds.yaml in the option cloud or in OS_CLOUD, or set OS_AUTH_URL" in refused(tmp_path)


def test_a_missing_file_is_told_with_every_place(tmp_path: Path) -> None:
    text = refused(tmp_path, cloud="eu")

    assert str(tmp_path / "clouds.yaml") in text
    assert "/etc/openstack/clouds.yaml" in text


def test_a_damaged_file_is_told_by_its_line_and_not_by_its_content(tmp_path: Path) -> None:
    (tmp_path / "clouds.yaml").write_text('clouds:\n  eu: { password: "hunter2\n')
    text = refused(tmp_path, cloud="eu")

    assert "is no YAML at line 3" in text
    assert "hunter2" not in text


def test_a_secret_is_in_no_form_of_a_login(folder: Path) -> None:
    assert "hunter2" not in repr(login(folder, cloud="eu"))
