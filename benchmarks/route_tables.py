"""The figures of `benchmarks.routes` as Markdown tables."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import pairwise
from statistics import fmean, median

from benchmarks.figures import percentile
from orderengine.domain.routing import MAX_LEGS, Route, RouteReason
from orderengine.market.venues import VENUES

SHARES = [Decimal(n).scaleb(-3) for n in ("0.01", 1, 5, 10, 20, 50, 100, 150, 200, 300, 400, 500)]
EDGES = (0.0, 0.001, 0.01, 0.05, 0.15, 0.5)


def curve(heading: str, prices: Mapping[Decimal, Mapping[str, Decimal]]) -> str:
    """The price of each size at each venue and as a split."""
    venues = " | ".join(name.title() for name in VENUES)
    lines = [
        f"{heading}:",
        "",
        f"| size, % of the depth | {venues} | `maxLegs` {MAX_LEGS} | gain over the best venue |",
        f"|--:|{'--:|' * len(VENUES)}--:|--:|",
    ]
    for share, each in prices.items():
        best = min(price for name, price in each.items() if name != "split")
        gain = (best - each["split"]) / best * 10_000
        cells = [_price(each.get(name)) for name in (*VENUES, "split")]
        size = f"{(share * 100).normalize():f}"
        lines.append(f"| {size} | {' | '.join(cells)} | {gain:.1f} bps |")
    return "\n".join(lines)


def _price(price: Decimal | None) -> str:
    return "too much" if price is None else f"{price:.4f}"


def gains(orders: Sequence[tuple[float, Route, float]]) -> str:
    """The gain of the split over the best single venue, by size."""
    lines = [
        f"The gain of `maxLegs` {MAX_LEGS} over the best venue, {len(orders):,} random orders:",
        "",
        "| size, % of the depth | orders | split | mean gain | median | largest |",
        "|--:|--:|--:|--:|--:|--:|",
    ]
    for low, high in pairwise(EDGES):
        lines.append(_gain(f"{low * 100:g} to {high * 100:g}", _within(orders, low, high)))
    lines.append(_gain("all", orders))
    return "\n".join(lines)


def _within(
    orders: Sequence[tuple[float, Route, float]], low: float, high: float
) -> list[tuple[float, Route, float]]:
    return [each for each in orders if low < each[0] <= high]


def _gain(size: str, orders: Sequence[tuple[float, Route, float]]) -> str:
    found = [gain for _, _, gain in orders]
    splits = sum(route.reason is RouteReason.BEST_SPLIT for _, route, _ in orders)
    return (
        f"| {size} | {len(orders)} | {splits * 100 / len(orders):.0f} % | {fmean(found):.2f} bps"
        f" | {median(found):.2f} bps | {max(found):.1f} bps |"
    )


def times(measured: Mapping[str, Sequence[float]]) -> str:
    """The time of each step."""
    lines = ["CPU time for one order:", "", "| | p50 | p95 |", "|---|--:|--:|"]
    for name, values in measured.items():
        p50, p95 = (percentile(values, each) for each in (50, 95))
        lines.append(f"| {name} | {p50:.2f} ms | {p95:.2f} ms |")
    return "\n".join(lines)
