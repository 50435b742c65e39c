"""Recorded answers of one run of the service; the API description shows them as examples."""

import json
from pathlib import Path
from typing import Any

_HELD: dict[str, dict[str, Any]] = json.loads(
    Path(__file__).with_suffix(".json").read_text("utf-8")
)

ORDER = _HELD["order"]
ORDERS = {"orders": [ORDER], "nextCursor": None}
EVENTS = _HELD["events"]
ROUTE = _HELD["route"]
INSTRUMENTS = _HELD["instruments"]
TICKET = _HELD["ticket"]
READY = _HELD["ready"]
ALIVE = {"status": "ok"}
