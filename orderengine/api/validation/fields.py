"""Fields of requests: each one reads a JSON value, or a query parameter, strictly.

Every refusal names its rule. A field checks the text before it converts it, because `int` and
`Decimal` accept more than JSON does: `1_000`, full-width digits, `sNaN`, or 1e1000000, which takes
a megabyte when written out.
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar
from uuid import UUID

from marshmallow import ValidationError, fields

from orderengine.api.validation import cursors
from orderengine.api.validation.strict_json import JsonNumber
from orderengine.stream import replay
from orderengine.stream.messages import cursor_from

MAX_DIGITS = 28
"""The precision of Decimal's arithmetic, so that no accepted number is ever rounded."""

MAX_TEXT = 64

_INTEGER = re.compile(r"0|-?[1-9][0-9]*")
# `.` and `..` are not allowed: clients remove them from a path before they send it.
NAME_PATTERN = r"^(?!\.{1,2}$)[A-Za-z0-9._-]+$"
_NAME = re.compile(rf"(?!\.{{1,2}}\Z)[A-Za-z0-9._-]{{1,{MAX_TEXT}}}")
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_CURSOR = re.compile(cursors.PATTERN[1:-1])
_TIME = r"2[0-9]{3}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z"
STREAM_CURSOR_PATTERN = rf"^{_TIME}(~{_TIME}~[1-9][0-9]{{0,18}})?$"
_STREAM_CURSOR = re.compile(STREAM_CURSOR_PATTERN[1:-1])

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)


class BrokenRule(NamedTuple):
    """The name of a rule, and the message that says what it requires.

    `member` follows the field's name, if a part of its value breaks the rule.
    """

    rule: str
    message: str
    member: str = ""


class RuleField(fields.Field[T], Generic[T]):
    """A field whose errors are named rules: `rules` maps each name to its message."""

    rules: ClassVar[Mapping[str, str]] = {}
    openapi: ClassVar[Mapping[str, Any]] = {}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.metadata = {**self.openapi, **self.metadata}

    def make_error(self, key: str, **kwargs: Any) -> ValidationError:
        """The error for a broken rule; null always counts as a wrong type."""
        rule = "type" if key == "null" else key
        message = {"required": "must be given", **self.rules}[rule]
        return ValidationError([BrokenRule(rule, message.format(**kwargs))])


class Text(RuleField[str]):
    """A string, unchanged."""

    rules: ClassVar[Mapping[str, str]] = {"type": "must be a string"}
    openapi: ClassVar[Mapping[str, Any]] = {"type": "string"}

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> str:
        if not isinstance(value, str):
            raise self.make_error("type")
        return value


class ShortText(Text):
    """A string of 1 to 64 printable characters."""

    rules: ClassVar[Mapping[str, str]] = {
        **Text.rules,
        "text": f"must be 1 to {MAX_TEXT} printable characters",
    }
    openapi: ClassVar[Mapping[str, Any]] = {
        "type": "string",
        "minLength": 1,
        "maxLength": MAX_TEXT,
    }

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> str:
        text = super()._deserialize(value)
        if not (0 < len(text) <= MAX_TEXT and text.isprintable()):
            raise self.make_error("text")
        return text


class Name(Text):
    """A client's own name for something: 1 to 64 characters that are safe everywhere."""

    rules: ClassVar[Mapping[str, str]] = {
        **Text.rules,
        "name": f"must be 1 to {MAX_TEXT} of A-Z a-z 0-9 . _ -, and not . or ..",
    }
    openapi: ClassVar[Mapping[str, Any]] = {
        "type": "string",
        "pattern": NAME_PATTERN,
        "minLength": 1,
        "maxLength": MAX_TEXT,
    }

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> str:
        text = super()._deserialize(value)
        if not is_name(text):
            raise self.make_error("name")
        return text


def is_name(text: str) -> bool:
    """True if the text is valid as a client's own name for something."""
    return _NAME.fullmatch(text) is not None


class Choice(RuleField[E], Generic[E]):
    """One of the values of some enums, without regard to ASCII case."""

    rules: ClassVar[Mapping[str, str]] = {
        "type": "must be a string",
        "one_of": "must be one of: {choices}",
    }

    def __init__(self, *choices: type[E], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._names = [choice.value for each in choices for choice in each]
        self._choices = {choice.value.lower(): choice for each in choices for choice in each}
        self.metadata = {"type": "string", "enum": self._names, **self.metadata}

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> E:
        if not isinstance(value, str):
            raise self.make_error("type")
        choice = self._choices.get(value.lower() if value.isascii() else value)
        if choice is None:
            raise self.make_error("one_of", choices=", ".join(self._names))
        return choice


class ExactInteger(RuleField[int]):
    """An integer from `low` to `high`: a JSON number, or also a string of digits if `quoted`.

    It refuses `100.0` and `1e2` although they are whole: with one spelling, a client writes, logs
    and repeats the same text. Accepting more spellings later would break nobody.
    """

    rules: ClassVar[Mapping[str, str]] = {
        "type": "must be an integer",
        "integer": "must be an integer, written with digits only",
        "range": "must be from {low} to {high}",
    }

    def __init__(self, low: int, high: int, *, quoted: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._low, self._high, self._quoted = low, high, quoted
        self.metadata = {"type": "integer", "minimum": low, "maximum": high, **self.metadata}

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> int:
        if self._quoted and isinstance(value, str):
            text = value
        elif isinstance(value, JsonNumber):
            text = value.literal
        else:
            raise self.make_error("type")
        if not _INTEGER.fullmatch(text):
            raise self.make_error("integer")
        # The length comes first: int() raises its own error for thousands of digits.
        if len(text) > MAX_DIGITS or not self._low <= int(text) <= self._high:
            raise self.make_error("range", low=self._low, high=self._high)
        return int(text)


class OrderId(RuleField[UUID]):
    """The id of an order in its usual form."""

    rules: ClassVar[Mapping[str, str]] = {"type": "must be a string", "uuid": "must be a UUID"}
    openapi: ClassVar[Mapping[str, Any]] = {"type": "string", "format": "uuid"}

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> UUID:
        if not isinstance(value, str):
            raise self.make_error("type")
        order_id = parse_order_id(value)
        if order_id is None:
            raise self.make_error("uuid")
        return order_id


def parse_order_id(text: str) -> UUID | None:
    """Parse an order's id in its usual form, else None; `UUID` accepts many other spellings."""
    return UUID(text) if _UUID.fullmatch(text) else None


class Cursor(RuleField[str]):
    """The cursor of the next page of orders, as `cursors.page_cursor_text` wrote it."""

    rules: ClassVar[Mapping[str, str]] = {
        "type": "must be a string",
        "cursor": cursors.MESSAGE,
    }
    openapi: ClassVar[Mapping[str, Any]] = {
        "type": "string",
        "pattern": cursors.PATTERN,
        "description": "The `nextCursor` of the previous page.",
    }

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> str:
        if not isinstance(value, str):
            raise self.make_error("type")
        if not _CURSOR.fullmatch(value):
            raise self.make_error("cursor")
        return value


class StreamCursor(RuleField[replay.Cursor]):
    """A cursor of a client's stream, as `messages.stream_cursor_text` wrote it."""

    rules: ClassVar[Mapping[str, str]] = {
        "type": "must be a string",
        "cursor": "must be a cursor of the stream, unchanged",
    }

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> replay.Cursor:
        if not isinstance(value, str):
            raise self.make_error("type")
        if not _STREAM_CURSOR.fullmatch(value):
            raise self.make_error("cursor")
        try:
            return cursor_from(value)
        except ValueError:
            raise self.make_error("cursor") from None
