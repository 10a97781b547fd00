"""The contents of each service's image as digests, as its files are on this disk now."""

from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from immutabledict import immutabledict

from vmpattern.errors import Problem, SpecError
from vmpattern.model import Contents, Deployment, PackerManifest, Recipe, RemoteFile, Service
from vmpattern.recipe.packer import images_of
from vmpattern.recipe.sources import PROVISION, fingerprint, read_script, read_source

OURS = PurePosixPath(PROVISION).parent


def contents_of(deployment: Deployment, *, most: int = 0) -> Mapping[str, Contents]:
    """Read what the image of each service is made of, by service; those made elsewhere aren't there.

    What can't be read is in the contents' `problems`: only what needs the image has to mind.

    Args:
        most: the largest size, packed, that makes a difference to anybody; 0: none does.
    """
    found: dict[str, Contents] = {}
    for name, service in deployment.services.items():
        try:
            contents = _contents(deployment, service, most)
        except SpecError as error:
            contents = Contents(problems=error.problems)
        if contents is not None:
            found[name] = contents
    return immutabledict(found)


def _contents(deployment: Deployment, service: Service, most: int) -> Contents | None:
    path = f"services.{service.name}.image"
    match service.image:
        case PackerManifest() as manifest:
            return Contents(existing=images_of(manifest, deployment, field=f"{path}.packer_manifest"))
        case Recipe() as recipe:
            return _read(recipe, Path(deployment.directory), path, most)
        case _:
            return None


def _read(recipe: Recipe, directory: Path, path: str, most: int) -> Contents:
    problems: list[Problem] = []
    files: dict[str, str] = {}
    provision = ""
    for target, source in sorted(recipe.files.items()):
        field = f'{path}.files["{target}"]'
        try:
            files[target] = _file(directory, target, source, field)
        except (SpecError, OSError) as error:
            problems += _problems(error, field)
    if recipe.provision is not None:
        field = f"{path}.provision"
        try:
            provision = fingerprint(read_script(directory, recipe.provision, field=field))
        except (SpecError, OSError) as error:
            problems += _problems(error, field)
    if problems:
        raise SpecError(problems)
    return Contents(provision=provision, files=files, packed_bytes=_size(recipe, directory, path, most) if most else 0)


def _size(recipe: Recipe, directory: Path, path: str, most: int) -> int:
    # Only who measures pays for the import.
    from vmpattern.recipe.payload import packed_bytes

    try:
        return packed_bytes(recipe, directory, field=path, most=most)
    except OSError as error:
        raise SpecError(_problems(error, path)) from error


def _file(directory: Path, target: str, source: str | RemoteFile, field: str) -> str:
    if PurePosixPath(target).is_relative_to(OURS):
        raise SpecError([Problem(field, f"{OURS} belongs to vmpattern: expected another path in the image")])
    if isinstance(source, RemoteFile):
        return source.sha256
    return fingerprint(read_source(directory, source, target, field=field))


def _problems(error: SpecError | OSError, field: str) -> tuple[Problem, ...]:
    if isinstance(error, SpecError):
        return error.problems
    return (Problem(field, f"{error.filename or 'it'} can't be read: {error.strerror or error}"),)
