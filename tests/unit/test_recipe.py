"""What recipes name on this disk, and what Packer's manifests name in clouds."""

import json
import os
import tarfile
from io import BytesIO
from pathlib import Path
from typing import Any

import attrs
import pytest
from immutabledict import immutabledict
from situations import deployment, fleet

from vmpattern.errors import SpecError
from vmpattern.model import Cloud, Contents, Deployment, ImageSource, PackerManifest, Recipe, RemoteFile
from vmpattern.recipe import contents_of
from vmpattern.recipe.payload import pack

PATH = "services.shop.image"


def with_image(folder: Path, image: ImageSource, **clouds: Cloud) -> Deployment:
    wanted = deployment(fleet(1, clouds=tuple(clouds) or ("demo",)), clouds=tuple(clouds) or ("demo",))
    usual = {"demo": Cloud(name="demo", driver="memory")}
    placed = {name: attrs.evolve(cloud, directory=str(folder)) for name, cloud in (clouds or usual).items()}
    return attrs.evolve(wanted, services={"shop": attrs.evolve(wanted.services["shop"], image=image)}, clouds=placed)


def contents(folder: Path, **recipe: Any) -> Contents:
    return contents_of(with_image(folder, Recipe(base={"": "b"}, run="x", **recipe)))["shop"]


def test_a_service_without_a_recipe_has_no_contents(tmp_path: Path) -> None:
    assert {} == contents_of(deployment(fleet(1)))


def test_a_remote_file_is_known_by_its_sha256(tmp_path: Path) -> None:
    remote = RemoteFile(url="https://example.org/x", sha256="ab" * 32)

    assert {"/opt/x": "ab" * 32} == contents(tmp_path, files={"/opt/x": remote}).files


@pytest.mark.parametrize(
    ("recipe", "path", "told"),
    [
        pytest.param({"files": {"/opt/x": "none"}}, f'{PATH}.files["/opt/x"]', "none isn't there", id="no file"),
        pytest.param({"files": {"/opt/x": "pipe"}}, f'{PATH}.files["/opt/x"]', "neither a file nor", id="a pipe"),
        pytest.param(
            {"files": {"/opt/x": "odd"}}, f'{PATH}.files["/opt/x"]', "neither a file", id="a pipe in a folder"
        ),
        pytest.param({"provision": "none"}, f"{PATH}.provision", "none isn't there", id="no script"),
        pytest.param({"provision": "odd"}, f"{PATH}.provision", "is a folder", id="a folder as script"),
        pytest.param(
            {"files": {"/etc/vmpattern/start": "one"}},
            f'{PATH}.files["/etc/vmpattern/start"]',
            "belongs to vmpattern",
            id="a place of ours",
        ),
    ],
)
def test_what_cant_be_read_is_told_with_its_place(tmp_path: Path, recipe: dict, path: str, told: str) -> None:
    (tmp_path / "one").write_text("1", "utf-8")
    (tmp_path / "odd").mkdir()
    os.mkfifo(tmp_path / "pipe")
    os.mkfifo(tmp_path / "odd/pipe")
    (problem,) = contents(tmp_path, **recipe).problems

    assert path == problem.path
    assert told in problem.message


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    problems = contents(tmp_path, files={"/a": "none", "/b": "none"}, provision="none").problems

    assert 3 == len(problems)


def members(data: bytes) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=BytesIO(data)) as tar:
        return {member.name: member for member in tar.getmembers()}


def test_a_folder_is_packed_with_programs_links_and_empty_folders(tmp_path: Path) -> None:
    (tmp_path / "app/bin").mkdir(parents=True)
    (tmp_path / "app/empty").mkdir()
    (tmp_path / "app/bin/run").write_text("#!/bin/sh\n", "utf-8")
    (tmp_path / "app/bin/run").chmod(0o700)
    (tmp_path / "app/link").symlink_to("bin/run")
    (tmp_path / "app/folder").symlink_to("bin")
    found = members(pack(Recipe(base={"": "b"}, run="x", files={"/opt/app/": "app"}), tmp_path, field="f"))

    assert {"opt/app/bin/run", "opt/app/empty", "opt/app/link", "opt/app/folder"} == found.keys()
    assert (0o755, "bin/run", True) == (
        found["opt/app/bin/run"].mode,
        found["opt/app/link"].linkname,
        found["opt/app/empty"].isdir(),
    )
    assert {0} == {member.mtime for member in found.values()} | {member.uid for member in found.values()}


def test_an_archive_holds_the_script_and_nothing_that_is_fetched(tmp_path: Path) -> None:
    (tmp_path / "provision.sh").write_text("true", "utf-8")
    remote = RemoteFile(url="https://example.org/x", sha256="ab" * 32)
    recipe = Recipe(base={"": "b"}, run="x", provision="provision.sh", files={"/opt/x": remote})

    assert {"etc/vmpattern/provision"} == members(pack(recipe, tmp_path, field="f")).keys()


# -- manifests of Packer

BUILDS = [
    {"name": "web", "builder_type": "amazon-ebs", "artifact_id": "eu-west-1:ami-old", "packer_run_uuid": "run-1"},
    {
        "name": "web",
        "builder_type": "amazon-ebs",
        "artifact_id": "eu-west-1:ami-eu,us-east-1:ami-us",
        "packer_run_uuid": "run-2",
    },
    {"name": "web", "builder_type": "googlecompute", "artifact_id": "web-42", "packer_run_uuid": "run-2"},
    {"name": "lab", "builder_type": "qemu", "artifact_id": "img-lab", "packer_run_uuid": "run-2"},
]
CLOUDS = {
    "eu": Cloud(name="eu", driver="aws", options=immutabledict(region="eu-west-1")),
    "us": Cloud(name="us", driver="aws", options=immutabledict(region="us-east-1")),
    "ap": Cloud(name="ap", driver="aws", options=immutabledict(region="ap-east-1")),
    "gcp": Cloud(name="gcp", driver="gcp"),
    "lab": Cloud(name="lab", driver="memory"),
}


@pytest.mark.parametrize(
    ("most", "told"),
    [
        pytest.param(0, 0, id="as nobody has to know it"),
        pytest.param(100, 101, id="as more than anybody has to know"),
        pytest.param(10**6, None, id="as it is"),
    ],
)
def test_the_size_of_a_recipe_is_told(tmp_path: Path, most: int, told: int | None) -> None:
    (tmp_path / "serve").write_bytes(os.urandom(5000))
    recipe = Recipe(base={"": "debian-12"}, run="/opt/serve", files={"/opt/serve": "serve"})
    found = contents_of(with_image(tmp_path, recipe), most=most)["shop"].packed_bytes

    assert (len(pack(recipe, tmp_path, field="image")) if told is None else told) == found


def manifest(folder: Path, document: object) -> Contents:
    (folder / "manifest.json").write_text(json.dumps(document), "utf-8")
    return contents_of(with_image(folder, PackerManifest("manifest.json"), **CLOUDS))["shop"]


def test_the_last_run_s_images_are_found_by_driver_region_and_name(tmp_path: Path) -> None:
    found = manifest(tmp_path, {"builds": BUILDS, "last_run_uuid": "run-2"}).existing

    assert {"eu": "ami-eu", "us": "ami-us", "gcp": "web-42", "lab": "img-lab"} == found


@pytest.mark.parametrize(
    ("document", "told"),
    [
        pytest.param([], "isn't a manifest", id="a list"),
        pytest.param({"last_run_uuid": "x"}, "no list of builds", id="no builds"),
        pytest.param({"builds": BUILDS, "last_run_uuid": "run-3"}, "made no image", id="no artifact of the last run"),
        pytest.param({"builds": [{"artifact_id": 3}]}, "isn't a string", id="a wrong artifact"),
        pytest.param({"builds": [3]}, "expected an object", id="a wrong build"),
    ],
)
def test_a_manifest_that_names_nothing_is_told(tmp_path: Path, document: object, told: str) -> None:
    (problem,) = manifest(tmp_path, document).problems

    assert f"{PATH}.packer_manifest" == problem.path
    assert told in problem.message


def test_a_manifest_that_isnt_there_is_told(tmp_path: Path) -> None:
    (problem,) = contents_of(with_image(tmp_path, PackerManifest("none.json")))["shop"].problems

    assert "none.json can't be read" in problem.message


def test_files_that_vanish_are_told_when_they_are_packed(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="isn't there"):
        pack(Recipe(base={"": "b"}, run="x", files={"/opt/x": "none"}), tmp_path, field="f")
