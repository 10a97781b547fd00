"""Images that Packer made: from the manifest that its post-processor writes to an image for each cloud.

Source:
    The post-processor's page (read 2026-11): `builds` grow with each run, `last_run_uuid` names the last one, and an
    artifact's id is the builder's: `REGION:ID`, several with commas, on AWS; an id or a name elsewhere.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import cast

import attrs

from vmpattern.errors import Problem, SpecError
from vmpattern.files import read_text
from vmpattern.model import Cloud, Deployment, PackerManifest
from vmpattern.model.jsontext import parse_json

_DRIVERS = {"amazon": "aws", "googlecompute": "gcp", "openstack": "openstack"}
"""What a builder's type begins with, and the driver of the clouds that it makes images for."""


@attrs.frozen
class Artifact:
    """One image of a manifest: who built it, under which name, and its region where the id tells one."""

    builder: str
    name: str
    region: str
    id: str

    def is_for(self, cloud: Cloud) -> bool:
        """Tell whether the image is for a cloud: a build's name that is the cloud's, or the right driver and region."""
        if self.name == cloud.name:
            return self.region in ("", cloud.options.get("region", self.region))
        kind = next((driver for prefix, driver in _DRIVERS.items() if self.builder.startswith(prefix)), self.builder)
        return kind == cloud.driver and self.region in ("", cloud.options.get("region", ""))


def images_of(manifest: PackerManifest, deployment: Deployment, *, field: str) -> Mapping[str, str]:
    """Return the image of the last run for each cloud of the deployment that has one; of several, the last built.

    Raises:
        SpecError: the manifest can't be read, isn't one, or its last run made nothing.
    """
    path = Path(deployment.directory) / manifest.path
    try:
        artifacts = list(_artifacts(parse_json(read_text(path))))
    except OSError as error:
        raise SpecError([Problem(field, f"{manifest.path} can't be read: {error.strerror}")]) from error
    except ValueError as error:
        raise SpecError([Problem(field, f"{manifest.path} isn't a manifest of Packer: {error}")]) from error
    if not artifacts:
        raise SpecError([Problem(field, f"the last run in {manifest.path} made no image: run packer build")])
    return {
        cloud.name: artifact.id
        for cloud in deployment.clouds.values()
        for artifact in artifacts
        if artifact.is_for(cloud)
    }


def _artifacts(document: object) -> Iterator[Artifact]:
    manifest = _table(document)
    builds = manifest.get("builds")
    if not isinstance(builds, list):
        raise ValueError("it has no list of builds")
    for each in cast("list[object]", builds):
        build = _table(each)
        if build.get("packer_run_uuid") != manifest.get("last_run_uuid"):
            continue
        builder, name, artifact = (build.get(key, "") for key in ("builder_type", "name", "artifact_id"))
        if not isinstance(artifact, str) or not isinstance(builder, str) or not isinstance(name, str):
            raise ValueError("the id of an artifact, its builder or its name isn't a string")
        for part in artifact.split(",") if builder.startswith("amazon") else [artifact]:
            region, _, id = part.rpartition(":")
            if id:
                yield Artifact(builder, name, region, id)


def _table(value: object) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise ValueError("expected an object")
    return cast("dict[str, object]", value)
