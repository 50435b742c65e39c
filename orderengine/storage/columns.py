"""Columns of values, as the values declare them: their names, their values, and rows read back."""

from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from operator import methodcaller
from typing import Any, TypeVar

from orderengine.domain.codec import Source, reading
from orderengine.domain.fields import BASE_UNITS, FORMS, Form, Member, members

T = TypeVar("T")

# What becomes of the driver's values of these forms; those of others stay as they are.
_READ: Mapping[Form, Callable[[Any], Any]] = {
    BASE_UNITS: int,
    FORMS[Decimal]: Decimal.normalize,  # a column adds zeros, up to its scale
    FORMS[datetime]: methodcaller("astimezone", UTC),
}


def stored(value: type[Any]) -> tuple[Member, ...]:
    """The members of a value that have a column of their own."""
    return tuple(each for each in members(value) if each.column is not None)


def column_list(value: type[Any], table: str = "") -> str:
    """The columns of a value, for a statement; `table` is the name that each one begins with."""
    return ", ".join(f"{table}{each.column}" for each in stored(value))


def parameter_list(value: type[Any]) -> str:
    """The values of these columns, for a statement that takes those of `row_values`."""
    return ", ".join(
        f"CAST(:{each.column} AS text)" if each.guard and each.kind is str else f":{each.column}"
        for each in stored(value)
    )


def row_values(value: type[T]) -> Callable[[T], dict[str, Any]]:
    """The function that gives the values of the columns of a value without nested values."""
    source = Source(f"{value.__name__}_values")
    lines = [f"    {each.column!r}: {_value(each)}," for each in stored(value)]
    return source.compiled("value", ["return {", *lines, "}"])


def _value(member: Member) -> str:
    """The expression that gives the value of a member's column."""
    place = f"value.{member.path}"
    if not member.is_enum:
        return place
    return f"None if {place} is None else {place}.value" if member.guard else f"{place}.value"


def row_reader(
    value: type[T], renamed: Mapping[str, str] | None = None, given: Collection[str] = ()
) -> Callable[..., T]:
    """The function that reads a value from its row, and from the `given` fields as arguments.

    `renamed` are the fields whose columns have another name in the row.
    """
    source = Source(f"{value.__name__}_row")
    named = renamed or {}
    lines = [
        f"    {each.path}={_read(source, each, f'row.{named.get(each.path, each.column)}')},"
        for each in stored(value)
    ]
    lines += [f"    {name}={name}," for name in given]
    return source.compiled(
        ", ".join(["row", *given]), [f"return {source.named(value)}(", *lines, ")"]
    )


def _read(source: Source, member: Member, place: str) -> str:
    """The expression that reads a member from its column."""
    if member.guard is None:
        return _reading(source, member, place)
    read = _reading(source, member, "given")
    return place if read == "given" else f"None if (given := {place}) is None else {read}"


def _reading(source: Source, member: Member, place: str) -> str:
    if member.form is not None:
        return source.called(_READ.get(member.form), place)
    return reading(source, member, place)
