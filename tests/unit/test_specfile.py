"""The file: what it says, how it is written, and the starters."""

from pathlib import Path

import pytest
from immutabledict import immutabledict

from vmpattern.errors import SpecError
from vmpattern.model import (
    Cloud,
    Deployment,
    Existing,
    Fleet,
    HealthCheck,
    ImageId,
    Market,
    PackerManifest,
    Place,
    Placement,
    Recipe,
    RemoteFile,
    Resources,
    Rollout,
    Secret,
    Service,
    Share,
)
from vmpattern.specfile import dumps, load, loads
from vmpattern.specfile.starters import starter

SHOP = """\
deployment = "shop-prod"

[clouds.demo]
driver = "memory"
path = ".vmpattern/demo.json"

[services.shop]
port = 8080
health = { http = "/healthz", interval = "10s", timeout = "2s" }
resources = { vcpus = 2, memory = "4GiB", disk = "20GiB" }
env = { DB = { secret = "env:SHOP_DB" }, LOG_LEVEL = "info" }

[services.shop.image]
base = "debian-12"
provision = "provision.sh"
variables = { VERSION = "1.4" }
files = { "dist/shop.tar.gz" = "/opt/shop.tar.gz" }
run = "/opt/shop/serve"

[fleets.shop]
service = "shop"
size = 6
placements = [{ cloud = "demo", zones = ["a", "b", "c"] }]
place = "spread"
rollout = { strategy = "rolling", max_surge = "25%", max_unavailable = 0, min_ready = "45s" }
balancer = { demo = { name = "shop-front" } }
"""

DEPLOYMENT = Deployment(
    name="shop-prod",
    clouds={"demo": Cloud(name="demo", driver="memory", options=immutabledict({"path": ".vmpattern/demo.json"}))},
    services={
        "shop": Service(
            name="shop",
            port=8080,
            health=HealthCheck(http="/healthz", interval_s=10.0, timeout_s=2.0),
            resources=Resources(vcpus=2, memory_mib=4096, disk_gib=20),
            env={"LOG_LEVEL": "info", "DB": Secret("env:SHOP_DB")},
            image=Recipe(
                base={"": "debian-12"},
                provision="provision.sh",
                variables={"VERSION": "1.4"},
                files={"/opt/shop.tar.gz": "dist/shop.tar.gz"},
                run="/opt/shop/serve",
            ),
        )
    },
    fleets={
        "shop": Fleet(
            name="shop",
            service="shop",
            size=6,
            placements=(Placement(cloud="demo", zones=("a", "b", "c")),),
            rollout=Rollout(max_surge=Share(25, percent=True), min_ready_s=45.0),
            balancer={"demo": immutabledict({"name": "shop-front"})},
        )
    },
)

SMALL = """
deployment = "small"
clouds = { eu = { driver = "aws" }, lab = { driver = "openstack" } }
services = { web = { image = { existing = { eu = "ami-1", lab = "image-1" } } } }
fleets = { web = { service = "web", size = 1, placements = [{ cloud = "eu" }] } }
"""


def with_image(image: str) -> Deployment:
    return loads(SMALL.replace('{ existing = { eu = "ami-1", lab = "image-1" } }', image))


def with_placements(placements: str) -> Fleet:
    return loads(SMALL.replace('[{ cloud = "eu" }]', placements)).fleets["web"]


def test_a_file_says_the_whole_deployment() -> None:
    assert DEPLOYMENT == loads(SHOP)


def test_a_deployment_is_written_without_defaults_and_long_tables_as_sections() -> None:
    defaults = ('place = "spread"\n', ', timeout = "2s"', 'strategy = "rolling", ', ", max_unavailable = 0")
    tidy = SHOP
    for default in defaults:
        tidy = tidy.replace(default, "")

    assert tidy == dumps(DEPLOYMENT)


def test_sections_without_a_table_are_not_written() -> None:
    assert 'deployment = "empty"\n' == dumps(Deployment(name="empty", clouds={}, services={}, fleets={}))


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        pytest.param(
            '{ existing = { eu = "ami-0abc" } }', Existing({"eu": ImageId("ami-0abc")}), id="an image made elsewhere"
        ),
        pytest.param('{ packer_manifest = "m.json" }', PackerManifest("m.json"), id="a manifest of Packer"),
        pytest.param(
            '{ base = { eu = "ami-0abc", lab = "debian-12" }, run = "serve" }',
            Recipe(base={"eu": "ami-0abc", "lab": "debian-12"}, run="serve"),
            id="a recipe with a base for each cloud",
        ),
        pytest.param(
            '{ base = { eu = "ami-0abc", "" = "debian-12" }, run = "serve" }',
            Recipe(base={"eu": "ami-0abc", "": "debian-12"}, run="serve"),
            id="a recipe with a base for one cloud and another for the rest",
        ),
        pytest.param(
            '{ base = "b", run = "r", files = { "/opt/jdk" = { url = "https://host/jdk", sha256 = "%s" } } }'
            % ("0f" * 32),
            Recipe(base={"": "b"}, run="r", files={"/opt/jdk": RemoteFile(url="https://host/jdk", sha256="0f" * 32)}),
            id="a file fetched by URL",
        ),
        pytest.param(
            '{ base = "b", run = "r", files = { "/a" = { file = "x" }, "/b" = { file = "x" } } }',
            Recipe(base={"": "b"}, run="r", files={"/a": "x", "/b": "x"}),
            id="one file at two paths",
        ),
    ],
)
def test_an_image_may_be(image: str, expected: Recipe | Existing | PackerManifest) -> None:
    assert expected == with_image(image).services["web"].image


@pytest.mark.parametrize(
    ("placements", "expected"),
    [
        pytest.param('[{ cloud = "eu" }]', (Placement(cloud="eu"),), id="a cloud with all its zones"),
        pytest.param('[{ cloud = "eu", zones = [] }]', (Placement(cloud="eu"),), id="empty zones: all of them"),
        pytest.param(
            '[{ cloud = "eu", weight = 2 }, { cloud = "lab" }]',
            (Placement(cloud="eu", weight=2), Placement(cloud="lab")),
            id="several clouds, in the order written",
        ),
        pytest.param(
            '[{ cloud = "eu", machine_type = "m6i.large", market = "spot", options = { tags = ["a", { b = 1 }] } }]',
            (
                Placement(
                    cloud="eu",
                    machine_type="m6i.large",
                    market=Market.SPOT,
                    options=immutabledict({"tags": ("a", immutabledict({"b": 1}))}),
                ),
            ),
            id="a machine type, a market and options",
        ),
    ],
)
def test_placements_may_be(placements: str, expected: tuple[Placement, ...]) -> None:
    assert expected == with_placements(placements).placements


def test_a_tcp_check_asks_no_path() -> None:
    read = loads(SMALL.replace("web = { image", 'web = { port = 80, health = { tcp = true, interval = "1s" }, image'))

    assert HealthCheck(http=None, interval_s=1.0) == read.services["web"].health


def test_ordered_placements_are_told_by_name() -> None:
    read = loads(SMALL.replace("size = 1", 'size = 1, place = "ordered"'))

    assert Place.ORDERED == read.fleets["web"].place


def test_pausing_on_failure_may_be_said_though_it_is_what_happens() -> None:
    assert loads(SMALL) == loads(SMALL.replace("size = 1", 'size = 1, rollout = { on_failure = "pause" }'))


def test_the_directory_of_a_file_goes_into_its_clouds(tmp_path: Path) -> None:
    file = tmp_path / "vmpattern.toml"
    file.write_text(SMALL)

    assert [str(tmp_path)] * 2 == [cloud.directory for cloud in load(file).clouds.values()]


def test_the_directory_is_absolute_though_the_path_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "vmpattern.toml").write_text(SMALL)
    monkeypatch.chdir(tmp_path)

    assert str(Path.cwd()) == load("vmpattern.toml").clouds["eu"].directory


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm(tmp_path: Path) -> None:
    file = tmp_path / "vmpattern.toml"
    file.write_bytes(b"\xef\xbb\xbf" + SHOP.replace("\n", "\r\n").encode())

    assert DEPLOYMENT.fleets == load(file).fleets


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    file = tmp_path / "vmpattern.toml"

    with pytest.raises(SpecError) as caught:
        load(file)

    assert f"{file}: can't be read: No such file or directory" == str(caught.value)


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    file = tmp_path / "vmpattern.toml"
    file.write_bytes(b'deployment = "\xff"')

    with pytest.raises(SpecError) as caught:
        load(file)

    assert f"{file}: isn't UTF-8 text: byte 14 is wrong" == str(caught.value)


@pytest.mark.parametrize("driver", ["memory", "aws", "gcp", "openstack", "local", "acme", 'a "strange" one'])
def test_a_starter_names_its_driver_and_is_read(driver: str) -> None:
    clouds = loads(starter(driver)).clouds.values()

    assert [driver] == [cloud.driver for cloud in clouds]


def test_the_starter_of_the_simulated_cloud_uses_an_image_that_is_there() -> None:
    deployment = loads(starter("memory"))

    assert Existing({"demo": ImageId("img-web-1")}) == deployment.services["web"].image


def test_starters_have_lines_that_fit_a_window() -> None:
    drivers = ("memory", "aws", "gcp", "openstack", "local", "acme")

    assert 120 >= max(len(line) for driver in drivers for line in starter(driver).splitlines())
