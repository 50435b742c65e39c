"""JSON for the broker's messages: kombu's format, written and read by a faster library.

kombu calls a Python function for each object that it reads, to see whether it stands for a value
that JSON does not have, such as a time. The messages of the stages have none of those; what has
one, such as some answers of a worker to its operator, still goes kombu's way.
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
    """Read what `encoded`, or kombu of any release, wrote; raises ValueError for anything else."""
    plain = text if isinstance(text, str) else bytes(text).decode()
    return kombu_json.loads(plain) if _TYPED in plain else orjson.loads(plain)


def use_for_messages() -> None:
    """Have kombu write and read the bodies of all messages of this process by these two."""
    register("json", encoded, decoded, "application/json", "utf-8")
