"""JSON for storage and messages, by the fastest library for it.

Text that is not valid Unicode, such as half a surrogate pair in a library's message, falls back to
Python's slower library, which can write it.
"""

import json
from typing import Any

import orjson


def json_text(value: Any) -> str:
    """A document as compact JSON text; raises TypeError for a value without a JSON form."""
    try:
        return orjson.dumps(value).decode()
    except orjson.JSONEncodeError:
        return json.dumps(value, separators=(",", ":"))


def json_value(text: str | bytes) -> Any:
    """Read JSON text; raises ValueError for anything else."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return json.loads(text)
