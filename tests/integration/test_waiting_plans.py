"""How much the statements around waiting orders read, while 100,000 orders wait."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from harness.statements import unbounded
from orderengine.domain.moves import RoutingCause, StartRouting
from orderengine.execution.ports import PreparedStart
from orderengine.execution.waiting.cancel import PART
from orderengine.execution.waiting.watching import NextLook
from orderengine.storage.clients import SqlClientOrders
from orderengine.storage.figures import SqlFigures
from orderengine.storage.halts import SqlHalts
from orderengine.storage.orders import SqlOrders
from orderengine.storage.triggers import SqlWaiting
from tests.builders import A_TRIGGER, a_build
from tests.plans import Read, scratch_database, what_is_read, what_would_be_read

WAITING = 100_000
STARTED = 100
SYMBOLS = 20
CLIENTS = 50
OFTEN = 8
"""After five executions PostgreSQL chooses between a generic and a custom plan."""
NOBODY = UUID(int=0)

# The symbol and the client of a row are independent of each other. Half of the orders may expire,
# in a month. Those that have started belong to all kinds.
_LOAD = """
INSERT INTO orders (id, client_id, symbol, side, quantity, status, version, attempt, due_at, type,
                    time_in_force, limit_price, watch_price, expires_at, recoveries, created_at,
                    updated_at)
SELECT gen_random_uuid(), 'client-' || n / :symbols % :clients, 'S' || n % :symbols, 'buy', 1,
       CASE WHEN is_started THEN 'pending' ELSE 'waiting' END,
       CASE WHEN is_started THEN 2 ELSE 1 END, 1,
       CASE WHEN is_started THEN now() + interval '1 h' ELSE 'infinity' END, 'limit',
       CASE WHEN n % 2 = 0 THEN 'GTC' ELSE 'GTD' END, 100 + n % 997, 100 + n % 997,
       CASE WHEN n % 2 = 1 THEN now() + interval '30 days' END, 0, now() - interval '1 h',
       now() - interval '1 h'
FROM (
    SELECT n, n > CAST(:waiting AS integer) AS is_started
    FROM generate_series(1, CAST(:waiting AS integer) + :started) AS n
) AS numbered"""
_LOAD_EVENTS = """
INSERT INTO order_events (order_id, seq, status, attempt, occurred_at, data)
SELECT id, 1, 'waiting', 1, created_at, CAST('{}' AS jsonb) FROM orders
UNION ALL
SELECT id, 2, 'pending', 1, now() - interval '1 min', CAST(:started AS jsonb) FROM orders
WHERE status = 'pending'"""


@pytest.fixture(scope="module")
def crowded(database_url: str) -> Iterator[Engine]:
    values = {"waiting": WAITING, "started": STARTED, "symbols": SYMBOLS, "clients": CLIENTS}
    with scratch_database(database_url) as database:
        with unbounded(), database.connect() as connection:
            connection.execute(text(_LOAD), values)
            connection.execute(text(_LOAD_EVENTS), {"started": '{"cause": "triggered"}'})
        yield database


@pytest.fixture(scope="module", params=["unanalyzed", "analyzed"])
def big(request: pytest.FixtureRequest, crowded: Engine) -> Engine:
    if request.param == "analyzed":
        with unbounded(), crowded.connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT")
            connection.execute(text("VACUUM ANALYZE orders, order_events, transactions"))
    return crowded


def read_of(read: list[Read]) -> tuple[int, int]:
    """The blocks and the rows that statements read together."""
    return sum(each.blocks for each in read), sum(each.rows for each in read)


def read_after_many(database: Engine, call: Callable[[], object]) -> tuple[int, int]:
    """What a call reads that changes nothing, or nothing more after the first time."""
    with unbounded():
        for _ in range(OFTEN):
            call()
        return read_of(what_is_read(database, call))


def some(database: Engine, condition: str, count: int = 10) -> list[UUID]:
    with unbounded(), database.connect() as connection:
        found = connection.execute(
            text(f"SELECT id FROM orders WHERE {condition} ORDER BY id LIMIT {count}")  # noqa: S608
        )
        return list(found.scalars())


def prepared(order_id: UUID) -> PreparedStart:
    return PreparedStart(order_id, 1, A_TRIGGER, a_build(datetime.now(UTC)))


def test_the_figures_read_the_started_orders_alone(big: Engine) -> None:
    figures = SqlFigures(big, 60.0)
    blocks, rows = read_after_many(big, figures.open_orders)
    assert figures.open_orders().oldest_s < 600, "from their start, an hour after they came"
    assert rows <= 4 * STARTED + SYMBOLS, "each with the event of its start, and for its network"
    assert blocks <= 8 * STARTED


def test_orders_of_unknown_symbols_are_found_without_reading_the_others(big: Engine) -> None:
    waiting = SqlWaiting(big)
    symbols = [f"S{number}" for number in range(SYMBOLS)]
    assert waiting.hold_unknown(symbols) == []
    blocks, rows = read_after_many(big, lambda: waiting.hold_unknown(symbols))
    assert rows <= 5 * SYMBOLS
    assert blocks <= 10 * SYMBOLS
    (gone,) = some(big, "status = 'waiting' AND symbol = 'S3'", 1)
    with big.connect() as connection:
        connection.execute(text("UPDATE orders SET symbol = 'GONE' WHERE id = :id"), {"id": gone})
    blocks, rows = read_of(what_would_be_read(big, lambda: waiting.hold_unknown(symbols)))
    assert waiting.hold_unknown(symbols) == [], "it was told"
    assert rows <= 5 * SYMBOLS + 10
    assert blocks <= 10 * SYMBOLS + 50


def test_looking_anew_reads_the_orders_of_one_symbol_alone(big: Engine) -> None:
    waiting = SqlWaiting(big)
    waiting.hold("one", ["S7"], 60)
    blocks, rows = read_after_many(big, lambda: waiting.look_anew("one", "S7"))
    assert rows <= 3 * WAITING // SYMBOLS + 10, "once to look, once to count"
    assert blocks <= 4 * WAITING // SYMBOLS


def test_the_watcher_finds_orders_by_their_ids(big: Engine) -> None:
    waiting = SqlWaiting(big)
    ids = some(big, "status = 'waiting' AND symbol = 'S9'")
    looks = [NextLook(each, 1, Decimal(5)) for each in ids]
    for call in (
        lambda: waiting.still_at(dict.fromkeys(ids, 1)),
        lambda: waiting.put_off(looks),
    ):
        blocks, rows = read_after_many(big, call)
        assert rows <= 15 * len(ids), "most are those of the list"
        assert blocks <= 10 * len(ids)


def test_a_sweep_without_anything_to_expire_reads_nothing(big: Engine) -> None:
    orders = SqlOrders(big)
    blocks, rows = read_after_many(big, lambda: orders.expire_due(200))
    assert (blocks <= 10, rows) == (True, 0)


def test_a_sweep_reads_what_it_ends(big: Engine) -> None:
    orders = SqlOrders(big)
    with big.connect() as connection:
        connection.execute(
            text(
                "UPDATE orders SET expires_at = now() - interval '1 s'"
                " WHERE id IN (SELECT id FROM orders WHERE status = 'waiting'"
                " AND expires_at IS NOT NULL LIMIT 100)"
            )
        )
    with unbounded():
        for _ in range(OFTEN):
            assert len(orders.expire_due(2)) == 2
        blocks, rows = read_of(what_would_be_read(big, lambda: orders.expire_due(20)))
    assert rows <= 10 * 20
    assert blocks <= 60 * 20, "each leaves one index of each kind and enters another"


@pytest.mark.parametrize("symbol", [None, "S5"])
def test_a_cancel_of_all_reads_the_orders_of_its_client_alone(
    big: Engine, symbol: str | None
) -> None:
    orders = SqlOrders(big)
    with unbounded():
        for number in range(OFTEN):
            orders.cancel_all(f"nobody-{number}", symbol, NOBODY, PART)
        blocks, rows = read_of(
            what_would_be_read(big, lambda: orders.cancel_all("client-9", symbol, NOBODY, 20))
        )
    assert rows <= 2 * WAITING // CLIENTS + 400
    assert blocks <= 4 * WAITING // CLIENTS


def test_a_cancel_of_all_of_a_client_without_orders_reads_nothing(big: Engine) -> None:
    orders = SqlOrders(big)
    for symbol in (None, "S5"):
        call = partial(orders.cancel_all, "nobody", symbol, NOBODY, PART)
        blocks, rows = read_after_many(big, call)
        assert (blocks <= 10, rows) == (True, 0)


def test_one_order_is_canceled_started_and_resumed_by_its_keys(big: Engine) -> None:
    orders, halts = SqlOrders(big), SqlHalts(big)
    ids = some(big, "status = 'waiting' AND client_id = 'client-11' AND symbol = 'S2'", 40)
    with unbounded():
        for each in ids[:OFTEN]:
            assert orders.cancel("client-11", each)
            assert not halts.resume()
        for each in ids[OFTEN : 2 * OFTEN]:
            assert orders.move(each, 1, A_TRIGGER)
            assert orders.move(each, 2, StartRouting(RoutingCause.ORDER))
        for each in ids[2 * OFTEN : 3 * OFTEN]:
            assert orders.start_prepared([prepared(each)]) != [[]]
        calls: list[Callable[[], object]] = [
            lambda: orders.cancel("client-11", ids[-1]),
            lambda: orders.move(ids[-2], 1, A_TRIGGER),
            lambda: orders.start_prepared([prepared(ids[-3])]),
        ]
        for call in calls:
            blocks, rows = read_of(what_would_be_read(big, call))
            assert rows <= 10
            assert blocks <= 100
        assert read_of(what_is_read(big, halts.resume))[1] <= 4 * STARTED


def test_the_counts_before_an_order_is_accepted_read_the_client_alone(big: Engine) -> None:
    orders = SqlOrders(big)
    for count in (orders.count_open, orders.count_waiting):
        _, rows = read_after_many(big, partial(count, "client-4", 100))
        assert rows <= 110


def test_a_look_of_a_stream_reads_no_order_that_only_waits(big: Engine) -> None:
    clients = SqlClientOrders(big)
    first = clients.snapshot({"client-8": None}, 10)["client-8"]
    since, known = {"client-8": datetime.now(UTC)}, {"client-8": first.horizon}
    blocks, rows = read_after_many(big, lambda: clients.snapshot(since, 10_001, known))
    assert rows <= 3 * STARTED // CLIENTS + 10
    assert blocks <= 60
