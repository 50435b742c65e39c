"""The events of an order, as the command line prints them."""

from collections.abc import Mapping
from typing import Any

Event = Mapping[str, Any]

TERMINAL = {"confirmed": 0, "failed": 1}
"""The statuses that end an order, with the exit status of a command that followed it there."""


def code_of(status: str) -> int:
    """The exit status for an order with this final status; an unknown status is a failure."""
    return TERMINAL.get(status, 1)


def telling(event: Event) -> str:
    """The details of an event to print after its status."""
    data = event["data"]
    match event["status"]:
        case "pending" if "reason" in data:
            return f"{data['reason']}: {data['detail']}; again in {data['retryInMs']} ms"
        case "routing" if data.get("cause", "order") != "order":
            return f"because of: {data['cause']}"
        case "building":
            quotes = ", ".join(f"{quote['dex']} {quote['price']}" for quote in data["quotes"])
            return f"{data['dex']} at {data['quotedPrice']} (quotes: {quotes or 'none'})"
        case "submitted":
            return f"tx {data['txHash']}"
        case "confirmed":
            slippage = f"slippage {data['slippagePct']} % (positive is worse)"
            return f"executed at {data['executedPrice']}, {slippage}, fee {data['fee']} USDC"
        case "failed":
            return f"{data['reason']}: {data['detail']}"
        case _:
            return ""
