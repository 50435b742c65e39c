"""JSON as it is stored and sent, written and read by the fastest library for it.

Text that is no Unicode, half a surrogate pair in some library's complaint, is left to the slower
one of Python, which knows a form for it.
"""

import json
from typing import Any

import orjson


def json_text(value: Any) -> str:
    """A document as compact JSON text; raises TypeError for what JSON has no form for."""
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
