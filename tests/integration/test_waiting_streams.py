"""Streams of clients with orders that wait, on PostgreSQL, while Redis publishes nothing."""

from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import Engine, text

from harness.statements import unbounded
from orderengine.domain.events import OrderEvent
from orderengine.execution.queries.latest_steps import ClientSnapshot
from orderengine.storage.clients import SqlClientOrders
from orderengine.storage.orders import SqlOrders
from orderengine.stream.client_follower import ClientFollower
from orderengine.stream.hub import Hub
from tests.builders import A_REST, A_TRIGGER
from tests.plans import scratch_database, what_is_read
from tests.steps import CONFIRMED, FAIL, Walk

NOWHERE = "redis://127.0.0.1:1/0"
TIMEOUT_S = 15.0
OFTEN = 8
"""After five executions PostgreSQL chooses between a generic and a custom plan."""
WAITING = 100_000
MOVING = 40


@pytest.fixture
def orders(database: Engine) -> SqlOrders:
    return SqlOrders(database)


@pytest.fixture
def follower(database: Engine, orders: SqlOrders) -> Iterator[ClientFollower]:
    """A follower of `alice` that was told everything there was."""
    hub = Hub(NOWHERE, orders, SqlClientOrders(database), poll_s=0.05)
    try:
        with hub.follow_client("alice", hub.snapshot("alice", None)) as following:
            Walk(orders, "alice").steps(FAIL)
            events(following, 2)
            yield following
    finally:
        hub.close()


def events(follower: ClientFollower, number: int) -> list[OrderEvent]:
    """The next events, without the cursors between them."""
    told: list[OrderEvent] = []
    while len(told) < number:
        each = follower.next(TIMEOUT_S)
        assert each is not None, f"only {len(told)} of {number} events came"
        told += [each] if isinstance(each, OrderEvent) else []
    return told


def test_every_step_of_an_order_that_waits_is_told(
    orders: SqlOrders, follower: ClientFollower
) -> None:
    walk, canceled = Walk(orders, "alice", waits=True), Walk(orders, "alice", waits=True)
    assert {each.order_id for each in events(follower, 2)} == {walk.order_id, canceled.order_id}
    walk.steps(A_TRIGGER)
    assert [each.status for each in events(follower, 1)] == ["pending"]
    walk.steps(CONFIRMED[0], A_REST)
    assert [each.status for each in events(follower, 2)] == ["routing", "waiting"]
    assert orders.cancel("alice", canceled.order_id)
    assert [each.status for each in events(follower, 1)] == ["canceled"]
    walk.steps(A_TRIGGER, FAIL)
    assert [each.seq for each in events(follower, 2)] == [5, 6]


def test_an_order_that_began_to_wait_long_before_its_commit_is_told(
    database: Engine, orders: SqlOrders, follower: ClientFollower
) -> None:
    with database.connect() as connection:
        slow = connection.execution_options(isolation_level="READ COMMITTED")
        model = Walk(orders, "bob", waits=True)
        slow.execute(BEGIN_TO_WAIT, {"id": model.order_id})
        others = [Walk(orders, "alice") for _ in range(3)]
        for other in others:
            other.steps(FAIL)
        events(follower, 6)
        slow.commit()
    (told,) = events(follower, 1)
    assert (told.status, told.seq) == ("waiting", 1)
    assert told.occurred_at < others[0].first.event.occurred_at, "it began before others"


# Accepts an order of `alice` like another one, in a transaction that its times call long.
BEGIN_TO_WAIT = text(
    """
WITH o AS (
    INSERT INTO orders (id, client_id, symbol, side, quantity, max_legs, type, limit_price,
                        time_in_force, watch_price, base_decimals, status, version, attempt, due_at,
                        created_at, updated_at)
    SELECT gen_random_uuid(), 'alice', symbol, side, quantity, max_legs, type, limit_price,
           time_in_force, watch_price, base_decimals, status, 1, 1, due_at,
           now() - interval '9 min', now() - interval '9 min'
    FROM orders WHERE id = :id RETURNING *
)
INSERT INTO order_events (order_id, seq, status, attempt, occurred_at, data)
SELECT o.id, 1, o.status, 1, o.updated_at, e.data
FROM o, order_events e WHERE e.order_id = :id"""
)

# All orders of one client: those that wait have waited for an hour.
FILL = text(
    """
INSERT INTO orders (id, client_id, symbol, side, quantity, type, limit_price, watch_price,
                    time_in_force, status, version, attempt, due_at, created_at, updated_at)
SELECT gen_random_uuid(), 'alice', 'AAPL', 'buy', 1, 'limit', 9, 9, 'GTC',
       CASE WHEN n <= :waiting THEN 'waiting' ELSE 'routing' END, 1, 1,
       CASE WHEN n <= :waiting THEN 'infinity' ELSE now() + interval '1 day' END,
       now() - interval '1 h', now() - interval '1 h'
FROM generate_series(1, :waiting + :moving) AS n"""
)


@pytest.fixture(scope="module")
def crowded(database_url: str) -> Iterator[Engine]:
    with scratch_database(database_url) as database:
        with unbounded(), database.connect() as connection:
            connection.execute(FILL, {"waiting": WAITING, "moving": MOVING})
        yield database


def read_by(database: Engine, call: Callable[[], object]) -> tuple[int, int]:
    """The rows and the blocks that the last of many calls reads."""
    with unbounded():
        for _ in range(OFTEN):
            call()
        read = what_is_read(database, call)
    return sum(each.rows for each in read), sum(each.blocks for each in read)


@pytest.mark.parametrize("analyzed", [False, True])
def test_a_look_each_second_reads_no_order_that_has_not_moved(
    crowded: Engine, *, analyzed: bool
) -> None:
    if analyzed:
        with unbounded(), crowded.connect() as connection:
            connection.execute(text("ANALYZE orders"))
    clients = SqlClientOrders(crowded)
    first = clients.snapshot({"alice": None}, 10)["alice"]

    def look() -> ClientSnapshot:
        known = {"alice": first.horizon}
        return clients.snapshot({"alice": first.taken_at}, 10_001, known)["alice"]

    assert len(look().orders) == MOVING
    rows, blocks = read_by(crowded, look)
    assert rows <= 2 * MOVING + 10, "each is read by one step of the plan, and handed on by another"
    assert blocks < 2 * MOVING + 50
