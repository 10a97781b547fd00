"""From Google's JSON to values: one answer, or a page of a list with the warnings that say whether it is whole."""

from collections.abc import Iterator, Mapping
from typing import TypeVar

import attrs
from immutabledict import immutabledict

from vmpattern.errors import DriverError, Scope, ScopeKind, Transient
from vmpattern_gcp.names import region_of
from vmpattern_libcloud import converter, structured

Answer = TypeVar("Answer")


@attrs.frozen(kw_only=True)
class Notice:
    """A warning; its code says whether the list that bears it is whole."""

    code: str = ""
    message: str = ""


@attrs.frozen(kw_only=True)
class Listed:
    """A page of a list; of what can't be reached, a list of Google's may tell by a field only."""

    items: tuple[object, ...] = ()
    next_page_token: str = ""
    warning: Notice | None = None
    unreachables: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class Aggregated:
    """A page of a list over every zone: by scope, what is there under the collection's name, and a warning."""

    items: Mapping[str, Mapping[str, object]] = immutabledict()
    next_page_token: str = ""
    warning: Notice | None = None
    unreachables: tuple[str, ...] = ()


WHOLE = ("NO_RESULTS_ON_PAGE",)
"""Warnings of lists that lack nothing."""

IRREGULAR = {"network_ip": "networkIP", "nat_ip": "natIP"}


def parsed(kind: type[Answer], answer: object, what: str) -> Answer:
    """Make a value of a JSON document; fields that aren't read are passed over.

    Raises:
        Invalid: a field that must be there isn't, or has another type.
    """
    return structured(_CONVERTER, kind, answer, what)


def in_page(page: Aggregated, collection: str, what: str, region: str | None = None) -> Iterator[object]:
    """Yield what a page has, scope by scope, of one region or of all.

    Raises:
        Transient: something is missing.
    """
    missing = tuple(place for place in page.unreachables if _is_in(place, region))
    check_whole(attrs.evolve(page, unreachables=missing), what)
    for scope, found in page.items.items():
        if not _is_in(scope, region):
            continue
        if "warning" in found:
            raise_if_short(parsed(Notice, found["warning"], what), what, scope)
        yield from parsed(tuple[object, ...], found.get(collection, ()), what)


def _is_in(scope: str, region: str | None) -> bool:
    """Tell whether a scope such as `zones/z` or `regions/r` is of a region; others are of every region."""
    kind, _, name = scope.rpartition("/")
    if region is None or not kind.endswith(("zones", "regions")):
        return True
    return region == (region_of(name) if kind.endswith("zones") else name)


def check_whole(page: Listed | Aggregated, what: str) -> None:
    """Check that a page lacks nothing.

    Raises:
        Transient: a part couldn't be read.
    """
    if page.warning is not None:
        raise_if_short(page.warning, what, "everywhere")
    if page.unreachables:
        raise _short(what, "UNREACHABLE", f"{', '.join(page.unreachables)} can't be reached", page.unreachables[0])


def raise_if_short(notice: Notice, what: str, scope: str) -> None:
    """Raise unless the warning's code is one of a list that is whole.

    Raises:
        Transient: the list lacks something.
    """
    if notice.code not in WHOLE:
        raise _short(what, notice.code, f"{scope}: {notice.message}", scope)


def _short(what: str, code: str, text: str, place: str) -> DriverError:
    kind, _, name = place.partition("/")
    scope = Scope(ScopeKind.ZONE, zone=name) if kind == "zones" else Scope(ScopeKind.REGION)
    return Transient(f"{what}: the list isn't complete, {text}", code=code or "Incomplete", scope=scope)


def google_name(field: str) -> str:
    """Return how Google spells a field."""
    head, *rest = field.split("_")
    return IRREGULAR.get(field, head + "".join(word.capitalize() for word in rest))


def _as_it_is(value: object, _: type) -> object:
    return value


def _text(value: object, _: type) -> str:
    if not isinstance(value, str):
        raise TypeError(f"expected a text, found {type(value).__name__}")
    return value


_CONVERTER = converter(lambda _, field: google_name(field))
_CONVERTER.register_structure_hook_func(lambda kind: kind is object, _as_it_is)
_CONVERTER.register_structure_hook(str, _text)
