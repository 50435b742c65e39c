"""Two hundred thousand orders that wait: what the looks at them read, and what others pay for them.

Two stacks run in turn, one with these orders and one without: the workers of the other one are
frozen meanwhile.
"""

import contextlib
import os
import statistics
import time
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import websocket
from sqlalchemy import text

from benchmarks.accounting import read_processes, tree_ticks
from benchmarks.burst import EngineBurst, frozen
from benchmarks.stack import NO_DELAYS, temporary_folder
from benchmarks.waiting.desk import Desk, Figure, Size, a_desk, settle
from benchmarks.waiting.rows import add_crowd, vacuum
from orderengine.config.settings import INSTRUMENTS
from orderengine.domain.instruments import Instrument, parse_instruments
from orderengine.domain.side import Side
from orderengine.domain.terms import OrderType
from orderengine.execution.waiting.prices import SeenPrice
from orderengine.execution.waiting.watching import Watched
from orderengine.postgres.database import create_database_engine
from orderengine.storage.triggers import SqlWaiting

SYMBOLS = 20
KINDS = [(kind, side) for kind in (OrderType.LIMIT, OrderType.STOP) for side in Side]
OFTEN = 8
"""After five executions PostgreSQL chooses between a generic and a custom plan."""
LOOKS = 30
IDLE_S = 10.0
MOST_BLOCKS = 10
MOST_AFTER_CANCELS = 50
LEAST_SPEED = 0.95

_CANCEL = """
WITH head AS (
    SELECT id FROM orders WHERE symbol = :symbol AND type = 'limit' AND side = 'buy'
      AND status = 'waiting' ORDER BY watch_price DESC LIMIT :count
), o AS (
    UPDATE orders SET status = 'canceled', due_at = NULL, version = 2, updated_at = now()
    FROM head WHERE orders.id = head.id RETURNING orders.id
)
INSERT INTO order_events (order_id, seq, status, attempt, data)
SELECT id, 2, 'canceled', 1, '{}' FROM o"""

_BLOCKS = """
SELECT coalesce(sum(shared_blks_hit + shared_blks_read), 0) FROM pg_stat_statements
WHERE query LIKE '%watch_price%' AND calls = 1"""


def measure(size: Size) -> list[Figure]:
    """Load the orders into one of two stacks, and compare."""
    with temporary_folder() as folder:
        settings = NO_DELAYS | {"INSTRUMENTS_FILE": str(_instruments(folder))}
        with a_desk(**settings) as without, a_desk(**settings) as crowded:
            instruments = parse_instruments((folder / "instruments.csv").read_text("utf-8"))
            listed = {each.symbol: each for each in instruments if not each.launched}
            prices = {name: str(each.reference_price) for name, each in listed.items()}
            add_crowd(crowded.database, prices, size.waiting)
            figures = [*_reads(crowded, listed, size), *_costs(without, crowded)]
            figures += _speeds(without, crowded, size)
            without.bench.check()
    return figures


def _instruments(folder: Path) -> Path:
    """The shipped instruments, and copies of some under other names: 20 that always trade."""
    head, *lines = INSTRUMENTS.read_text("utf-8").splitlines()
    trading = [line for line in lines if not line.endswith(",yes")]
    more = [f"X{number}{line}" for number, line in enumerate(trading)][: SYMBOLS - len(trading)]
    path = folder / "instruments.csv"
    path.write_text("\n".join([head, *lines, *more]) + "\n", "utf-8")
    return path


def _reads(desk: Desk, listed: dict[str, Instrument], size: Size) -> list[Figure]:
    """The blocks of 8 KiB that a probe reads which starts nothing."""
    with _waiting(desk) as waiting:
        symbols = list(listed)[:3]
        read = [
            _blocks(desk, waiting, Watched(symbol, *kind), listed[symbol])
            for symbol in symbols
            for kind in KINDS
        ]
        with desk.database.connect() as connection:
            connection.execute(text("ALTER TABLE orders SET (autovacuum_enabled = false)"))
            values = {"symbol": symbols[0], "count": size.canceled}
            connection.execute(text(_CANCEL), values)
        head = Watched(symbols[0], OrderType.LIMIT, Side.BUY)
        first, *later = (_blocks(desk, waiting, head, listed[symbols[0]], 0) for _ in range(5))
    vacuum(desk.database)
    return [
        Figure("a probe that starts nothing, vacuumed, at most", max(read), "blocks", MOST_BLOCKS),
        Figure(f"the first probe after {size.canceled} cancels", first, "blocks"),
        Figure("each later one, at most", max(later), "blocks", MOST_AFTER_CANCELS),
    ]


@contextlib.contextmanager
def _waiting(desk: Desk) -> Iterator[SqlWaiting]:
    """The product's own statements, on one connection: each is prepared once."""
    url = desk.database.url.render_as_string(hide_password=False)
    engine = create_database_engine(url, pool_size=1, max_overflow=0, application="benchmark")
    try:
        yield SqlWaiting(engine)
    finally:
        engine.dispose()


def _blocks(
    desk: Desk, waiting: SqlWaiting, watched: Watched, instrument: Instrument, before: int = OFTEN
) -> float:
    """What one look reads, after some that only prepare it; the workers' watchers stand still."""
    seen = SeenPrice(instrument.reference_price, datetime.now(UTC), "benchmark")
    with frozen(desk.stack, desk.stack.worker_names):
        for _ in range(before):
            waiting.candidates(watched, seen, 200)
        settle()
        desk.scalar("SELECT count(*) FROM (SELECT pg_stat_statements_reset()) AS done")
        if waiting.candidates(watched, seen, 200):
            raise RuntimeError("an order that was to wait has come")
        return desk.scalar(_BLOCKS)


def _costs(without: Desk, crowded: Desk) -> list[Figure]:
    """What figures, health and a client's stream cost beside the orders, and without them."""
    figures = []
    for path in ("/metrics", "/readyz"):
        alone: list[float] = []
        beside: list[float] = []
        for _ in range(LOOKS):
            alone.append(_get_ms(without, path))
            beside.append(_get_ms(crowded, path))
        ratio = statistics.median(beside) / statistics.median(alone)
        figures.append(Figure(f"{path} beside them, median", statistics.median(beside), "ms"))
        figures.append(Figure(f"{path} beside them / without", ratio, "x"))
    alone, beside = (_in_turn(each, _stream_ms) for each in (without, crowded))
    for name, without_ms, beside_ms in zip(("at first", "later on"), alone, beside, strict=True):
        figures += [
            Figure(f"a client's stream {name} without them, CPU of a second", without_ms, "ms"),
            Figure(f"a client's stream {name} beside them, CPU of a second", beside_ms, "ms"),
        ]
    return figures


def _get_ms(desk: Desk, path: str) -> float:
    began = time.perf_counter()
    with urllib.request.urlopen(desk.stack.url + path, timeout=10) as answer:  # noqa: S310
        answer.read()
    return (time.perf_counter() - began) * 1000


def _in_turn(desk: Desk, run: Callable[[Desk], list[float]]) -> list[float]:
    with frozen(desk.stack, desk.stack.worker_names):
        return run(desk)


def _stream_ms(desk: Desk) -> list[float]:
    """The CPU of web and PostgreSQL while a client listens, and nothing moves.

    First with the full look at its orders that a new stream takes, then without.
    """
    url = desk.stack.url.replace("http", "ws", 1) + "/ws/orders"
    client = websocket.create_connection(url, timeout=10)
    try:
        settle()
        used = []
        for _ in range(2):
            before = _cpu_ms(desk)
            time.sleep(IDLE_S)
            used.append((_cpu_ms(desk) - before) / IDLE_S)
        return used
    finally:
        client.close()


def _cpu_ms(desk: Desk) -> float:
    processes = read_processes()
    roots = (desk.stack.pid("web"), desk.bench.servers.postgres.pid or 0)
    ticks = sum(tree_ticks(root, processes) for root in roots)
    return ticks * 1000 / os.sysconf("SC_CLK_TCK")


def _speeds(without: Desk, crowded: Desk, size: Size) -> list[Figure]:
    """Bursts of market orders in pairs whose order changes; the spread is of the one without."""
    desks = {"without": without, "beside": crowded}
    bursts = {name: EngineBurst(desk.bench, desk.stack) for name, desk in desks.items()}
    rates: dict[str, list[float]] = {name: [] for name in desks}
    for number in range(size.pairs + 1):
        for name in list(desks)[:: 1 if number % 2 else -1]:
            other = desks["without" if name == "beside" else "beside"]
            with frozen(other.stack, other.stack.worker_names):
                settle()
                rate = bursts[name].orders_per_s(size.burst)
            if number:  # the first pair only warms up
                rates[name].append(rate)
    ratios = [b / a for a, b in zip(rates["without"], rates["beside"], strict=True)]
    itself = [b / a for a, b in zip(rates["without"], rates["without"][1:], strict=False)] or [1.0]
    return [
        Figure(
            "market orders without them, median", statistics.median(rates["without"]), "orders/s"
        ),
        Figure("market orders beside them, median", statistics.median(rates["beside"]), "orders/s"),
        Figure(
            "market orders beside them / without, median of pairs",
            statistics.median(ratios),
            "x",
            at_least=LEAST_SPEED,
        ),
        Figure("without them against itself, lowest", min(itself), "x"),
        Figure("without them against itself, highest", max(itself), "x"),
    ]
