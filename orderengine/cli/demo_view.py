"""Renders the demo: a live table, the final one, and the totals."""

from collections.abc import Sequence
from decimal import ROUND_HALF_EVEN, Decimal
from statistics import median

from rich.console import Console, Group, JustifyMethod
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from orderengine.cli.demo_board import Row
from orderengine.cli.events import STYLES
from orderengine.domain.order import OrderStatus

COLUMNS = ("#", "order", "venue", "quoted", "executed", "slip %", "try", "s", "status")
FRAME_LINES = 4
PLAIN_WIDTH = 100
PRICE_DIGITS = 6
SMALL_PRICE = Decimal("0.01")
COLORS = {**STYLES, OrderStatus.SUBMITTED.value: "cyan", "placing": "dim"}


def console(*, plain: bool) -> Console:
    """The console of the demo; a plain one has no colors, and room for all columns."""
    if plain:
        return Console(width=PLAIN_WIDTH, no_color=True, force_terminal=False, highlight=False)
    return Console(highlight=False)


def live_view(rows: Sequence[Row], now_s: float, height: int) -> Group:
    """The table as it is now, with the share of orders that are over.

    If it does not fit a screen of this height, it leaves out orders that are over first.
    """
    over = sum(row.is_over for row in rows)
    bar = Table.grid(padding=(0, 1))
    bar.add_row(ProgressBar(len(rows), over, width=40), f"{over} of {len(rows)} in {now_s:.1f} s")
    fitting = sorted(rows, key=lambda row: row.is_over)[: max(1, height - FRAME_LINES)]
    return Group(table(sorted(fitting, key=lambda row: row.number), now_s), bar)


def table(rows: Sequence[Row], now_s: float) -> Table:
    """One line for each order; 80 columns are enough for it."""
    view = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    for name in COLUMNS:
        justify: JustifyMethod = "left" if name in {"order", "venue", "status"} else "right"
        view.add_column(name, justify=justify, no_wrap=True)
    for row in rows:
        order = row.order
        view.add_row(
            str(row.number),
            f"{order.side} {order.quantity} {order.symbol}",
            row.venue,
            _price(row.quoted_price),
            _price(row.executed_price),
            f"{Decimal(row.slippage_pct):+.3f}" if row.slippage_pct else "",
            str(row.attempt),
            f"{_seconds(row, now_s):.2f}",
            Text(row.shown_status, style=COLORS.get(row.status, "")),
        )
    return view


def totals(rows: Sequence[Row]) -> list[str]:
    """The sums, and one line for each order that was not confirmed."""
    ended = [row for row in rows if row.is_terminal]
    confirmed = sum(row.status == OrderStatus.CONFIRMED for row in ended)
    failed = f"{len(ended) - confirmed} failed"
    intended = sum(row.failed_as_intended for row in ended)
    if intended:
        failed += f" ({intended} as intended)"
    lines = [f"{confirmed} confirmed, {failed}, of {len(rows)} orders"]
    if ended:
        times = [_seconds(row, 0.0) for row in ended]
        whole_s = max(row.ended_s or 0.0 for row in ended) - min(row.began_s for row in ended)
        per_minute = 60 * len(ended) / max(whole_s, 0.001)
        lines += [
            f"{per_minute:.0f} orders a minute, the last one after {whole_s:.2f} s",
            f"time of an order: median {median(times):.2f} s, max {max(times):.2f} s",
            f"attempts: {sum(row.attempt for row in ended)} for {len(ended)} orders",
        ]
    return lines + [_complaint(row) for row in rows if row.status != OrderStatus.CONFIRMED]


def _complaint(row: Row) -> str:
    order = row.order
    what = f"order {row.number} ({order.side} {order.quantity} {order.symbol})"
    tried = f"attempts {row.attempt}"
    if row.failed_as_intended:
        return f"{what} failed as intended, with a tolerance of 0: {row.reason}, {tried}"
    if row.is_terminal:
        return f"{what} failed: {row.reason}, {tried}"
    if not row.problem:
        return f"{what} did not end: still {row.status}"
    if row.order_id:
        return f"{what} was accepted as {row.order_id}, but not watched to its end: {row.problem}"
    return f"{what} {'may have been placed' if row.in_doubt else 'was not placed'}: {row.problem}"


def _seconds(row: Row, now_s: float) -> float:
    return (now_s if row.ended_s is None else row.ended_s) - row.began_s


def _price(text: str) -> str:
    """The leading digits of a price, for people to read."""
    if not text:
        return ""
    price = Decimal(text)
    places = Decimal(1).scaleb(price.adjusted() + 1 - PRICE_DIGITS)
    rounded = price.quantize(places, ROUND_HALF_EVEN)
    return f"{rounded:e}" if price < SMALL_PRICE else f"{rounded:f}"
