"""The fields of answers' schemas: by hand, or as the values' own declarations say."""

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, ClassVar, get_args, get_origin
from uuid import UUID

from marshmallow import EXCLUDE, Schema, fields

from orderengine.domain.fields import (
    BASE_UNITS,
    FORMS,
    PERCENT,
    WRITTEN_DECIMAL,
    Form,
    Member,
    camel_case,
    shown,
)

Field = fields.Field[Any]


class AnswerSchema(Schema):
    """The base of answers: names in camelCase; a field is always present unless it is `optional`.

    Fields may be added, so a client ignores those that it does not know.
    """

    optional: ClassVar[frozenset[str]] = frozenset()

    class Meta:
        """Documented as open."""

        unknown = EXCLUDE

    def on_bind_field(self, field_name: str, field_obj: Field) -> None:
        """Read and write the field under its name in camelCase."""
        field_obj.attribute = field_obj.data_key = camel_case(field_name)
        field_obj.required = field_name not in self.optional


def text(description: str = "", **more: Any) -> fields.String:
    """A string."""
    return fields.String(metadata=_told(description, **more))


def decimal(description: str) -> fields.String:
    """A decimal as a string."""
    return text(description, pattern=r"^-?[0-9]+(\.[0-9]+)?$")


def base_units(description: str) -> fields.String:
    """A whole amount in base units as a string."""
    return text(f"{description}, in base units.", pattern="^[0-9]+$")


def one_of(choices: type[StrEnum], description: str = "") -> fields.String:
    """One of an enum's values."""
    return text(description, enum=[choice.value for choice in choices])


def time(description: str) -> fields.String:
    """A time, RFC 3339 in UTC."""
    return text(description, format="date-time")


def integer(description: str = "") -> fields.Integer:
    """An integer."""
    return fields.Integer(metadata=_told(description))


def boolean(description: str = "") -> fields.Boolean:
    """True or false."""
    return fields.Boolean(metadata=_told(description))


def identifier(description: str = "") -> fields.String:
    """A UUID."""
    return text(description, format="uuid")


def texts(description: str) -> fields.Dict:
    """A map of names to texts."""
    return fields.Dict(keys=text(), values=text(), metadata=_told(description))


def _told(description: str, **more: Any) -> dict[str, Any]:
    return {"description": description, **more} if description else more


_BY_FORM: Mapping[Form, Callable[[str], Field]] = {
    BASE_UNITS: base_units,
    PERCENT: decimal,
    WRITTEN_DECIMAL: decimal,
    FORMS[Decimal]: decimal,
    FORMS[UUID]: identifier,
    FORMS[datetime]: time,
    FORMS[int]: integer,
    FORMS[bool]: boolean,
    FORMS[str]: text,
}

_schemas: dict[type[Any], type[AnswerSchema]] = {}


def answer(
    name: str,
    value: type[Any],
    *,
    optional: frozenset[str] = frozenset(),
    **more: Field,
) -> type[AnswerSchema]:
    """The schema of a value's document, with more fields, of which some are `optional`.

    Values inside of it must have their schemas before.
    """
    absent = {each.name for each in shown(value) if each.guard}
    members = {**fields_of(value), **more, "optional": optional | absent}
    _schemas[value] = made = type(f"{name}Schema", (AnswerSchema,), members)
    return made


def fields_of(
    value: type[Any], described: Callable[[Member], str] = lambda each: each.told.description
) -> dict[str, Field]:
    """The fields of a value's document, by name."""
    return {each.name: _field(each, described(each)) for each in shown(value)}


def _field(member: Member, description: str) -> Field:
    if member.form is not None:
        return _BY_FORM[member.form](description)
    if get_origin(member.kind) is tuple:
        nested = fields.Nested(_schemas[get_args(member.kind)[0]])
        return fields.List(nested, metadata=_told(description))
    if isinstance(member.kind, type) and issubclass(member.kind, StrEnum):
        return one_of(member.kind, description)
    if member.kind in _schemas:
        return fields.Nested(_schemas[member.kind], metadata=_told(description))
    if get_args(member.kind) == (str, str):
        return texts(description)
    return fields.Dict(metadata=_told(description))
