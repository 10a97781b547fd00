"""A small HTTP server that says what Keystone says, and for one more service what a test says."""

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import attrs
from immutabledict import immutabledict
from loopback import Answer, Asked, Loopback, loopback

from vmpattern.driver import LaunchRequest
from vmpattern.model import ImageId, LaunchKey, Market, Revision
from vmpattern_openstack import OpenStackDriver, OpenStackOptions

EXPIRED = Answer(401, b'{"error": {"code": 401, "title": "Unauthorized", "message": "no such token"}}')
NOBODY = b'{"servers": []}'
NOVA: Mapping[str, str] = immutabledict({"compute": "v2.1"})
REQUEST = LaunchRequest(
    key=LaunchKey("k0123456789abcdef0123456789abcdef"),
    count=3,
    deployment="shop",
    fleet="web",
    revision=Revision("r1"),
    inputs="iaaaaaa-ebbbbbb",
    previous=Revision("r0"),
    zone="north",
    machine_type="small",
    market=Market.ON_DEMAND,
    image=ImageId("img"),
    env={"GREETING": "hello"},
)


@attrs.define
class Cloud:
    """Keystone and a service in one: counts its tokens, and answers for the service as a test says.

    `services` are the catalogue's, each with what follows the region in its address.
    """

    nova: Callable[[Asked], Answer] = lambda _: Answer(200, NOBODY)
    services: Mapping[str, str] = NOVA
    life_s: int = 1800
    regions: tuple[str, ...] = ("Oslo",)
    refuses: bool = False
    tokens: int = 0
    now: float = 0.0
    url: str = ""

    def __call__(self, asked: Asked) -> Answer:
        if asked.path.endswith("/auth/tokens"):
            return EXPIRED if self.refuses else self._token()
        return self.nova(asked)

    def _token(self) -> Answer:
        self.tokens += 1
        moment = "2026-11-26T10:{:02}:{:02}.000000Z"
        body = {
            "issued_at": moment.format(0, 0),
            "expires_at": moment.format(*divmod(self.life_s, 60)),
            "project": {"id": "p-1"},
            "catalog": [
                {
                    "type": service,
                    "endpoints": [
                        {"interface": "public", "url": f"{self.url}/{region}/{path}", "region": region}
                        for region in self.regions
                    ],
                }
                for service, path in self.services.items()
            ],
        }
        return Answer(201, json.dumps({"token": body}).encode(), {"X-Subject-Token": f"token-{self.tokens}"})


@contextlib.contextmanager
def connected(cloud: Cloud, **options: object) -> Iterator[tuple[OpenStackDriver, Loopback]]:
    with loopback(cloud) as server:
        cloud.url = server.url
        environment = {
            "OS_AUTH_URL": server.url,
            "OS_USERNAME": "ann",
            "OS_PASSWORD": "hunter2-hunter2",
            "OS_PROJECT_NAME": "shop",
        }
        made = OpenStackOptions(**options)  # type: ignore[arg-type]
        driver = OpenStackDriver(made, directory=Path(), environment=environment, now=lambda: cloud.now)
        with contextlib.closing(driver):
            yield driver, server
