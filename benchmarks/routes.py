"""The gain of routes: `python -m benchmarks.routes` writes docs/routing.svg and the figures.

It computes prices by size at each venue and as a split, the split's gain over 1,000 random orders,
and the time of the choice. Everything except the times is repeatable: it depends on the seed only.
"""

import random
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import TypeVar

from benchmarks import route_tables
from benchmarks.plot import Curve, svg
from orderengine.config.settings import PACKAGE_DIR, Settings
from orderengine.domain.choice import choose_route
from orderengine.domain.instruments import Instrument, parse_instruments
from orderengine.domain.routing import MAX_LEGS, Offer, Route, RouteRequest
from orderengine.domain.side import Side
from orderengine.market.reference import reference_price
from orderengine.market.venues import VENUES
from orderengine.venues.simulated import SimulatedVenue

PAGE = PACKAGE_DIR.parent / "docs" / "routing.md"
PLOT = PAGE.with_suffix(".svg")
FIGURES = re.compile(r"(<!-- figures -->\n).*(<!-- /figures -->)", re.DOTALL)

SIMULATION = Settings.from_env(
    {
        "DATABASE_URL": "postgresql://unused",
        "REDIS_URL": "redis://unused",
        "SIM_QUOTE_LATENCY_MS": "0-0",
    }
).simulation
NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
TOLERANCE_BPS = 100
ORDERS = 1_000
SHOWN = "SOL"
BUCKETS = ((0.00001, 0.001), (0.001, 0.01), (0.01, 0.05), (0.05, 0.15), (0.15, 0.5))

T = TypeVar("T")


@dataclass
class Moment:
    """A clock that stands still at one moment."""

    at: datetime

    def now(self) -> datetime:
        """The moment."""
        return self.at


@dataclass(frozen=True)
class Measured:
    """One random order: its share of the depth, its routes, and the CPU time they took."""

    share: float
    alone: Route
    split: Route
    offers_ms: float
    alone_ms: float
    split_ms: float

    @property
    def gain_bps(self) -> float:
        """How much better the split's total is than the best single venue's."""
        one, other = self.alone.quote_amount, self.split.quote_amount
        return abs(one - other) * 10_000 / one


def main() -> int:
    """Measure, write the plot and the page's figures, print the figures."""
    listed = parse_instruments((PACKAGE_DIR / "instruments.csv").read_text("utf-8"))
    instruments = [each for each in listed if not each.launched]
    shown = next(each for each in instruments if each.symbol == SHOWN)
    measured = list(random_orders(instruments))
    cheapest_at = cheapest_moments(shown)
    figures = "\n\n".join(
        [
            *(_curve_table(shown, venue, at) for venue, at in cheapest_at.items()),
            route_tables.gains([(each.share, each.split, each.gain_bps) for each in measured]),
            route_tables.times(
                {
                    "all venues' pools": [each.offers_ms for each in measured],
                    "`choose_route`, `maxLegs` 1": [each.alone_ms for each in measured],
                    f"`choose_route`, `maxLegs` {MAX_LEGS}": [each.split_ms for each in measured],
                }
            ),
        ]
    )
    PLOT.write_text(_plot(shown, next(iter(cheapest_at.values()))), "utf-8")
    page = PAGE.read_text("utf-8")
    written = FIGURES.sub(lambda found: f"{found[1]}\n{figures}\n\n{found[2]}", page)
    PAGE.write_text(written, "utf-8")
    print(figures)
    return 0


def offers_at(instrument: Instrument, side: Side, at: datetime) -> list[Offer]:
    """All venues' offers at a moment."""
    clock = Moment(at)
    venues = [SimulatedVenue(name, SIMULATION, clock) for name in VENUES]
    return [venue.offer(instrument, side) for venue in venues]


def prices(instrument: Instrument, share: Decimal, at: datetime) -> dict[str, Decimal]:
    """The effective price of a buy of a share of the depth, per venue that fills it and `split`."""
    amount = _base_amount(instrument, share, at)
    request = RouteRequest(instrument, Side.BUY, amount, TOLERANCE_BPS, MAX_LEGS)
    route = choose_route(request, offers_at(instrument, Side.BUY, at), {})
    return {**{quote.venue: quote.price for quote in route.quotes}, "split": route.price}


def cheapest_moments(instrument: Instrument) -> Mapping[str, datetime]:
    """For each venue the first minute from noon at which it is cheapest for a small buy."""
    found: dict[str, datetime] = {}
    for minute in count():
        at = NOON + timedelta(minutes=minute)
        by_venue = prices(instrument, route_tables.SHARES[0], at)
        found.setdefault(min(VENUES, key=by_venue.__getitem__), at)
        if len(found) == len(VENUES):
            break
    return {venue: found[venue] for venue in VENUES}


def random_orders(instruments: Sequence[Instrument], number: int = ORDERS) -> Iterator[Measured]:
    """Random orders: instrument, side, time of day, and as many sizes from each range."""
    rng = random.Random(1)  # noqa: S311 - the same orders each time
    for index in range(number):
        low, high = BUCKETS[index % len(BUCKETS)]
        share = low * (high / low) ** rng.random()
        at = NOON + timedelta(seconds=rng.randrange(86_400))
        instrument, side = rng.choice(instruments), rng.choice(list(Side))
        yield measure(instrument, side, at, share)


def measure(instrument: Instrument, side: Side, at: datetime, share: float) -> Measured:
    """Route one order with one leg, and with as many legs as there are venues."""
    amount = _base_amount(instrument, Decimal(share), at)
    offers, offers_ms = _timed(lambda: offers_at(instrument, side, at))
    one = RouteRequest(instrument, side, amount, TOLERANCE_BPS)
    alone, alone_ms = _timed(lambda: choose_route(one, offers, {}))
    # Fresh offers, so that the second choice cannot reuse values computed for the first.
    fresh = offers_at(instrument, side, at)
    many = RouteRequest(instrument, side, amount, TOLERANCE_BPS, MAX_LEGS)
    split, split_ms = _timed(lambda: choose_route(many, fresh, {}))
    return Measured(share, alone, split, offers_ms, alone_ms, split_ms)


def _timed(run: Callable[[], T]) -> tuple[T, float]:
    started = time.process_time_ns()
    result = run()
    return result, (time.process_time_ns() - started) / 1e6


def _base_amount(instrument: Instrument, share: Decimal, at: datetime) -> int:
    price = reference_price(SIMULATION.seed, instrument, at)
    return max(1, int((instrument.depth * share / price).scaleb(instrument.decimals)))


def _curve_table(instrument: Instrument, venue: str, at: datetime) -> str:
    heading = (
        f"Buying {instrument.symbol} while {venue} is the cheapest: USDC for one token, fees and"
        " impact included"
    )
    rows = {share: prices(instrument, share, at) for share in route_tables.SHARES}
    return route_tables.curve(heading, rows)


def _plot(instrument: Instrument, at: datetime) -> str:
    reference = reference_price(SIMULATION.seed, instrument, at)
    points: dict[str, list[tuple[float, float]]] = {name: [] for name in (*VENUES, "split")}
    for step in range(1, 201):
        share = Decimal(step) / 400
        for name, price in prices(instrument, share, at).items():
            points[name].append((float(share * 100), float((price / reference - 1) * 100)))
    title = f"Buying {instrument.symbol}: effective price above the reference, in %"
    curves = [Curve(name, tuple(each)) for name, each in points.items()]
    return svg(title, "size in % of the depth on each side", curves)


if __name__ == "__main__":
    sys.exit(main())
