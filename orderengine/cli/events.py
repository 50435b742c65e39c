"""The events of an order, as the command line prints them."""

from collections.abc import Mapping
from typing import Any

from orderengine.cli.terms import terms_in_words
from orderengine.domain.moves import TRIGGERED
from orderengine.domain.order import TERMINAL_STATUSES, OrderStatus

Event = Mapping[str, Any]
Data = Mapping[str, Any]

TERMINAL: Mapping[str, int] = {
    status.value: 0 if status is OrderStatus.CONFIRMED else 1 for status in TERMINAL_STATUSES
}
"""The statuses that end an order, with the exit status of a command that followed it there."""
STYLES: Mapping[str, str] = {
    **dict.fromkeys(TERMINAL, "yellow"),
    OrderStatus.CONFIRMED.value: "green",
    OrderStatus.FAILED.value: "red",
}
"""The color of each terminal status: yellow for an end that was asked for."""


def code_of(status: str) -> int:
    """The exit status for an order with this final status; an unknown status is a failure."""
    return TERMINAL.get(status, 1)


def telling(event: Event) -> str:
    """The details of an event to print after its status."""
    data, status = event["data"], event["status"]
    if status in TERMINAL:
        return _telling_end(status, data)
    match status:
        case OrderStatus.WAITING:
            return _telling_wait(data)
        case OrderStatus.PENDING:
            return _telling_start(data)
        case OrderStatus.ROUTING if data.get("cause", "order") != "order":
            return f"because of: {data['cause']}"
        case OrderStatus.BUILDING:
            quotes = ", ".join(f"{quote['dex']} {quote['price']}" for quote in data["quotes"])
            return f"{data['dex']} at {data['quotedPrice']} (quotes: {quotes or 'none'})"
        case OrderStatus.SUBMITTED if "cancelRequested" in data:
            return "cancel requested: the network decides"
        case OrderStatus.SUBMITTED:
            return f"tx {data['txHash']}"
        case _:
            return ""


def _telling_wait(data: Data) -> str:
    """What an order waits for: at first, after its price has left, or with other terms."""
    if "reason" in data:
        return f"rests: {data['reason']}: {data['detail']}"
    if "symbol" in data:
        return terms_in_words(data)
    in_usdc = "quoteQuantity" in data
    amount = f"{data['quoteQuantity']} USDC" if in_usdc else data["quantity"]
    return f"amended: {amount} {terms_in_words(data)}"


def _telling_start(data: Data) -> str:
    """What has started an order, or its next attempt; an order that is new starts by itself."""
    if "reason" in data:
        return f"{data['reason']}: {data['detail']}; again in {data['retryInMs']} ms"
    if data.get("cause") == TRIGGERED:
        seen = f": {data['seenPrice']} USDC" if "seenPrice" in data else ""
        return f"triggered{seen}{' at ' + data['source'] if 'source' in data else ''}"
    return terms_in_words(data)


def _telling_end(status: str, data: Data) -> str:
    if status == OrderStatus.CONFIRMED:
        slippage = f"slippage {data['slippagePct']} % (positive is worse)"
        told = f"executed at {data['executedPrice']}, {slippage}, fee {data['fee']} USDC"
        return f"{told}; too late to cancel" if data.get("cancelTooLate") else told
    because = f" ({data['because']})" if "because" in data else ""
    told = ": ".join(data[name] for name in ("reason", "detail") if name in data)
    if not told and status == OrderStatus.EXPIRED:
        return "its time has passed"
    return f"{told}{because}"
