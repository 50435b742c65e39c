"""From the moment at which the price crosses a hundred stops until each of them is `pending`."""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from benchmarks.figures import percentile
from benchmarks.stack import NO_DELAYS
from benchmarks.waiting.desk import Desk, Figure, Size, a_desk, listed
from benchmarks.waiting.rows import add_alike
from orderengine.domain.instruments import Instrument
from orderengine.market.reference import reference_price

VOLATILITY = 50
SEED = 1
LEAD_S = 2.5
STEP_MS = 10
TRIES = 20
MOST_MS = 750.0
SETTINGS = NO_DELAYS | {"SIM_VOLATILITY": str(VOLATILITY), "SIM_SEED": str(SEED)}


@dataclass(frozen=True, slots=True)
class Crossing:
    """The first moment of a price, in seconds since 1970, and the side of a stop that it starts."""

    symbol: str
    side: str
    price: Decimal
    at: float


def measure(size: Size) -> list[Figure]:
    """Each round waits for the orders of the one before: a tick has only its own."""
    took_ms: list[float] = []
    with a_desk(**SETTINGS) as desk:
        for _ in range(size.crossings):
            took_ms += _round(desk, size.crossed)
        desk.bench.check()
    return [
        Figure("from the crossing price to pending, p50", percentile(took_ms, 50), "ms"),
        Figure("from the crossing price to pending, p99", percentile(took_ms, 99), "ms", MOST_MS),
    ]


def _round(desk: Desk, count: int) -> list[float]:
    crossing = _next_crossing()
    order_ids = add_alike(
        desk.database,
        symbol=crossing.symbol,
        side=crossing.side,
        quantity=str(listed()[crossing.symbol].min_quantity * 10),
        type="stop",
        price=str(crossing.price),
        count=count,
    )
    desk.bench.placed += count
    if time.time() >= crossing.at:
        raise RuntimeError("the price came before its orders: the machine is too busy")
    pending = desk.wait_for(order_ids, "pending")
    desk.bench.finish(desk.stack)
    return [(at - crossing.at) * 1000 for at in pending.values()]


def _next_crossing() -> Crossing:
    instruments = list(listed().values())
    for _ in range(TRIES):
        found = ahead(instruments)
        if found is not None:
            return found
        time.sleep(LEAD_S)
    raise RuntimeError("no price moves")


def ahead(instruments: Iterable[Instrument]) -> Crossing | None:
    """The crossing of the steepest path: its price is seen for the first time in `LEAD_S`."""
    now = datetime.now(UTC)
    steepest: tuple[Decimal, Crossing] | None = None
    for instrument in instruments:
        times = [now + timedelta(milliseconds=ms) for ms in range(0, int(LEAD_S * 1000), STEP_MS)]
        path = [reference_price(SEED, instrument, at, VOLATILITY) for at in times]
        *before, level = path
        falls = level < min(before)
        if not falls and level <= max(before):
            continue
        crossing = Crossing(
            instrument.symbol, "sell" if falls else "buy", level, times[-1].timestamp()
        )
        slope = abs(level / path[-2] - 1)
        if steepest is None or slope > steepest[0]:
            steepest = slope, crossing
    return None if steepest is None else steepest[1]
