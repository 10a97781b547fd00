"""The table of an image: a recipe to bake it by, images made elsewhere, or a manifest that Packer wrote."""

import re
from collections.abc import Iterable, Mapping

import attrs
from immutabledict import immutabledict

from vmpattern.model import Existing, ImageSource, PackerManifest, Recipe, RemoteFile
from vmpattern.specfile.kinds import Kind, check_cloud, check_variable, mapping, text
from vmpattern.specfile.sheet import Spot, Told, shown
from vmpattern.specfile.tables import Key, fields, table
from vmpattern.specfile.writing import Toml

_BY_CLOUD = mapping(text("an image"), key=check_cloud, expected='a table by cloud such as { demo = "img-1" }')
EXISTING: Kind[Existing] = Kind(
    lambda spot: Existing(_BY_CLOUD.read(spot)),
    lambda existing: _BY_CLOUD.write(existing.ids),
)


def _check_base(spot: Spot) -> None:
    if spot.name:  # the empty name stands for every other cloud
        check_cloud(spot)


_BASES = mapping(text("an image"), key=_check_base, expected="an image, or a table of images by cloud")


def _read_base(spot: Spot) -> Mapping[str, str]:
    return immutabledict({"": spot.value}) if isinstance(spot.value, str) and spot.value else _BASES.read(spot)


BASE = Kind(_read_base, lambda bases: bases[""] if set(bases) == {""} else _BASES.write(bases))


def _is_url(url: str) -> bool:
    return re.fullmatch("https?://[^ ]+", url) is not None and url.isprintable()


_IN_IMAGE = text('the absolute path in the image, such as "/opt/app"', accept=lambda path: path.startswith("/"))
_SHA256 = text("a SHA-256: 64 of 0-9 and a-f", accept=lambda sha: re.fullmatch("[0-9a-f]{64}", sha) is not None)
_URL = text("an http:// or https:// URL without spaces", accept=_is_url, secret=True)
_REMOTE_KEYS = (Key("url", _URL, required="a URL"), Key("sha256", _SHA256, required="its SHA-256"))
_REMOTE = table(RemoteFile, *_REMOTE_KEYS)


@attrs.frozen
class _LocalFile:
    """The long form of a local file, for when two paths in the image have one source."""

    file: str


_PATH = text("the path of a file")
_LOCAL = table(_LocalFile, Key("file", _PATH))


def _read_files(spot: Spot) -> Mapping[str, str | RemoteFile]:
    """Read `"source" = "/path/in/image"`, or `"/path/in/image" = { url, sha256 }`: a TOML key can't be a table."""
    before = len(spot.sheet.problems)
    files: dict[str, str | RemoteFile] = {}
    for part in spot.entries().values():
        found = part.attempt(_read_file)
        if found is not None and found[0] in files:
            part.tell(f"{shown(found[0])} is there already: expected one source for each path in the image")
        elif found is not None:
            files[found[0]] = found[1]
    if len(spot.sheet.problems) > before:
        raise Told
    return immutabledict(sorted(files.items(), key=lambda file: file[0]))


def _read_file(spot: Spot) -> tuple[str, str | RemoteFile]:
    if isinstance(spot.value, dict):
        source = _LOCAL.read(spot).file if "file" in spot.value else _REMOTE.read(spot)
        return _IN_IMAGE.read(Spot(spot.name, spot.path, spot.sheet)), source
    return _IN_IMAGE.read(spot), _PATH.read(Spot(spot.name, spot.path, spot.sheet))


def _write_files(files: Mapping[str, str | RemoteFile]) -> dict[str, Toml]:
    """Write the short form where every file is local and goes to one place, else each by its path in the image."""
    local: dict[str, Toml] = {source: path for path, source in sorted(files.items()) if isinstance(source, str)}
    return local if len(local) == len(files) else {path: _write_source(files[path]) for path in sorted(files)}


def _write_source(source: str | RemoteFile) -> dict[str, Toml]:
    return {"file": source} if isinstance(source, str) else fields(source, _REMOTE_KEYS)


FILES = Kind(_read_files, _write_files)

_RECIPE_KEYS = (
    Key("base", BASE),
    Key("provision", text("the path of a script")),
    Key("variables", mapping(text("a text", accept=lambda _: True), key=check_variable)),
    Key("files", FILES),
    Key("run", text("a command")),
)
_OTHER_KEYS = (Key("existing", EXISTING), Key("packer_manifest", text("the path of a manifest")))
_WAYS = "a recipe (base and run), existing or packer_manifest"


def _check_image(spot: Spot) -> None:
    entries = spot.entries()
    recipe = [key.name for key in _RECIPE_KEYS if key.name in entries]
    others = [key.name for key in _OTHER_KEYS if key.name in entries]
    if not recipe and not others:
        spot.tell(f"expected {_WAYS}, found none of them")
    if len(others) + bool(recipe) > 1:
        spot.tell(f"expected just one of {_WAYS}, found {' and '.join(recipe + others)}")
    if recipe and not others:
        for name in sorted({"base", "run"} - set(recipe)):
            spot.child(name).tell("is missing: a recipe has a base image and a command to run")


def _make_image(
    *,
    base: Mapping[str, str] = immutabledict(),
    run: str = "",
    provision: str | None = None,
    variables: Mapping[str, str] = immutabledict(),
    files: Mapping[str, str | RemoteFile] = immutabledict(),
    existing: Existing | None = None,
    packer_manifest: str | None = None,
) -> ImageSource:
    if packer_manifest is not None:
        return PackerManifest(packer_manifest)
    return existing or Recipe(base=base, run=run, provision=provision, variables=variables, files=files)


def _write_image(image: ImageSource) -> dict[str, Toml]:
    match image:
        case Existing():
            return {"existing": EXISTING.write(image)}
        case PackerManifest():
            return {"packer_manifest": image.path}
        case Recipe():
            return fields(image, _RECIPE_KEYS)


IMAGE = Kind(table(_make_image, *_RECIPE_KEYS, *_OTHER_KEYS, checks=(_check_image,)).read, _write_image)


def missing_images(image: ImageSource, clouds: Iterable[str]) -> list[str]:
    """Return the clouds, of those given, for which an image is listed by cloud but not for them."""
    match image:
        case Existing():
            listed: Mapping[str, str] = image.ids
        case Recipe():
            listed = image.base
        case PackerManifest():
            return []
    return [] if "" in listed else [cloud for cloud in clouds if cloud not in listed]
