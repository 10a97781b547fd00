"""The mark of an image in Glance: what is sent, and of which images."""

import json

import pytest
from loopback import Answer, Asked
from some_openstack import Cloud, connected

from vmpattern import naming
from vmpattern.driver import CaptureRequest
from vmpattern.errors import NotFound
from vmpattern.model import ImageId, InstanceId
from vmpattern_openstack import labels
from vmpattern_openstack.answers import GlanceImage, parsed
from vmpattern_openstack.images import image_of

SERVICES = {"compute": "v2.1", "image": "v2"}
BUILDER = "8d7e8a44-0000-0000-0000-000000000001"
ROW = {
    "id": "img-1",
    "status": "active",
    "created_at": "2026-11-26T10:00:00Z",
    naming.DEPLOYMENT: "shop",
    naming.SERVICE: "web",
    naming.DIGEST: "d1",
    naming.VERIFIED: "no",
    "vmpattern-builder": BUILDER,
    "instance_uuid": BUILDER,
}

LABELS = {
    naming.DEPLOYMENT: "shop",
    naming.FLEET: naming.BUILDERS,
    naming.REVISION: "d1",
    naming.KEY: "k1",
}
FLAVOR = {"original_name": "small"}


def glance(**changes: str):
    """Answer with an image, whatever is asked for."""

    def answer(asked: Asked) -> Answer:
        return Answer(200, json.dumps({**ROW, **changes}).encode())

    return answer


def test_a_mark_is_one_property_and_the_rest_stays() -> None:
    with connected(Cloud(nova=glance(), services=SERVICES)) as (driver, server):
        driver.mark_verified(ImageId("img-1"))
    sent = server.asked[-1]

    assert ("PATCH", "application/openstack-images-v2.1-json-patch") == (sent.method, sent.headers["content-type"])
    assert sent.path.endswith("/images/img-1")
    assert [{"op": "add", "path": "/vmpattern-verified", "value": "yes"}] == json.loads(sent.body)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"status": "deleted"}, id="one that is gone"),
        pytest.param({"instance_uuid": "another"}, id="a snapshot that a person made"),
    ],
)
def test_what_is_no_image_of_ours_is_not_marked(changes: dict[str, str]) -> None:
    with connected(Cloud(nova=glance(**changes), services=SERVICES)) as (driver, server), pytest.raises(NotFound):
        driver.mark_verified(ImageId("img-1"))

    assert "PATCH" not in {one.method for one in server.asked}


@pytest.mark.parametrize(("value", "verified"), [("yes", True), ("no", False)])
def test_an_image_is_as_its_mark_says(value: str, verified: bool) -> None:
    image = image_of(parsed(GlanceImage, {**ROW, naming.VERIFIED: value}, "a test"), cloud="here", project=None)

    assert image is not None
    assert verified == image.verified


def test_a_capture_says_that_it_is_not_verified_since_a_snapshot_inherits_the_mark() -> None:
    facts = {"id": BUILDER, "name": "builder", "status": "SHUTOFF", "created": ROW["created_at"], "flavor": FLAVOR}
    server_row = {"server": {**facts, "metadata": LABELS, "tags": [labels.PREFIX]}}

    def nova(asked: Asked) -> Answer:
        if asked.path.endswith("/action"):
            return Answer(202, b'{"image_id": "img-2"}')
        return Answer(200, json.dumps({"images": []} if "/images" in asked.path else server_row).encode())

    request = CaptureRequest(
        builder=InstanceId(BUILDER), deployment="shop", service="web", digest="d1", base=ImageId("img-1")
    )
    with connected(Cloud(nova=nova, services=SERVICES)) as (driver, server):
        driver.capture(request)
    metadata = json.loads(server.asked[-1].body)["createImage"]["metadata"]

    assert "no" == metadata[naming.VERIFIED]
