"""The log for people at a terminal: a line for each order when it has ended.

Elsewhere the log stays in JSON.
"""

import json
from collections.abc import Iterator
from typing import Any

from orderengine.domain.order import TERMINAL_STATUSES, OrderStatus

_STEPS = frozenset({"info", "debug"})
_NOT_SHOWN = frozenset({"event", "level", "logger", "timestamp", "exception", "order_id"})
_BY_BASE = "{side} {quantity} {symbol}"
_BY_USDC = "{side} {symbol} for {quote_quantity} USDC"
_ATTEMPT = "attempt_failed"
"""A warning about an attempt is not shown: the line of the order tells the number of attempts."""


def readable(text: str) -> Iterator[str]:
    """The lines to show for a line of a child; none for a step of an open order."""
    line = _parsed(text)
    if line is None:
        yield text
    elif line["event"] == "order_moved" and line.get("status") in TERMINAL_STATUSES:
        yield _order(line)
    elif "order_id" not in line or not (line["event"] == _ATTEMPT or line["level"] in _STEPS):
        yield from _other(line)


def _parsed(text: str) -> dict[str, Any] | None:
    """A line of the log; None for any other text."""
    if not text.startswith("{"):
        return None
    try:
        line = json.loads(text)
    except (ValueError, RecursionError):
        return None
    is_log = isinstance(line, dict) and all(
        isinstance(line.get(name), str) for name in ("event", "level")
    )
    return line if is_log else None


def _order(line: dict[str, Any]) -> str:
    what = (_BY_USDC if "quote_quantity" in line else _BY_BASE).format_map(_Known(line))
    attempts = f", attempt {line.get('attempt')}"
    if line["status"] == OrderStatus.CONFIRMED:
        end = "confirmed at {executed_price} USDC on {dex} in {took_s} s".format_map(_Known(line))
    else:
        end = "failed after {took_s} s, {reason}: {detail}".format_map(_Known(line))
    return _whole(f"order {line.get('order_id')} {what} {end}{attempts}")


def _other(line: dict[str, Any]) -> Iterator[str]:
    level = "" if line["level"] in _STEPS else f"{line['level']}: "
    order = f" order {line['order_id']}" if "order_id" in line else ""
    fields = [f"{name}={value}" for name, value in line.items() if name not in _NOT_SHOWN]
    yield _whole(" ".join([f"{level}{line['event']}{order}", *fields]))
    for row in str(line.get("exception") or "").splitlines():
        yield _whole(row)


class _Known(dict[str, Any]):
    """The fields of a line; a missing one reads as `?`."""

    def __missing__(self, name: str) -> str:
        return "?"


def _whole(text: str) -> str:
    """The text as one line; control characters are escaped, so no value can break or color it."""
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)
