"""How the fields of a value are declared: once, in the value's own dataclass.

Documents, rows, answers, their schemas and exports are derived from the declaration. A field is
told under its name in camelCase and in the form of its type. `Told` says what differs, in the
field's annotation:

    worst_price: Annotated[Decimal | None, Told("The worst acceptable price.")] = None

A `Part` is a member that clients see although the dataclass has no such field.
"""

import dataclasses
import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from enum import Enum, IntEnum
from functools import cache, cached_property
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    ParamSpec,
    TypeVar,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
)
from uuid import UUID

from orderengine.domain.texts import (
    decimal_text,
    percent_from,
    percent_text,
    time_from,
    time_text,
)

P = ParamSpec("P")
T = TypeVar("T")

Document = dict[str, Any]


class Seen(IntEnum):
    """Who sees a field."""

    ENGINE = 0  # no one: it is in the row alone, if it is stored
    OPERATORS = 1  # exports and the cache have it
    CLIENTS = 2  # so do answers and events


@dataclass(frozen=True, slots=True)
class Told:
    """How a field is told, where the rules of this module do not say it.

    Without a `column` of another name, the column has the field's; None stands for no column of its
    own. `read` gives the value for a document that does not have it under the field's name. The
    members of a value that `is_flat` stand in the place of its field.
    """

    description: str = ""
    name: str = ""
    seen: Seen = Seen.CLIENTS
    column: str | None = ""
    is_flat: bool = False
    read: Callable[[Document], Any] | None = None


FLAT = Told(is_flat=True)


@dataclass(frozen=True, slots=True)
class Part:
    """A member that is read from the value by a path, such as `route.price`; never read back."""

    path: str
    description: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Form:
    """How the values of a type are written in JSON, and read; None leaves them as they are."""

    write: Callable[[Any], Any] | None
    read: Callable[[Any], Any] | None


BASE_UNITS = Form(str, int)
PERCENT = Form(percent_text, percent_from)
WRITTEN_DECIMAL = Form(None, None)
FORMS: Mapping[Any, Form] = {
    str: Form(None, None),
    int: Form(None, int),
    bool: Form(None, bool),
    UUID: Form(str, UUID),
    Decimal: Form(decimal_text, Decimal),
    datetime: Form(time_text, time_from),
}
"""The form of each type; enums, tuples, maps and dataclasses have theirs in `codec.py`."""

BaseUnits = Annotated[int, BASE_UNITS]
"""A whole amount in base units; in JSON a string, because numbers there may lose digits."""
BpsAsPercent = Annotated[Decimal, PERCENT]
"""Basis points, told as a percentage."""
PriceText = Annotated[str, WRITTEN_DECIMAL]
"""A price that is already in its JSON form."""


@dataclass(frozen=True, slots=True)
class Member:
    """A member of a value: where it is (`path`), what it is, and how it is told.

    `guard` is the beginning of `path` that may be None; `is_partial` if the member itself may be
    None as well.
    """

    path: str
    name: str
    told: Told
    kind: Any
    form: Form | None
    guard: str | None = None
    is_part: bool = False
    has_default: bool = False
    is_partial: bool = False

    @property
    def column(self) -> str | None:
        """The column that stores it, if it has one of its own."""
        return self.path if self.told.column == "" else self.told.column

    @property
    def is_scalar(self) -> bool:
        """True for a single text or number."""
        return self.form is not None or self.is_enum

    @property
    def is_enum(self) -> bool:
        """True for one of an enum's values."""
        return isinstance(self.kind, type) and issubclass(self.kind, Enum)


def once(function: Callable[P, T]) -> Callable[P, T]:
    """Keep each result of a function: `functools.cache` with the function's own type."""
    return cast("Callable[P, T]", cache(function))


def camel_case(name: str) -> str:
    """A Python name as it is written in JSON."""
    first, *rest = name.split("_")
    return first + "".join(word.title() for word in rest)


@once
def members(value: type[Any]) -> tuple[Member, ...]:
    """The fields and parts of a dataclass, in the order of their declaration."""
    fields = {each.name: each for each in dataclasses.fields(value)}
    found = []
    for name, hint in get_type_hints(value, include_extras=True).items():
        if name in fields:
            found.append(replace(_member(name, hint), has_default=_has_default(fields[name])))
        elif isinstance(part := getattr(value, name, None), Part):
            found.append(_part(value, name, part))
    return tuple(found)


@once
def shown(value: type[Any]) -> tuple[Member, ...]:
    """The members that clients see; those of flat values stand in the places of their fields.

    A member of the value itself replaces one of the same name in a flat value.
    """
    own = {each.name for each in members(value) if not each.told.is_flat}
    found: list[Member] = []
    for each in members(value):
        if each.told.is_flat:
            found += [one for one in _spread(each) if one.name not in own]
        elif each.told.seen is Seen.CLIENTS:
            found.append(each)
    return tuple(found)


def _spread(flat: Member) -> Iterator[Member]:
    for each in shown(flat.kind):
        is_partial = bool(flat.guard and each.guard)
        if is_partial and each.guard != each.path:
            raise TypeError(f"{flat.path}.{each.path} has two parts that may be None")
        guard = flat.guard or (f"{flat.path}.{each.guard}" if each.guard else None)
        yield replace(each, path=f"{flat.path}.{each.path}", guard=guard, is_partial=is_partial)


def _member(path: str, hint: Any) -> Member:
    kind, notes, is_optional = _unwrapped(hint)
    told = next((note for note in notes if isinstance(note, Told)), Told())
    form = next((note for note in notes if isinstance(note, Form)), FORMS.get(kind))
    name = told.name or camel_case(path)
    return Member(path, name, told, kind, form, path if is_optional else None)


def _part(value: type[Any], name: str, part: Part) -> Member:
    """A part, with the type of the last attribute of its path."""
    first, *rest = part.path.split(".")
    member = _member(first, _hint(value, first))
    for step in rest:
        inner = _member(f"{member.path}.{step}", _hint(member.kind, step))
        member = replace(inner, guard=member.guard or inner.guard)
    told = Told(part.description, column=None)
    return replace(member, name=camel_case(name), told=told, is_part=True)


def _hint(value: type[Any], name: str) -> Any:
    """The type of a field or property."""
    found = inspect.getattr_static(value, name, None)
    if isinstance(found, property | cached_property):
        getter = found.fget if isinstance(found, property) else found.func
        return get_type_hints(getter, include_extras=True)["return"]
    return get_type_hints(value, include_extras=True)[name]


def _unwrapped(hint: Any) -> tuple[Any, tuple[Any, ...], bool]:
    """A type without its notes and without None; its notes, the outer ones first; if None fits."""
    if get_origin(hint) is Annotated:
        kind, notes, is_optional = _unwrapped(hint.__origin__)
        return kind, (*hint.__metadata__, *notes), is_optional
    if get_origin(hint) in {Union, UnionType}:
        (kept,) = (each for each in get_args(hint) if each is not NoneType)
        kind, notes, _ = _unwrapped(kept)
        return kind, notes, True
    return hint, (), False


def _has_default(field: "dataclasses.Field[Any]") -> bool:
    return any(each is not dataclasses.MISSING for each in (field.default, field.default_factory))
