"""Tests that need the real PostgreSQL: races, schema constraints, outages, statement counts."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DataError, IntegrityError

from orderengine.domain.errors import StorageUnavailable
from orderengine.domain.instruments import Instruments
from orderengine.domain.moves import Move, RoutingCause, StartRouting, Submit
from orderengine.domain.order import Order
from orderengine.domain.side import Side
from orderengine.execution.chain.confirm import PollResult
from orderengine.execution.intake.accept import accept_order
from orderengine.postgres.database import DATABASE_ERRORS, create_database_engine
from orderengine.storage.clock import DatabaseClock
from orderengine.storage.orders import SqlOrders
from orderengine.storage.probe import database_fault
from tests.builders import A_FAIL, TRANSACTION, a_build, a_failed_attempt
from tests.conftest import a_new_order
from tests.fakes import FakeBoard
from tests.singles import build_order, confirm_order, route_order, submit_order
from tests.statements import sent_statements
from tests.world import World

START = StartRouting(RoutingCause.ORDER)


@pytest.fixture
def orders(database: Engine) -> SqlOrders:
    return SqlOrders(database)


@pytest.fixture
def walk(orders: SqlOrders) -> Callable[..., Order]:
    def walked(*moves: Move) -> Order:
        order = orders.accept(a_new_order()).order
        for move in moves:
            moved = orders.move(order.order_id, order.version, move)
            assert moved is not None, move
            order = moved.order
        return order

    return walked


def test_eight_sessions_racing_one_version_have_one_winner(
    orders: SqlOrders, walk: Callable[..., Order]
) -> None:
    for _ in range(25):
        order = walk()
        barrier = threading.Barrier(8)

        def race(_: int, order: Order = order, barrier: threading.Barrier = barrier) -> bool:
            barrier.wait()
            return orders.move(order.order_id, order.version, START) is not None

        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(race, range(8))) == 1
        assert [event.seq for event in orders.events(order.order_id)] == [1, 2]


def test_racing_different_moves_have_one_winner(
    orders: SqlOrders, walk: Callable[..., Order], database: Engine
) -> None:
    clock = DatabaseClock(database)
    for _ in range(25):
        order = walk(START)
        moves: list[Move] = [
            a_build(clock.now()),
            a_failed_attempt(),
            A_FAIL,
            StartRouting(RoutingCause.RECOVERY),
        ] * 2
        barrier = threading.Barrier(len(moves))

        def race(move: Move, order: Order = order, barrier: threading.Barrier = barrier) -> bool:
            barrier.wait()
            return orders.move(order.order_id, order.version, move) is not None

        with ThreadPoolExecutor(len(moves)) as pool:
            assert sum(pool.map(race, moves)) == 1
        assert len(orders.events(order.order_id)) == 3


def test_concurrent_claims_share_the_due_orders(
    orders: SqlOrders, walk: Callable[..., Order], database: Engine
) -> None:
    due = {walk(START).order_id for _ in range(40)}
    with database.connect() as connection:
        connection.execute(text("UPDATE orders SET due_at = now() - interval '1 second'"))
    with ThreadPoolExecutor(8) as pool:
        claims = list(pool.map(lambda _: orders.claim_due(10), range(8)))
    claimed = [order.order_id for claim in claims for order in claim]
    assert len(claimed) == len(set(claimed))
    assert set(claimed) <= due
    rest = {order.order_id for order in orders.claim_due(200)}
    assert set(claimed) | rest == due


def test_no_second_live_transaction_can_be_written(
    walk: Callable[..., Order], database: Engine
) -> None:
    order = walk(START, a_build(DatabaseClock(database).now()), Submit(TRANSACTION))
    insert = text(
        "INSERT INTO transactions (signature, order_id, attempt, payload, last_valid_height, state)"
        " VALUES ('other', :id, 1, 'x', 1, 'live')"
    )
    with database.connect() as connection, pytest.raises(IntegrityError, match="one_live"):
        connection.execute(insert, {"id": order.order_id})


def test_no_second_terminal_event_can_be_written(
    walk: Callable[..., Order], database: Engine
) -> None:
    order = walk(A_FAIL)
    insert = text(
        "INSERT INTO order_events (order_id, seq, status, attempt, data)"
        " VALUES (:id, 9, 'confirmed', 1, '{}')"
    )
    with database.connect() as connection, pytest.raises(IntegrityError, match="one_terminal"):
        connection.execute(insert, {"id": order.order_id})


def test_a_limit_beyond_the_tolerance_is_refused(
    orders: SqlOrders, walk: Callable[..., Order], database: Engine
) -> None:
    order = walk(START)
    build = replace(a_build(DatabaseClock(database).now()), limit_amount=2_323_000_001)
    with pytest.raises(IntegrityError, match="limit_amount"):
        orders.move(order.order_id, order.version, build)
    assert orders.get(order.order_id) == order


@pytest.mark.parametrize(
    ("side", "worst_price", "limit", "is_kept"),
    [
        (Side.BUY, "231", 2_310_000_000, True),
        (Side.BUY, "231", 2_310_000_001, False),
        (Side.BUY, "230.9999999999999999999999999", 2_310_000_000, False),
        (Side.SELL, "228", 2_280_000_000, True),
        (Side.SELL, "228", 2_279_999_999, False),
    ],
)
def test_a_limit_beyond_the_worst_price_is_refused(
    orders: SqlOrders, database: Engine, side: Side, worst_price: str, limit: int, is_kept: bool
) -> None:
    request = replace(a_new_order(side), worst_price=Decimal(worst_price), max_legs=2)
    order = orders.accept(request).order
    assert (order.worst_price, order.max_legs) == (Decimal(worst_price), 2)
    routing = orders.move(order.order_id, 1, START)
    assert routing is not None
    build = replace(a_build(DatabaseClock(database).now(), side), limit_amount=limit)
    if is_kept:
        moved = orders.move(order.order_id, 2, build)
        assert moved is not None
        assert moved.order.limit_amount == limit
        return
    with pytest.raises(IntegrityError, match="worst_price_limit"):
        orders.move(order.order_id, 2, build)
    assert orders.get(order.order_id) == routing.order


@pytest.mark.parametrize("worst_price", ["NaN", "Infinity", "0", "-1"])
def test_a_worst_price_that_is_no_price_is_refused(orders: SqlOrders, worst_price: str) -> None:
    request = replace(a_new_order(), worst_price=Decimal(worst_price))
    with pytest.raises((IntegrityError, DataError)):
        orders.accept(request)


@pytest.mark.parametrize("quantity", ["NaN", "0", "-1", "1e18"])
def test_a_quantity_that_is_no_amount_is_refused(database: Engine, quantity: str) -> None:
    insert = text(
        "INSERT INTO orders (id, client_id, symbol, side, quantity, slippage_tolerance_bps, status,"
        " version, attempt, due_at) VALUES (gen_random_uuid(), 'local', 'AAPL', 'buy',"
        " CAST(:quantity AS numeric), 100, 'pending', 1, 1, now())"
    )
    with database.connect() as connection, pytest.raises(IntegrityError):
        connection.execute(insert, {"quantity": quantity})


def test_due_at_is_null_exactly_when_the_order_is_terminal(
    walk: Callable[..., Order], database: Engine
) -> None:
    order = walk(A_FAIL)
    update = text("UPDATE orders SET due_at = now() WHERE id = :id")
    with database.connect() as connection, pytest.raises(IntegrityError, match="due_at"):
        connection.execute(update, {"id": order.order_id})


def test_the_straight_path_takes_five_statements(
    orders: SqlOrders, database: Engine, instruments: Instruments
) -> None:
    """Accept, route, build, submit, confirm: one each."""
    clock = DatabaseClock(database)
    clock.now()
    world = World(instruments)
    world.board = FakeBoard(clock)
    engine = replace(world.engine, orders=orders, board=world.board)
    with sent_statements(database) as statements:
        accepted = accept_order(orders, world.starter, a_new_order()).order
        routed = route_order(engine, accepted.order_id, 1, RoutingCause.ORDER)
        submitted = submit_order(engine, build_order(engine, routed))
        assert confirm_order(engine, submitted) is PollResult.IN_FLIGHT
        world.network.land(submitted.signature)
        assert confirm_order(engine, submitted) is PollResult.CONFIRMED
    assert len(statements) == 5


def test_a_lost_database_is_told_and_not_hung_on(database_url: str) -> None:
    nowhere = database_url.rsplit("@", 1)[0] + "@127.0.0.1:1/orderengine_test"
    engine = create_database_engine(nowhere, pool_size=1, application="tests")
    with pytest.raises(StorageUnavailable):
        SqlOrders(engine).accept(a_new_order())
    found = database_fault(engine)
    assert found is not None
    assert found.detail == "PostgreSQL gives no answer"
    engine.dispose()


def test_a_terminated_connection_is_an_outage_and_the_next_call_works(
    database_url: str, database: Engine
) -> None:
    engine = create_database_engine(database_url, pool_size=1, application="tests-victim")
    orders = SqlOrders(engine)
    order = orders.accept(a_new_order()).order
    with engine.connect() as victim:
        with database.connect() as connection:
            connection.execute(
                text(
                    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                    " WHERE application_name = 'tests-victim'"
                )
            )
        with pytest.raises(Exception, match="terminat") as caught:
            victim.execute(text("SELECT 1"))
    assert isinstance(caught.value, DATABASE_ERRORS)
    assert orders.get(order.order_id) == order
    engine.dispose()


def test_a_statement_that_gets_no_answer_ends_in_time(
    database_url: str, database: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = create_database_engine(database_url, pool_size=1, application="tests-slow")
    orders = SqlOrders(engine)
    order = orders.accept(a_new_order()).order
    with database.connect().execution_options(isolation_level="READ COMMITTED") as holder:
        holder.execute(
            text("SELECT 1 FROM orders WHERE id = :id FOR UPDATE"), {"id": order.order_id}
        )
        monkeypatch.setattr("orderengine.postgres.sessions.STATEMENT_TIMEOUT_S", 0.3)
        with pytest.raises(StorageUnavailable):
            orders.move(order.order_id, 1, START)
        monkeypatch.undo()
        holder.rollback()
    assert orders.get(order.order_id) is not None
    engine.dispose()


def test_the_clock_is_the_databases(database: Engine) -> None:
    """It is exact to half a round trip, which is less than the time between the two readings."""
    clock = DatabaseClock(database)
    with database.connect() as connection:
        before = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
        now = clock.now()
        after = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
    error = after - before
    assert before - error <= now <= after + error
    assert clock.now() <= clock.now()
