"""Two hundred snipers from the tick that opens their pool, and as many market orders at once.

A tick finds all snipers when they appear: their pool is open, and they were stored in one
transaction. The market orders are sent in batches of a hundred. In each round the snipers run
first, then the market orders, then both at the same moment.
"""

import statistics
import time
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import text

from benchmarks import client
from benchmarks.bench import call
from benchmarks.figures import percentile
from benchmarks.stack import NO_DELAYS
from benchmarks.waiting.desk import Desk, Figure, Size, a_desk, listed
from benchmarks.waiting.rows import add_alike, priced_at

SYMBOL = "AAPL"
BATCH = 100
MOST_RATIO = 0.4


def measure(size: Size) -> list[Figure]:
    """The slowest of a hundred in each round, and their ratios."""
    snipers: list[float] = []
    markets: list[float] = []
    both_snipers: list[float] = []
    both_markets: list[float] = []
    with a_desk(**NO_DELAYS) as desk, ThreadPoolExecutor(2) as threads:
        _markets(desk, size.snipers)  # every thread, connection and statement once
        _snipers(desk, size.snipers)
        for _ in range(size.races):
            snipers.append(_snipers(desk, size.snipers))
            markets.append(_markets(desk, size.snipers))
            racing = [threads.submit(run, desk, size.snipers) for run in (_snipers, _markets)]
            desk.bench.finish(desk.stack)
            both_snipers.append(racing[0].result())
            both_markets.append(racing[1].result())
        desk.bench.check()
    apart = [mine / other for mine, other in zip(snipers, markets, strict=True)]
    beside = [mine / other for mine, other in zip(both_snipers, both_markets, strict=True)]
    name = f"{size.snipers} snipers"
    return [
        Figure(
            f"{name}, tick to submitted, p99, median of rounds", statistics.median(snipers), "ms"
        ),
        Figure("as many market orders, p99, median of rounds", statistics.median(markets), "ms"),
        Figure("snipers / market orders, each alone", statistics.median(apart), "x", MOST_RATIO),
        Figure("the worst round", max(apart), "x"),
        Figure(f"{name} beside market orders, p99", statistics.median(both_snipers), "ms"),
        Figure("the market orders beside them, p99", statistics.median(both_markets), "ms"),
        Figure("snipers / market orders, at once", statistics.median(beside), "x", MOST_RATIO),
        Figure("the worst round", max(beside), "x"),
    ]


def _snipers(desk: Desk, count: int) -> float:
    """The p99 in milliseconds from the tick's price to `submitted`."""
    order_ids = add_alike(
        desk.database,
        symbol=SYMBOL,
        side="buy",
        quantity="0.001",
        type="sniper",
        price=str(listed()[SYMBOL].reference_price * 2),
        count=count,
    )
    desk.bench.placed += count
    submitted = desk.wait_for(order_ids, "submitted")
    began_at = priced_at(desk.database, order_ids)
    _wait_for_the_end(desk, order_ids)
    return percentile([(at - began_at) * 1000 for at in submitted.values()], 99)


def _markets(desk: Desk, count: int) -> float:
    """The p99 in milliseconds from the sending of the requests to `submitted`."""
    sent_at = time.time()
    call(desk.bench.load, client.post_batches, desk.stack.port, *_batches(count))
    desk.bench.placed += count
    with desk.database.connect() as connection:
        found = connection.execute(
            text("SELECT id FROM orders WHERE type = 'market' AND created_at >= to_timestamp(:at)"),
            {"at": sent_at},
        )
        order_ids = [str(order_id) for order_id in found.scalars()]
    submitted = desk.wait_for(order_ids, "submitted")
    _wait_for_the_end(desk, order_ids)
    return percentile([(at - sent_at) * 1000 for at in submitted.values()], 99)


def _batches(count: int) -> tuple[int, int, int]:
    """How many batches, their size, and as many connections."""
    size = min(BATCH, count)
    return count // size, size, count // size


def _wait_for_the_end(desk: Desk, order_ids: list[str]) -> None:
    desk.wait_for(order_ids, "confirmed")
