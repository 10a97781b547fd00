"""Tables with known keys: one row a key, from which a table is read into a value of the model and written back."""

from collections.abc import Callable, Mapping
from typing import TypeVar

import attrs

from vmpattern.specfile.kinds import LATER, AnyKind, Kind
from vmpattern.specfile.sheet import Spot, Told, guess
from vmpattern.specfile.writing import Toml

T = TypeVar("T", bound=attrs.AttrsInstance)

Check = Callable[[Spot], None]
"""Notes what is wrong with a table as a whole; it runs even when some of its values are wrong."""


@attrs.frozen
class Key:
    """One key of a table.

    `field` is the model's field, where it isn't called like the key; an empty one only checks. `required` is what to
    give, for the message when the key is missing.
    """

    name: str
    kind: AnyKind
    field: str = attrs.field(kw_only=True, default=attrs.Factory(lambda self: self.name, takes_self=True))
    required: str = attrs.field(kw_only=True, default="")


def table(
    make: Callable[..., T],
    *keys: Key,
    named: bool = False,
    checks: tuple[Check, ...] = (),
    later: Mapping[str, str] | None = None,
) -> Kind[T]:
    """Return the kind of tables that `make` turns into a value.

    `named` passes the table's own key as `name`; `later` are keys that a later version brings, with what to do until
    then.
    """
    known = {key.name: key for key in keys}

    def read(spot: Spot) -> T:
        before = len(spot.sheet.problems)
        entries = spot.entries()
        values: dict[str, object] = {"name": spot.name} if named else {}
        for name, part in entries.items():
            if name in known:
                values[known[name].field] = part.attempt(known[name].kind.read)
            else:
                part.tell(_unknown(name, known, later or {}))
        for key in keys:
            if key.required and key.name not in entries:
                spot.child(key.name).tell(f"is missing: expected {key.required}")
        for check in checks:
            check(spot)
        if len(spot.sheet.problems) > before:
            raise Told
        values.pop("", None)
        return make(**values)

    return Kind(read, lambda value: fields(value, keys))


def _unknown(name: str, known: Mapping[str, Key], later: Mapping[str, str]) -> str:
    return f"{LATER}: {later[name]}" if name in later else f"unknown key: {guess(name, known)}"


def fields(value: attrs.AttrsInstance, keys: tuple[Key, ...]) -> dict[str, Toml]:
    """Write the fields of a value that differ from their defaults, in the order of the keys."""
    attributes = attrs.fields_dict(type(value))
    written = [(key, getattr(value, key.field)) for key in keys if key.field]
    return {
        key.name: key.kind.write(found) for key, found in written if found != _default(attributes[key.field].default)
    }


def _default(default: object) -> object:
    # attrs types `Factory` as a function; its values are of a class that has no public name.
    factory: Callable[[], object] | None = getattr(default, "factory", None)
    return factory() if factory else default
