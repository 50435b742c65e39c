"""One key and many requests at once, on the real PostgreSQL."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Engine, text

from harness.waiting import wait_until
from orderengine.domain.errors import IdempotencyConflict, IdempotencyKeyReused, StorageUnavailable
from orderengine.execution.intake.accept import Accepted, accept_order_once
from orderengine.execution.intake.starting import DirectStarter
from orderengine.execution.queries.lists import OrderFilter
from orderengine.postgres.database import create_database_engine
from orderengine.storage.orders import SqlOrders
from tests.conftest import a_new_order
from tests.fakes import FakeDispatcher, FakePublisher

THREADS = 50


@pytest.fixture
def orders(database: Engine) -> SqlOrders:
    return SqlOrders(database)


def accept(orders: SqlOrders, key: str = "k-1") -> Accepted:
    return accept_order_once(
        orders, DirectStarter(FakePublisher(), FakeDispatcher()), a_new_order(), key
    )


# Stores an order with a key, like another request that has not committed yet.
STORE_UNCOMMITTED = text(
    "WITH o AS (INSERT INTO orders (id, client_id, symbol, side, quantity,"
    " slippage_tolerance_bps, status, version, attempt, due_at)"
    " VALUES (gen_random_uuid(), 'local', 'AAPL', 'buy', 10, 100, 'pending', 1, 1, now())"
    " RETURNING id)"
    " INSERT INTO idempotency_keys (client_id, key, order_id, fingerprint)"
    " SELECT 'local', 'k-1', id, '' FROM o"
)

SLOW_TO_COMMIT = text(
    "CREATE FUNCTION wait_a_while() RETURNS trigger LANGUAGE plpgsql AS $$"
    " BEGIN PERFORM pg_sleep(0.5); RETURN NEW; END $$;"
    " CREATE TRIGGER wait_a_while AFTER INSERT ON orders"
    " FOR EACH ROW EXECUTE FUNCTION wait_a_while()"
)


def count(database: Engine, table: str) -> int:
    statement = text(f"SELECT count(*) FROM {table}")  # noqa: S608 - a name of ours
    with database.connect() as connection:
        return int(connection.execute(statement).scalar_one())


def test_fifty_requests_with_one_key_make_one_order(orders: SqlOrders, database: Engine) -> None:
    for number in range(10):
        barrier = threading.Barrier(THREADS)

        def race(key: str, barrier: threading.Barrier = barrier) -> Accepted:
            barrier.wait()
            return accept(orders, key)

        with ThreadPoolExecutor(THREADS) as pool:
            answers = list(pool.map(race, [f"k-{number}"] * THREADS))
        assert len({answer.order_id for answer in answers}) == 1
        assert [answer.replayed for answer in answers].count(False) == 1
    assert count(database, "orders") == count(database, "order_events") == 10


def test_of_different_requests_with_one_key_one_is_taken(orders: SqlOrders) -> None:
    barrier = threading.Barrier(10)

    def race(number: int) -> bool:
        order = a_new_order(quantity=str(number + 1))
        barrier.wait()
        try:
            accept_order_once(
                orders, DirectStarter(FakePublisher(), FakeDispatcher()), order, "k-1"
            )
        except IdempotencyKeyReused:
            return False
        return True

    with ThreadPoolExecutor(10) as pool:
        assert sum(pool.map(race, range(10))) == 1
    assert len(orders.page(OrderFilter("local", 100))) == 1


def test_a_key_that_is_being_stored_is_waited_for_and_then_a_conflict(
    database_url: str, orders: SqlOrders, database: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orderengine.storage.orders.KEY_WAIT_MS", 100)
    holder = create_database_engine(database_url, pool_size=1, application="tests-holder")
    with holder.connect().execution_options(isolation_level="READ COMMITTED") as first:
        first.execute(STORE_UNCOMMITTED)
        with pytest.raises(IdempotencyConflict):
            accept(orders)
        assert count(database, "orders") == 0
        first.rollback()
    holder.dispose()
    assert not accept(orders).replayed
    with database.connect() as connection:
        assert connection.execute(text("SHOW lock_timeout")).scalar_one() == "0"


def test_any_number_of_purges_at_once_drop_each_key_once(
    orders: SqlOrders, database: Engine
) -> None:
    for number in range(40):
        accept(orders, f"k-{number}")
    with database.connect() as connection:
        connection.execute(text("UPDATE idempotency_keys SET created_at = '2020-01-01'"))
    with ThreadPoolExecutor(8) as pool:
        dropped = sum(pool.map(lambda _: orders.forget_keys(86_400.0, 5), range(8)))
    assert dropped + orders.forget_keys(86_400.0, 100) == 40
    assert count(database, "idempotency_keys") == 0
    assert count(database, "orders") == 40


def test_a_request_whose_outcome_was_unknown_finds_its_order(
    database_url: str, database: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server commits after the client has given up."""
    engine = create_database_engine(database_url, pool_size=1, application="tests-impatient")
    orders = SqlOrders(engine)
    accept(orders, "k-0")  # connects and prepares, before the short limit applies
    with database.connect() as connection:
        connection.execute(SLOW_TO_COMMIT)
    monkeypatch.setattr("orderengine.postgres.sessions.STATEMENT_TIMEOUT_S", 0.2)
    try:
        with pytest.raises(StorageUnavailable):
            accept(orders)
        monkeypatch.undo()
        wait_until(lambda: count(database, "orders") == 2)
        assert accept(orders).replayed
        assert count(database, "orders") == count(database, "order_events") == 2
    finally:
        with database.connect() as connection:
            connection.execute(text("DROP FUNCTION wait_a_while CASCADE"))
        engine.dispose()
