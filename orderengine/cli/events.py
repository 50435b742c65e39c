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
    data = event["data"]
    match event["status"]:
        case OrderStatus.PENDING if "reason" in data:
            return f"{data['reason']}: {data['detail']}; again in {data['retryInMs']} ms"
        case OrderStatus.ROUTING if data.get("cause", "order") != "order":
            return f"because of: {data['cause']}"
        case OrderStatus.BUILDING:
            quotes = ", ".join(f"{quote['dex']} {quote['price']}" for quote in data["quotes"])
            return f"{data['dex']} at {data['quotedPrice']} (quotes: {quotes or 'none'})"
        case OrderStatus.SUBMITTED:
            return f"tx {data['txHash']}"
        case OrderStatus.CONFIRMED:
            slippage = f"slippage {data['slippagePct']} % (positive is worse)"
            return f"executed at {data['executedPrice']}, {slippage}, fee {data['fee']} USDC"
        case OrderStatus.FAILED:
            return f"{data['reason']}: {data['detail']}"
        case _:
            return ""
