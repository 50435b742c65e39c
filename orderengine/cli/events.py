"""The events of an order, as the command line prints them."""

from collections.abc import Mapping
from typing import Any

from orderengine.domain.order import TERMINAL_STATUSES, OrderStatus

Event = Mapping[str, Any]

TERMINAL: Mapping[str, int] = {
    status.value: 0 if status is OrderStatus.CONFIRMED else 1 for status in TERMINAL_STATUSES
}
"""The statuses that end an order, with the exit status of a command that followed it there."""


def code_of(status: str) -> int:
    """The exit status for an order with this final status; an unknown status is a failure."""
    return TERMINAL.get(status, 1)


def telling(event: Event) -> str:
    """The details of an event to print after its status."""
    data, status = event["data"], event["status"]
    if status in TERMINAL:
        return _telling_end(status, data)
    match status:
        case OrderStatus.PENDING | OrderStatus.WAITING:
            return _telling_wait(data)
        case OrderStatus.ROUTING if data.get("cause", "order") != "order":
            return f"because of: {data['cause']}"
        case OrderStatus.BUILDING:
            quotes = ", ".join(f"{quote['dex']} {quote['price']}" for quote in data["quotes"])
            return f"{data['dex']} at {data['quotedPrice']} (quotes: {quotes or 'none'})"
        case OrderStatus.SUBMITTED:
            return "cancel requested" if "cancelRequested" in data else f"tx {data['txHash']}"
        case _:
            return ""


def _telling_wait(data: Mapping[str, Any]) -> str:
    """Why an order waits for its next attempt or its condition, or what has started it."""
    if "reason" in data:
        told = f"{data['reason']}: {data['detail']}"
        return f"{told}; again in {data['retryInMs']} ms" if "retryInMs" in data else told
    if "cause" in data:
        seen = f" at {data['seenPrice']}" if "seenPrice" in data else ""
        return f"{data['cause']}{seen}"
    return ""


def _telling_end(status: str, data: Mapping[str, Any]) -> str:
    if status == OrderStatus.CONFIRMED:
        slippage = f"slippage {data['slippagePct']} % (positive is worse)"
        told = f"executed at {data['executedPrice']}, {slippage}, fee {data['fee']} USDC"
        return f"{told}; too late to cancel" if "cancelTooLate" in data else told
    if "reason" in data:
        return f"{data.get('because', data['reason'])}: {data['detail']}"
    return str(data.get("detail", ""))
