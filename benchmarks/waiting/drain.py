"""Thousands that one price starts: until all have ended, and what a market order takes meanwhile.

Quotes come at once; the network takes its usual two to three seconds. A market order is placed as
soon as the one before has ended.
"""

import statistics
import time
from collections.abc import Callable

from benchmarks.figures import percentile
from benchmarks.waiting.desk import Desk, Figure, Size, a_desk, listed
from benchmarks.waiting.rows import add_alike, times_of

SYMBOL = "AAPL"
SETTINGS = {"SIM_QUOTE_LATENCY_MS": "0-0", "SIM_DRIFT_BPS": "0-0"}
MOST_RATIO = 2.0
DRAIN_LIMIT_S = 600.0


def measure(size: Size) -> list[Figure]:
    """First market orders alone, then beside all that have started."""
    with a_desk(**SETTINGS) as desk:
        usual = _Markets(desk)
        usual.place_while(lambda: len(usual.confirmed_ms) < size.markets)
        price = str(listed()[SYMBOL].reference_price * 2)
        order_ids = add_alike(
            desk.database,
            symbol=SYMBOL,
            side="buy",
            quantity="0.001",
            type="limit",
            price=price,
            count=size.drained,
        )
        desk.bench.placed += size.drained
        began_at = time.time()
        beside = _Markets(desk)
        beside.place_while(lambda: _drains(desk, order_ids, began_at))
        ended_at = max(desk.wait_for(order_ids, "confirmed").values())
        desk.bench.finish(desk.stack)
        desk.bench.check()
    ratio = statistics.median(beside.confirmed_ms) / statistics.median(usual.confirmed_ms)
    return [
        Figure(f"{size.drained} started by one price, until all ended", ended_at - began_at, "s"),
        Figure("the same, orders/s", size.drained / (ended_at - began_at)),
        *usual.figures("a market order alone"),
        *beside.figures("a market order meanwhile"),
        Figure("meanwhile / alone, medians to the confirmation", ratio, "x", MOST_RATIO),
    ]


def _drains(desk: Desk, order_ids: list[str], began_at: float) -> bool:
    is_late = time.time() - began_at > DRAIN_LIMIT_S
    return not is_late and len(times_of(desk.database, order_ids, "confirmed")) < len(order_ids)


class _Markets:
    """Market orders one after the other, and their times from the request on."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self.submitted_ms: list[float] = []
        self.confirmed_ms: list[float] = []

    def place_while(self, is_to_go_on: Callable[[], bool]) -> None:
        """Place at least one order, and further ones while this is true."""
        while not self.confirmed_ms or is_to_go_on():
            posted = self._desk.bench.post(self._desk.stack, 1)
            (ended_at,) = self._desk.wait_for(posted.order_ids, "confirmed").values()
            (sent_at,) = self._desk.wait_for(posted.order_ids, "submitted").values()
            self.confirmed_ms.append((ended_at - posted.first_sent_at) * 1000)
            self.submitted_ms.append((sent_at - posted.first_sent_at) * 1000)

    def figures(self, name: str) -> list[Figure]:
        """The medians, and the slowest of twenty."""
        return [
            Figure(f"{name}, to submitted, median", statistics.median(self.submitted_ms), "ms"),
            Figure(f"{name}, to the end, median", statistics.median(self.confirmed_ms), "ms"),
            Figure(f"{name}, to the end, p95", percentile(self.confirmed_ms, 95), "ms"),
        ]
