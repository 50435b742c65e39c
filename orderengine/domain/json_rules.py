"""The rules for JSON from outside, beyond JSON's own: depth, length of numbers, and texts.

The service refuses a whole body that breaks one of them; the commands check before they send.
"""

import re
from collections.abc import Iterator
from typing import Any

MAX_DEPTH = 8
"""The most levels of one order, or of another document that comes alone."""
MAX_NUMBER_LENGTH = 64
"""The most characters of a number as it is written."""
UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
"""Characters that no text may have: NUL, and half a surrogate pair."""

# An unclosed string runs to the end of the text; the possessive quantifiers keep this linear.
_STRING_OR_BRACKET = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[\[\]{}]', re.DOTALL)


def depth_of(text: str) -> int:
    """The levels of a JSON text, told without parsing: deep nesting exhausts a parser's stack."""
    depth = deepest = 0
    for token in _STRING_OR_BRACKET.findall(text):
        if token in {"[", "{"}:
            depth += 1
            deepest = max(deepest, depth)
        elif token in {"]", "}"}:
            depth -= 1
    return deepest


def leaves_of(value: Any) -> Iterator[Any]:
    """The values inside a parsed document that are neither objects nor lists."""
    if isinstance(value, dict):
        for item in value.values():
            yield from leaves_of(item)
    elif isinstance(value, list):
        for item in value:
            yield from leaves_of(item)
    else:
        yield value
