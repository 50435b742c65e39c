"""JSON for the broker's messages: kombu's format, written and read by a faster library.

kombu calls a Python function for each object that it reads, in case the object encodes a value
that JSON lacks, such as a time. The stages' messages hold no such values. Messages that do, such as
some answers of a worker to its operator, still use kombu's own reader.
"""

from typing import Any

import orjson
from kombu.serialization import register
from kombu.utils import json as kombu_json

_TYPED = "__type__"
_ONLY_JSON = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS


def encoded(value: Any) -> str:
    """A value as JSON text."""
    try:
        return orjson.dumps(value, option=_ONLY_JSON).decode()
    except orjson.JSONEncodeError:
        return kombu_json.dumps(value)


def decoded(text: str | bytes) -> Any:
    """Read JSON written by `encoded` or by any release of kombu; raises ValueError otherwise."""
    plain = text if isinstance(text, str) else bytes(text).decode()
    return kombu_json.loads(plain) if _TYPED in plain else orjson.loads(plain)


def use_for_messages() -> None:
    """Make kombu use `encoded` and `decoded` for all message bodies of this process."""
    register("json", encoded, decoded, "application/json", "utf-8")
