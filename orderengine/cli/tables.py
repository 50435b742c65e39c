"""Orders as text for people: in as many columns as the terminal has room for, with units."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from rich.console import Console

from orderengine.cli.common import asked_text, tell_table
from orderengine.cli.terms import pool_in_words
from orderengine.domain.order import OrderStatus

USDC_DECIMALS = 6
PRICE_DIGITS = 6
SMALL_PRICE = Decimal("0.001")
GAP = 2
SHORTEST_CELL = 8
LIMITS = {"buy": "at most", "sell": "at least"}
OPPOSITE = {"buy": "sell", "sell": "buy"}
PRICES = ("worstPrice", "limitPrice", "stopPrice", "quotedPrice", "executedPrice")
WIDEST_NAME = 17
Row = Mapping[str, Any]

ALL_COLUMNS = (
    *("orderId", "createdAt", "type", "side", "quantity", "symbol", "limitPrice", "stopPrice"),
    *("status", "dex", "executedPrice", "reason"),
)
MAY_BE_EMPTY = frozenset({"limitPrice", "stopPrice"})
"""Columns that a terminal shows only if an order has such a price."""
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
    if width is None:
        tell_table(rows, ALL_COLUMNS)
        return
    for layout in LAYOUTS:
        columns = [name for name in layout if name not in MAY_BE_EMPTY or _has_any(rows, name)]
        if _width(rows, columns) <= width:
            tell_table(rows, columns)
            return
    cut = _width(rows, NARROWEST[:-1]) + GAP
    room = max(SHORTEST_CELL, width - cut)
    tell_table([{**row, "outcome": _cut(row["outcome"], room)} for row in rows], NARROWEST)


def _summary(order: Row) -> dict[str, str]:
    at, status = order["createdAt"], order["status"]
    awaited = order.get("limitPrice", order.get("stopPrice"))
    price = awaited if status == OrderStatus.WAITING else order.get("executedPrice")
    told = order.get("reason", "") if price is None else _short(price)
    in_usdc = "quoteQuantity" in order
    return {
        "quantity": f"{order['quoteQuantity']} USDC" if in_usdc else order["quantity"],
        "createdAt": f"{at[:19]}Z",
        "UTC": f"{at[5:10]} {at[11:16]}",
        "order": asked_text(order),
        "outcome": f"{status} {told}".rstrip(),
    }


def _has_any(rows: Sequence[Row], name: str) -> bool:
    return any(row.get(name) for row in rows)


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
        "trigger": pool_in_words,
        **{name: lambda value: f"{value} USDC for 1 {symbol}" for name in PRICES},
    }
    for name, value in order.items():
        if name in units or not isinstance(value, (list, dict)):
            yield f"{name:<{WIDEST_NAME}} {units.get(name, str)(value)}"
