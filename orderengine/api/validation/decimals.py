"""Fields of requests: positive decimals, exactly as they are written."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, ClassVar

from orderengine.api.validation.fields import MAX_DIGITS, RuleField
from orderengine.api.validation.strict_json import JsonNumber
from orderengine.domain.texts import decimal_text

_DECIMAL = r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?"
_DECIMAL_STRING = re.compile(_DECIMAL)
_DECIMAL_NUMBER = re.compile(_DECIMAL + r"(?:[eE][+-]?[0-9]{1,2})?")
DECIMAL_TEXT: Mapping[str, Any] = {
    "type": "string",
    "pattern": rf"^([1-9][0-9]{{0,{MAX_DIGITS - 1}}}(\.[0-9]+)?|0\.0*[1-9][0-9]*)$",
    "maxLength": MAX_DIGITS + 1,
}
"""The schema of a positive decimal. The field also accepts one made longer by trailing zeros."""


class ExactDecimal(RuleField[Decimal]):
    """A positive decimal, exactly as written: a JSON number, or a string without exponent.

    At most 28 digits when written out, of which at most `places` are decimals; exponents have at
    most two digits.
    """

    rules: ClassVar[Mapping[str, str]] = {
        "type": "must be a number or a decimal string",
        "decimal": "must be a plain decimal such as 10 or 0.5",
        "positive": "must be greater than 0",
        "digits": f"must not have more than {MAX_DIGITS} digits",
        "places": "must have at most {places} decimals",
    }
    openapi: ClassVar[Mapping[str, Any]] = {
        "anyOf": [
            {**DECIMAL_TEXT, "title": "DecimalString"},
            {
                "title": "DecimalNumber",
                "type": "number",
                "minimum": float(f"1e{1 - MAX_DIGITS}"),
                "exclusiveMaximum": float(f"1e{MAX_DIGITS}"),
            },
        ],
        "examples": ["10", 0.5],
    }

    def __init__(self, places: int = MAX_DIGITS, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._places = places

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> Decimal:
        if isinstance(value, JsonNumber):
            text, grammar = value.literal, _DECIMAL_NUMBER
        elif isinstance(value, str):
            text, grammar = value, _DECIMAL_STRING
        else:
            raise self.make_error("type")
        if not grammar.fullmatch(text):
            raise self.make_error("decimal")
        number = Decimal(text)
        if not self.is_allowed(number):
            raise self.make_error("positive")
        plain = decimal_text(number)
        if len(plain.replace(".", "")) > MAX_DIGITS:
            raise self.make_error("digits")
        if len(plain.partition(".")[2]) > self._places:
            raise self.make_error("places", places=self._places)
        return Decimal(plain)

    def is_allowed(self, number: Decimal) -> bool:
        """True above 0."""
        return number > 0


class QuotedDecimal(ExactDecimal):
    """An ExactDecimal in a query, where it is always a string."""

    openapi: ClassVar[Mapping[str, Any]] = {**DECIMAL_TEXT, "examples": ["10"]}
