"""A driver's own settings: from what the file says to the driver's attrs class, with every mistake at its place."""

import difflib
import enum
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import cast, get_args, get_origin

import attrs
import cattrs
from cattrs.errors import ClassValidationError, ForbiddenExtraKeysError
from cattrs.gen import make_dict_structure_fn

from vmpattern.driver.contract import OptionsT
from vmpattern.errors import Problem, SpecError
from vmpattern.model import Options
from vmpattern.model.quantity import parse_duration


def parse_options(kind: type[OptionsT], options: Options, *, path: str) -> OptionsT:
    """Make the driver's settings, an instance of `kind`, from the options of a cloud.

    Fields of `kind` may be str, int, float, bool, `Path`, `timedelta` (written "30s"), an enum (by value), `X | None`,
    tuples and mappings of these, and attrs classes. What `kind` itself raises on construction may be a `SpecError`,
    whose paths are taken as relative to the options.

    Args:
        path: where the options stand in the file, as in `clouds.demo`.

    Raises:
        SpecError: a key is unknown (says the nearest right one), missing, or has a wrong value; every problem at once.
    """
    try:
        return _CONVERTER.structure(options, kind)
    except cattrs.BaseValidationError as error:
        raise SpecError(tuple(_problems(error, path))) from error


def _problems(error: Exception, path: str) -> Iterator[Problem]:
    if isinstance(error, ClassValidationError):
        named, rest = error.group_exceptions()
        for inner, note in named:
            yield from _problems(inner, f"{path}.{note.name}")
        for inner in rest:
            yield from _problems(inner, path)
    elif isinstance(error, ForbiddenExtraKeysError):
        known = [field.name for field in attrs.fields(error.cl)]
        for key in sorted(error.extra_fields):
            yield Problem(f"{path}.{key}", f"isn't an option here; {nearest(key, known)}")
    elif isinstance(error, SpecError):
        for problem in error.problems:
            yield Problem(_joined(path, problem.path), problem.message)
    elif isinstance(error, KeyError):
        yield Problem(path, "is missing")
    else:
        yield Problem(path, str(error))


def _joined(path: str, inner: str) -> str:
    return f"{path}.{inner}" if inner and not inner.startswith("[") else path + inner


def nearest(wrong: str, right: Iterable[str]) -> str:
    """Return what to say of a wrong name: the nearest right one, else all of them."""
    names = sorted(right)
    near = difflib.get_close_matches(wrong, names, 1)
    if near:
        return f"did you mean {near[0]}?"
    return f"there are: {', '.join(names)}" if names else "there are none"


def _text(value: object, _: type) -> str:
    if not isinstance(value, str):
        raise ValueError(f"expected a text, found {_shown(value)}")
    return value


def _whole(value: object, _: type) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"expected a whole number, found {_shown(value)}")
    return value


def _number(value: object, _: type) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise ValueError(f"expected a number, found {_shown(value)}")
    return float(value)


def _truth(value: object, _: type) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"expected true or false, found {_shown(value)}")
    return value


def _path(value: object, _: type) -> Path:
    return Path(_text(value, str))


def _duration(value: object, _: type) -> timedelta:
    if not isinstance(value, str):
        raise ValueError(f'expected a duration such as "30s", found {_shown(value)}')
    return timedelta(seconds=parse_duration(value))


def _choice(value: object, kind: type[enum.Enum]) -> enum.Enum:
    for member in kind:
        if member.value == value:
            return member
    values = [str(member.value) for member in kind]
    raise ValueError(f"found {_shown(value)}; {nearest(str(value), values)}")


def _shown(value: object) -> str:
    if isinstance(value, Mapping):
        return "a table"
    if isinstance(value, list | tuple):
        return "a list"
    if isinstance(value, bool):
        return str(value).lower()
    return repr(value)


def _list(value: object, kind: type) -> tuple[object, ...]:
    if not isinstance(value, list | tuple):
        raise ValueError(f"expected a list, found {_shown(value)}")
    item = get_args(kind)[0]
    inner = enumerate(cast("Iterable[object]", value))
    return tuple(_each((f"[{place}]", each, item) for place, each in inner).values())


def _table(value: object, kind: type) -> dict[object, object]:
    if not isinstance(value, Mapping):
        raise ValueError(f"expected a table, found {_shown(value)}")
    name, item = get_args(kind)
    table = cast("Mapping[str, object]", value)
    names = _each((key, key, name) for key in table)
    inner = _each((key, each, item) for key, each in table.items())
    return {names[key]: each for key, each in inner.items()}


def _each(items: Iterable[tuple[str, object, type]]) -> dict[str, object]:
    """Structure each (place, value, type); every mistake is told under its place."""
    found: dict[str, object] = {}
    problems: list[Problem] = []
    for place, value, kind in items:
        try:
            found[place] = _CONVERTER.structure(value, kind)
        except (ValueError, SpecError, cattrs.BaseValidationError) as error:
            problems += _problems(error, place)
    if problems:
        raise SpecError(problems)
    return found


def _class(kind: type) -> Callable[[object, type], object]:
    structure = cast(
        "Callable[[object, type], object]", make_dict_structure_fn(kind, _CONVERTER, _cattrs_forbid_extra_keys=True)
    )

    def hook(value: object, kind: type) -> object:
        if not isinstance(value, Mapping):
            raise ValueError(f"expected a table, found {_shown(value)}")
        return structure(cast("object", value), kind)

    return hook


def _is(origin: object) -> Callable[[object], bool]:
    return lambda kind: get_origin(kind) is origin


def _is_enum(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, enum.Enum)


_CONVERTER = cattrs.Converter()
_CONVERTER.register_structure_hook(str, _text)
_CONVERTER.register_structure_hook(int, _whole)
_CONVERTER.register_structure_hook(float, _number)
_CONVERTER.register_structure_hook(bool, _truth)
_CONVERTER.register_structure_hook(Path, _path)
_CONVERTER.register_structure_hook(timedelta, _duration)
_CONVERTER.register_structure_hook_func(_is_enum, _choice)
_CONVERTER.register_structure_hook_func(_is(tuple), _list)
_CONVERTER.register_structure_hook_func(_is(Mapping), _table)
_CONVERTER.register_structure_hook_factory(attrs.has, _class)
