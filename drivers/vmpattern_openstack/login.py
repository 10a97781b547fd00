"""Who asks, as users of OpenStack write it: clouds.yaml with secure.yaml, or variables. Read when a driver is made.

Nothing here talks to a cloud.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import cast

import attrs

from vmpattern.driver.options import nearest
from vmpattern.errors import Scope, ScopeKind, Unauthenticated
from vmpattern_openstack.options import OpenStackOptions

Table = Mapping[str, object]
PASSWORD, TOKEN, APPLICATION = "password", "token", "application_credential"
METHODS = {
    "password": PASSWORD,
    "v3password": PASSWORD,
    "token": TOKEN,
    "v3token": TOKEN,
    "v3applicationcredential": APPLICATION,
}
"""The values of `auth_type` that are known here."""

NAMES = (
    "auth_url",
    "username",
    "user_id",
    "password",
    "token",
    "project_name",
    "project_id",
    "user_domain_name",
    "user_domain_id",
    "project_domain_name",
    "project_domain_id",
    "application_credential_id",
    "application_credential_name",
    "application_credential_secret",
)
"""What stands under `auth` in clouds.yaml, or in a variable of that name after OS_."""

ALSO = {
    "domain_name": ("user_domain_name", "project_domain_name"),
    "domain_id": ("user_domain_id", "project_domain_id"),
}
"""Short forms, and what each stands for."""


@attrs.frozen(kw_only=True)
class Login:
    """What is shown to Keystone, and where: `auth` has the names of clouds.yaml, and no empty value."""

    method: str
    auth: Mapping[str, str] = attrs.field(repr=False)
    region: str | None = None
    interface: str = "public"
    ca_file: Path | None = None
    verify: bool = True
    endpoints: Mapping[str, str] = attrs.field(factory=dict)

    @property
    def url(self) -> str:
        """The address of Keystone's API, version 3."""
        url = self.auth["auth_url"].rstrip("/")
        return url if url.endswith("/v3") else f"{url.removesuffix('/v2.0')}/v3"

    @property
    def scope(self) -> str:
        """Keystone's address, the project and the region, as far as they are written."""
        named = ("project_id", "project_name", "project_domain_name", "project_domain_id")
        if METHODS.get(self.method) == APPLICATION:
            named = ("application_credential_id", "application_credential_name", "user_id", "username")
        project = " ".join(f"{name} {self.auth[name]}" for name in named if name in self.auth)
        return f"{self.url} {project}, region {self.region or 'not named'}"

    @property
    def secrets(self) -> tuple[str, ...]:
        """What no message may contain."""
        return tuple(self.auth[name] for name in _SECRET if name in self.auth)


_SECRET = ("password", "token", "application_credential_secret")


def find_login(options: OpenStackOptions, directory: Path, environment: Mapping[str, str], *, home: Path) -> Login:
    """Read the login that the options mean.

    Args:
        directory: where relative paths and a clouds.yaml beside the file are looked for.
        home: the person's folder, for ~/.config/openstack.

    Raises:
        Unauthenticated: there is none, it is incomplete, or a file can't be read; the text names all that is missing.
    """
    chosen = options.cloud or environment.get("OS_CLOUD")
    if chosen:
        named = options.clouds_file or environment.get("OS_CLIENT_CONFIG_FILE")
        table = _from_files(chosen, directory / named if named else None, [directory, *_usual(home)])
    else:
        table = _from_environment(environment)
    login = _login(_with_options(table, options), directory)
    if problems := tuple(_problems(login, chosen)):
        raise _no_login("; ".join(problems))
    return login


def _no_login(message: str) -> Unauthenticated:
    return Unauthenticated(message, code="NoLogin", scope=Scope(ScopeKind.ACCOUNT))


def _usual(home: Path) -> list[Path]:
    return [home / ".config/openstack", Path("/etc/openstack")]


def _from_environment(environment: Mapping[str, str]) -> Table:
    def get(name: str) -> str | None:
        return environment.get(f"OS_{name.upper()}")

    return {
        "auth": {name: get(name) for name in (*NAMES, *ALSO)},
        "auth_type": get("auth_type"),
        "region_name": get("region_name"),
        "interface": get("interface"),
        "cacert": get("cacert"),
        "verify": get("insecure") not in ("1", "true", "True"),
    }


def _from_files(chosen: str, named: Path | None, folders: list[Path]) -> Table:
    files = [named] if named else [folder / f"clouds.{end}" for folder in folders for end in ("yaml", "yml")]
    path = next((path for path in files if path.is_file()), None)
    if path is None:
        places = " or ".join(str(file) for file in files)
        raise _no_login(f"the cloud {chosen!r} is in no clouds.yaml: there is no {places}")
    clouds = _table(_read(path).get("clouds"))
    if chosen not in clouds:
        raise _no_login(f"the cloud {chosen!r} isn't in {path}; {nearest(chosen, clouds)}")
    cloud = _table(clouds[chosen])
    if "profile" in cloud:
        text = f"{path} says `profile` of {chosen!r}, which isn't read here: write its auth_url and region there"
        raise _no_login(text)
    secret = path.with_name(path.name.replace("clouds", "secure"))
    hidden = _table(_table(_read(secret).get("clouds")).get(chosen)) if secret != path and secret.is_file() else {}
    auth = {**_table(cloud.get("auth")), **_table(hidden.get("auth"))}
    return {**cloud, **hidden, "auth": auth, "folder": path.parent}


def _read(path: Path) -> Table:
    try:
        import yaml
    except ImportError:
        text = "PyYAML isn't installed, which reads clouds.yaml: run  python -m pip install 'vmpattern[openstack]'"
        raise _no_login(text) from None
    try:
        return _table(yaml.safe_load(path.read_text("utf-8")))
    except OSError as error:
        raise _no_login(f"{path} can't be read: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        place = getattr(error, "problem_mark", None)
        where = f" at line {place.line + 1}" if place is not None else ""
        # What is wrong there may be a password.
        raise _no_login(f"{path} is no YAML{where}") from None


def _with_options(table: Table, options: OpenStackOptions) -> Table:
    auth = dict(_table(table.get("auth")))
    if options.project is not None:
        auth.pop("project_id", None)
        auth["project_name"] = options.project
    told = {"region_name": options.region, "interface": options.interface}
    return {**table, **{key: value for key, value in told.items() if value is not None}, "auth": auth}


def _login(table: Table, directory: Path) -> Login:
    auth = {name: str(value) for name, value in _table(table.get("auth")).items() if value not in (None, "")}
    for short, long in ALSO.items():
        for name in long:
            if short in auth and name.replace("_id", "_name") not in auth and name.replace("_name", "_id") not in auth:
                auth[name] = auth[short]
    known = {name: value for name, value in auth.items() if name in NAMES}
    folder = table.get("folder")
    authority = table.get("cacert")
    return Login(
        method=str(table.get("auth_type") or _guessed(known)),
        auth=known,
        region=_text(table.get("region_name")),
        interface=(_text(table.get("interface")) or "public").removesuffix("URL"),
        ca_file=Path(folder if isinstance(folder, Path) else directory, str(authority)) if authority else None,
        verify=table.get("verify") is not False,
        endpoints={
            key.removesuffix("_endpoint_override").replace("_", "-"): str(value)
            for key, value in table.items()
            if key.endswith("_endpoint_override")
        },
    )


def _guessed(auth: Mapping[str, str]) -> str:
    if "application_credential_secret" in auth:
        return "v3applicationcredential"
    return "token" if "token" in auth and "password" not in auth else "password"


def _problems(login: Login, chosen: str | None) -> Iterator[str]:
    where = f"the cloud {chosen!r} of clouds.yaml" if chosen else "the environment (OS_AUTH_URL and the like)"
    if not login.auth and not chosen:
        yield "no login is known: name a cloud of clouds.yaml in the option cloud or in OS_CLOUD, or set OS_AUTH_URL"
        return
    if login.method not in METHODS:
        yield f"{where} wants {login.method!r} as auth_type; {nearest(login.method, METHODS)}"
        return
    for needed in _needed(METHODS[login.method]):
        if not any(name in login.auth for name in needed):
            yield f"{where} lacks {' or '.join(needed)}"


def _needed(method: str) -> Iterator[tuple[str, ...]]:
    """Yield what a method needs, each as names of which one will do."""
    yield ("auth_url",)
    if method == APPLICATION:
        yield ("application_credential_id", "application_credential_name")
        yield ("application_credential_secret",)
    else:
        yield ("project_id", "project_name")
    if method == PASSWORD:
        yield ("user_id", "username")
        yield ("password",)
    if method == TOKEN:
        yield ("token",)


def _table(value: object) -> Table:
    return cast("Table", value) if isinstance(value, Mapping) else {}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
