"""Orders as text for people: in as many columns as the terminal has room for, with units."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from rich.console import Console

from orderengine.cli.common import asked_text, tell_table

USDC_DECIMALS = 6
PRICE_DIGITS = 6
SMALL_PRICE = Decimal("0.001")
GAP = 2
SHORTEST_CELL = 8
LIMITS = {"buy": "at most", "sell": "at least"}
OPPOSITE = {"buy": "sell", "sell": "buy"}
PRICES = ("worstPrice", "quotedPrice", "executedPrice")
Row = Mapping[str, Any]

ALL_COLUMNS = (
    *("orderId", "createdAt", "side", "quantity", "symbol", "status", "dex", "executedPrice"),
    "reason",
)
LAYOUTS = (ALL_COLUMNS, ("orderId", "UTC", "order", "outcome"))
NARROWEST = ("orderId", "order", "outcome")
"""The columns for a terminal that is too narrow for all layouts; the last one is cut if need be."""


def terminal_width() -> int | None:
    """The width of the terminal in columns; None if standard output is not a terminal."""
    return Console().width if sys.stdout.isatty() else None


def tell_orders(orders: Sequence[Row]) -> None:
    """Write orders as a table that fits the terminal; elsewhere with all columns."""
    width = terminal_width()
    rows = [{**order, **_summary(order)} for order in orders]
    for columns in LAYOUTS:
        if width is None or _width(rows, columns) <= width:
            tell_table(rows, columns)
            return
    cut = _width(rows, NARROWEST[:-1]) + GAP
    room = max(SHORTEST_CELL, (width or 0) - cut)
    tell_table([{**row, "outcome": _cut(row["outcome"], room)} for row in rows], NARROWEST)


def _summary(order: Row) -> dict[str, str]:
    at, status = order["createdAt"], order["status"]
    price = _short(order["executedPrice"]) if "executedPrice" in order else ""
    in_usdc = "quoteQuantity" in order
    return {
        "quantity": f"{order['quoteQuantity']} USDC" if in_usdc else order["quantity"],
        "createdAt": f"{at[:19]}Z",
        "UTC": f"{at[5:10]} {at[11:16]}",
        "order": asked_text(order),
        "outcome": f"{status} {order.get('reason', price)}".rstrip(),
    }


def _width(rows: Sequence[Row], columns: Sequence[str]) -> int:
    cells = [[name, *(str(row.get(name) or "") for row in rows)] for name in columns]
    return sum(max(map(len, column)) for column in cells) + GAP * (len(columns) - 1)


def _cut(text: str, room: int) -> str:
    return text if len(text) <= room else f"{text[: room - 3]}..."


def _short(price: str) -> str:
    """The leading digits of a price."""
    exact = Decimal(price)
    rounded = Decimal(f"{exact:.{PRICE_DIGITS}g}")
    return f"{rounded:e}" if exact < SMALL_PRICE else f"{rounded:f}"


def _usdc(text: str) -> str:
    """Base units of USDC as whole USDC."""
    return f"{Decimal(text).scaleb(-USDC_DECIMALS).normalize():f} USDC"


def _limit(order: Row, value: str) -> str:
    """The limit in words: of USDC, or of the base asset if the USDC is exact."""
    side, symbol = order.get("side", ""), order.get("symbol", "")
    if "quoteQuantity" in order:
        return f"{value} base units of {symbol}, {LIMITS.get(OPPOSITE.get(side, ''), '')}"
    return f"{_usdc(value)}, {LIMITS.get(side, '')}"


def order_lines(order: Row) -> Iterator[str]:
    """The fields of an order, a line each, with units."""
    symbol = order.get("symbol", "")
    units: Mapping[str, Callable[[Any], str]] = {
        "quantity": lambda value: f"{value} {symbol}",
        "quoteQuantity": lambda value: f"{value} USDC",
        "slippageBps": lambda value: f"{value} bps (tolerance)",
        "slippagePct": lambda value: f"{value} % (positive is worse than quoted)",
        "marketImpactBps": lambda value: f"{value} bps",
        "baseAmount": lambda value: f"{value} base units of {symbol}",
        "quoteAmount": _usdc,
        "limitAmount": lambda value: _limit(order, value),
        "fee": lambda value: f"{value} USDC",
        **{name: lambda value: f"{value} USDC for 1 {symbol}" for name in PRICES},
    }
    for name, value in order.items():
        if not isinstance(value, (list, dict)):
            yield f"{name:<16} {units.get(name, str)(value)}"
