"""A recipe's digest depends on what gets into the image, and on nothing else."""

import os
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import attrs
from hypothesis import given, strategies as st
from immutabledict import immutabledict
from situations import deployment, fleet

from vmpattern import naming
from vmpattern.bakery.jobs import SIZE
from vmpattern.bakery.order import SMOKE, label
from vmpattern.model import Cloud, Recipe
from vmpattern.planner import recipe_name
from vmpattern.recipe import contents_of
from vmpattern.recipe.payload import pack

NAMES = st.text("abcdefgh", min_size=1, max_size=6)
FILES = st.dictionaries(NAMES, st.binary(max_size=50), min_size=1, max_size=5)
RUN = "/opt/serve"


def digest(
    folder: Path,
    files: dict[str, str],
    *,
    base: str = "debian-12",
    run: str = RUN,
    variables: Mapping[str, str] = immutabledict(),
) -> naming.RecipeName:
    """The digest of a recipe of these sources by path in the image, and of `provision.sh` if it is there."""
    provision = "provision.sh" if (folder / "provision.sh").exists() else None
    recipe = Recipe(base={"": base}, run=run, files=files, provision=provision, variables=variables)
    wanted = deployment(fleet(1))
    service = attrs.evolve(wanted.services["shop"], image=recipe)
    cloud = Cloud(name="demo", driver="memory", directory=str(folder))
    wanted = attrs.evolve(wanted, services={"shop": service}, clouds={"demo": cloud})
    return recipe_name(recipe, "demo", contents_of(wanted)["shop"])


def write(folder: Path, files: dict[str, bytes], *, prefix: str = "") -> dict[str, str]:
    """Write files, and return where they go in the image."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / f"{prefix}{name}").write_bytes(data)
    return {f"/opt/{name}": f"{prefix}{name}" for name in files}


@given(FILES, NAMES, st.floats(0, 2e9), st.randoms())
def test_names_on_disk_times_and_order_change_nothing(files: dict[str, bytes], prefix: str, at: float, random) -> None:
    with TemporaryDirectory() as one, TemporaryDirectory() as two:
        before = digest(Path(one), write(Path(one), files))
        shuffled = list(files.items())
        random.shuffle(shuffled)
        moved = write(Path(two), dict(shuffled), prefix=prefix)
        for source in moved.values():
            os.utime(Path(two, source), (at, at))
            Path(two, source).chmod(random.choice([0o600, 0o644, 0o664]))

        assert before == digest(Path(two), moved)


@given(FILES, st.data())
def test_any_byte_that_changes_changes_the_digest_and_names_the_file(files: dict[str, bytes], data) -> None:
    with TemporaryDirectory() as folder:
        targets = write(Path(folder), files)
        before = digest(Path(folder), targets)
        name = data.draw(st.sampled_from(sorted(files)))
        place = data.draw(st.integers(0, len(files[name])))
        (Path(folder) / name).write_bytes(files[name][:place] + b"!" + files[name][place:])
        after = digest(Path(folder), targets)
        told = [field for field, _, _ in naming.changed_recipe(before.text, after.text, targets)]

        assert before.digest != after.digest
        assert told in ([f'files["/opt/{name}"]'], ["files"])


@given(FILES, st.sampled_from(["base", "run", "provision", "path", "mode", "more"]))
def test_every_other_part_changes_the_digest_and_is_named(files: dict[str, bytes], part: str) -> None:
    with TemporaryDirectory() as place:
        folder = Path(place)
        targets = write(folder, files)
        (folder / "provision.sh").write_text("one", "utf-8")
        before = digest(folder, targets)
        changes: dict[str, str] = {}
        if part in ("base", "run"):
            changes[part] = "another"
        elif part == "provision":
            (folder / "provision.sh").write_text("two", "utf-8")
        elif part == "mode":
            (folder / sorted(files)[0]).chmod(0o755)
        elif part == "more":
            targets = {**targets, "/opt/zzz": sorted(files)[0]}
        else:
            targets = {f"/srv{path}": source for path, source in targets.items()}
        after = digest(folder, targets, **changes)
        told = {field.partition("[")[0] for field, _, _ in naming.changed_recipe(before.text, after.text, targets)}

        assert before.digest != after.digest
        assert {part if part in ("base", "run", "provision") else "files"} == told


@given(FILES, st.floats(0, 2e9), st.randoms())
def test_an_archive_depends_on_the_content_of_a_folder_only(files: dict[str, bytes], at: float, random) -> None:
    recipe = Recipe(base={"": "b"}, run=RUN, files={"/opt/app": "app"})
    with TemporaryDirectory() as one, TemporaryDirectory() as two:
        shuffled = list(files.items())
        random.shuffle(shuffled)
        write(Path(one, "app", "deep"), files)
        write(Path(two, "app", "deep"), dict(shuffled))
        for name in files:
            os.utime(Path(two, "app", "deep", name), (at, at))
        same = digest(Path(one), {"/opt/app": "app"}) == digest(Path(two), {"/opt/app": "app"})

        assert pack(recipe, Path(one), field="f") == pack(recipe, Path(two), field="f")
        assert same


@given(st.dictionaries(NAMES, st.text(max_size=5)), st.dictionaries(NAMES, st.text(max_size=5)))
def test_other_variables_make_another_digest_and_are_told(one: dict[str, str], other: dict[str, str]) -> None:
    with TemporaryDirectory() as folder:
        targets = write(Path(folder), {"serve": b"x"})
        before = digest(Path(folder), targets, variables=one)
        after = digest(Path(folder), targets, variables=other)
    changed = [field for field, _, _ in naming.changed_recipe(before.text, after.text, targets)]

    assert (one != other) == (before.digest != after.digest)
    assert (["variables"] if one != other else []) == changed


@given(st.text("0123456789abcdef", min_size=12, max_size=12), NAMES)
def test_labels_of_images_fit_everywhere(base: str, name: str) -> None:
    files = {f"/opt/{name}{number}": "0" * 64 for number in range(naming._FILES_TOLD)}
    text = naming.recipe(
        base, Recipe(base={"": base}, run=RUN, variables={"V": "1"}), attrs.evolve(contents(), files=files)
    ).text
    labels = naming.image_labels(
        deployment="d" * 40,
        service="s" * 40,
        digest=naming.refreshed(base, "b"),
        base="x",
        builder="i-" + base,
        recipe=text,
    )
    labels[naming.VERIFIED] = naming.YES
    ours = label(SMOKE, "s" * 40, "0" * SIZE)

    assert len(labels) <= 10
    assert all(
        0 < len(value) <= 63 and set(value) <= set("abcdefghijklmnopqrstuvwxyz0123456789_-")
        for value in (*labels.values(), ours)
    )


def contents():
    from vmpattern.model import Contents

    return Contents()
