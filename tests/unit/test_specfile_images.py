"""Wrong images: the place, the line, and the words of the message."""

import pytest
from wrong_files import EXISTING, HEADER, IMAGE, SERVICE, WAYS, marked, problems

from vmpattern.errors import Problem

RECIPE = 'base = "b"\nrun = "r"\n'


@pytest.mark.parametrize(
    ("old", "new", "path", "message"),
    [
        pytest.param(
            SERVICE,
            "<>[services.shop]\n",
            "services.shop.image",
            "is missing: expected a table that says where the image comes from",
            id="a service has an image",
        ),
        pytest.param(
            IMAGE,
            HEADER + "",
            "services.shop.image",
            f"expected {WAYS}, found none of them",
            id="an image comes from somewhere",
        ),
        pytest.param(
            IMAGE,
            HEADER + EXISTING + '\npacker_manifest = "m.json"',
            "services.shop.image",
            f"expected just one of {WAYS}, found existing and packer_manifest",
            id="an image comes from one place",
        ),
        pytest.param(
            IMAGE,
            HEADER + EXISTING + '\nrun = "r"',
            "services.shop.image",
            f"expected just one of {WAYS}, found run and existing",
            id="a recipe and an existing image exclude each other",
        ),
        pytest.param(
            IMAGE,
            HEADER + 'run = "r"',
            "services.shop.image.base",
            "is missing: a recipe has a base image and a command to run",
            id="a recipe has a base",
        ),
        pytest.param(
            IMAGE,
            HEADER + 'base = "b"',
            "services.shop.image.run",
            "is missing: a recipe has a base image and a command to run",
            id="a recipe has a command",
        ),
        pytest.param(
            EXISTING,
            'run = "r"\nbase = { demo = "b", lob = "c"<> }',
            "services.shop.image.base.lob",
            "there is no cloud 'lob': did you mean \"lab\"?",
            id="a base belongs to a cloud that is there",
        ),
        pytest.param(
            EXISTING,
            'run = "r"\nbase = ["b"]<>',
            "services.shop.image.base",
            "expected an image, or a table of images by cloud, found an array",
            id="a base is a string or a table",
        ),
        pytest.param(
            EXISTING,
            'existing = "img-1"<>',
            "services.shop.image.existing",
            'expected a table by cloud such as { demo = "img-1" }, found a string',
            id="existing images are told by cloud",
        ),
        pytest.param(
            EXISTING,
            'existing = { demo = "img-1", dmo = "img-1"<> }',
            "services.shop.image.existing.dmo",
            "there is no cloud 'dmo': did you mean \"demo\"?",
            id="an existing image belongs to a cloud that is there",
        ),
        pytest.param(
            EXISTING,
            "existing = { demo = 7<> }",
            "services.shop.image.existing.demo",
            "expected an image, found 7",
            id="an existing image has an id",
        ),
        pytest.param(
            EXISTING,
            RECIPE + 'files = { "a" = "opt/a"<> }',
            "services.shop.image.files.a",
            "expected the absolute path in the image, such as \"/opt/app\", found 'opt/a'",
            id="a file goes to an absolute path",
        ),
        pytest.param(
            EXISTING,
            RECIPE + 'files = { a = "/x",  b = "/x"<> }',
            "services.shop.image.files.b",
            "'/x' is there already: expected one source for each path in the image",
            id="two files go to two paths",
        ),
        pytest.param(
            EXISTING,
            RECIPE + 'files = { "/x" = { url = "me:pw@host"<>, sha256 = "' + "0" * 64 + '" } }',
            'services.shop.image.files."/x".url',
            "expected an http:// or https:// URL without spaces, found another string",
            id="a URL may hold a password and isn't shown",
        ),
        pytest.param(
            EXISTING,
            RECIPE + 'files = { "/x" = { url = "https://host/x\\n"<>, sha256 = "' + "0" * 64 + '" } }',
            'services.shop.image.files."/x".url',
            "expected an http:// or https:// URL without spaces, found another string",
            id="a URL is on one line",
        ),
        pytest.param(
            EXISTING,
            RECIPE + 'files = { "/x" = { url = "https://host/x" }<> }',
            'services.shop.image.files."/x".sha256',
            "is missing: expected its SHA-256",
            id="a file fetched by URL has a checksum",
        ),
        pytest.param(
            EXISTING,
            RECIPE + 'files = { "/x" = { url = "https://host/x", sha256 = "12" }<> }',
            'services.shop.image.files."/x".sha256',
            "expected a SHA-256: 64 of 0-9 and a-f, found '12'",
            id="a checksum has its form",
        ),
        pytest.param(
            IMAGE,
            HEADER + 'existing = { lab = "img-1" }',
            "services.shop.image",
            "has no image for the cloud 'demo', where the fleet 'shop' is placed",
            id="a fleet's image is in its clouds",
        ),
        pytest.param(
            IMAGE,
            HEADER + 'run = "r"\nbase = { lab = "b" }',
            "services.shop.image",
            "has no image for the cloud 'demo', where the fleet 'shop' is placed",
            id="a fleet's base is in its clouds",
        ),
    ],
)
def test_an_image_that_is_wrong_is_told(old: str, new: str, path: str, message: str) -> None:
    text, line = marked(old, new)

    assert [Problem(path, message, line)] == problems(text)
