"""libcloud's own driver for Compute Engine, led to another address, to compare with."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

TOKEN = "a-token-of-the-tests"


def create_nodes(count: int, *, url: str, project: str, zone: str, image: str) -> Callable[[], object]:
    """Return what creates so many nodes, one after the other, as libcloud's users do."""
    from libcloud.common.base import ConnectionUserAndKey
    from libcloud.compute.drivers.gce import API_VERSION, GCEConnection, GCENodeDriver

    class Token:
        access_token = TOKEN

    class Led(GCEConnection):
        """Asks where it is told to, with a token instead of a login."""

        def __init__(self, user_id: str, key: str, *address: Any, **rest: Any) -> None:
            secure, host, port = address[:3]
            ConnectionUserAndKey.__init__(self, user_id, key, secure=secure, host=host, port=port)
            self.oauth2_credential = Token()  # type: ignore[assignment]
            self.request_path = f"/compute/{API_VERSION}/projects/{project}"
            self.gce_params = None

        def morph_action_hook(self, action: str) -> str:
            led = action.startswith(("http://", "https://"))
            return urlsplit(action).path if led else self.request_path + action

    class Driver(GCENodeDriver):
        connectionCls = Led

        def _ex_connection_class_kwargs(self) -> dict[str, object]:
            return {}

    address = urlsplit(url)
    made: Any = Driver

    def create() -> None:
        driver = made(
            "user", "", project=project, datacenter=zone, host=address.hostname, port=address.port, secure=False
        )
        for number in range(count):
            driver.create_node(f"node-{number}", "e2-small", image.rpartition("/")[2], ex_image_family=None)

    return create
