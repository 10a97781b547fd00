"""Where everything is: ports, folders, and what the environment may change."""

import os
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
IP = "127.0.0.1"
PASSWORD = "oslab-secret"
REGION = "RegionOne"
PORTS = {
    "keystone": 5000,
    "nova-api": 8774,
    "placement": 8778,
    "glance": 9292,
    "neutron": 9696,
    "octavia-api": 9876,
    "swift": 18080,
    "mariadb": 13306,
    "epmd": 24369,
    "rabbitmq": 25670,
}
RABBIT_DISTRIBUTION = 25671
SWIFT_PORTS = {"object": 16200, "container": 16201, "account": 16202}
"""Where the servers behind Swift's proxy listen."""


@dataclass(frozen=True)
class Place:
    """One lab: its folder, and the settings that it was brought up with."""

    state: Path
    computes: int
    max_limit: int
    token_s: int

    @classmethod
    def from_environment(cls) -> "Place":
        """Read OSLAB_STATE, OSLAB_COMPUTES, OSLAB_MAX_LIMIT (Nova's page size) and OSLAB_TOKEN_S (a token's life)."""
        get = os.environ.get
        return cls(
            state=Path(get("OSLAB_STATE", "/var/tmp/vmpattern-oslab")),
            computes=int(get("OSLAB_COMPUTES", "1")),
            max_limit=int(get("OSLAB_MAX_LIMIT", "1000")),
            token_s=int(get("OSLAB_TOKEN_S", "86400")),
        )

    def folder(self, name: str) -> Path:
        """Return a folder of the state, which is made if it isn't there."""
        path = self.state / name
        path.mkdir(parents=True, exist_ok=True)
        return path

    @property
    def etc(self) -> Path:
        """Where the configuration is written."""
        return self.folder("etc")

    @property
    def seeded(self) -> Path:
        """The file that says that the first set-up is complete."""
        return self.state / "seeded"

    def log(self, name: str) -> Path:
        """Return a service's log."""
        return self.folder("log") / f"{name}.log"


def url(service: str, path: str = "") -> str:
    """Return the address of a service's API."""
    return f"http://{IP}:{PORTS[service]}{path}"


class LabError(Exception):
    """The lab can't be brought up or changed; the text says why and where to look."""
