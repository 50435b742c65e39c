"""The limit per client and day on the real PostgreSQL, with many requests at once."""

import random
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, text

from orderengine.domain.daily import DailyCharge
from orderengine.domain.errors import DailyLimitReached
from orderengine.domain.order import NewOrder
from orderengine.postgres.database import create_database_engine
from orderengine.storage.batches import SqlBatches
from orderengine.storage.daily import SqlDays
from orderengine.storage.orders import SqlOrders
from tests.builders import A_FAIL, A_TRIGGER, a_limit
from tests.conftest import a_new_order

THREADS = 20
MOST = 100


@pytest.fixture
def pool(database: Engine) -> Iterator[Engine]:
    """A connection for each thread."""
    url = database.url.render_as_string(hide_password=False)
    engine = create_database_engine(url, pool_size=THREADS, application="test", pool_timeout_s=30)
    yield engine
    engine.dispose()


def an_order(usdc: str, client_id: str = "local") -> NewOrder:
    daily = DailyCharge(Decimal(usdc), MOST)
    return replace(a_new_order(), client_id=client_id, daily=daily)


def in_order(orders: Iterable[NewOrder]) -> list[NewOrder]:
    """The orders of a batch, whose ids rise."""
    return sorted(orders, key=lambda each: each.order_id)


def at_once(work: Callable[[int], int]) -> int:
    """Run the work in all threads at the same time; returns the sum of what they return."""
    barrier = threading.Barrier(THREADS)

    def run(number: int) -> int:
        barrier.wait()
        return work(number)

    with ThreadPoolExecutor(THREADS) as threads:
        return sum(threads.map(run, range(THREADS)))


def charged(database: Engine) -> dict[str, list[Decimal]]:
    """What each client's day says, and what its orders have taken of it."""
    statement = text(
        "SELECT d.client_id, d.charged, coalesce((SELECT sum(c.charged) FROM daily_charges c"
        " WHERE (c.client_id, c.day) = (d.client_id, d.day)), 0) FROM daily_notionals d"
    )
    with database.connect() as connection:
        return {row[0]: [row[1], row[2]] for row in connection.execute(statement)}


def accepted(orders: SqlOrders, order: NewOrder, key: str | None = None) -> int:
    try:
        if key is None:
            orders.accept(order)
        else:
            orders.accept_once(order, key)
    except DailyLimitReached:
        return 0
    return 1


def test_twenty_at_the_limit_never_exceed_it(pool: Engine) -> None:
    orders = SqlOrders(pool)
    for number in range(10):
        client = f"client-{number}"
        orders.accept(an_order("30", client))

        def race(thread: int, client: str = client) -> int:
            key = f"{client}-{thread}" if thread % 2 else None
            return accepted(orders, an_order("7", client), key)

        assert at_once(race) == 10
        assert charged(pool)[client] == [100, 100]


def test_batches_at_the_limit_never_exceed_it(pool: Engine) -> None:
    batches = SqlBatches(pool)

    def race(_: int) -> int:
        try:
            return len(batches.accept_all(in_order(an_order("9") for _ in range(3))))
        except DailyLimitReached:
            return 0

    assert at_once(race) == 9
    assert charged(pool)["local"] == [81, 81]


def test_starts_of_waiting_orders_at_the_limit_never_exceed_it(pool: Engine) -> None:
    orders = SqlOrders(pool)
    waiting = [orders.accept(replace(a_limit(), order_id=uuid4())).order for _ in range(THREADS)]
    move = replace(A_TRIGGER, daily=DailyCharge(Decimal(30), MOST))

    def race(number: int) -> int:
        order = waiting[number]
        try:
            return int(orders.move(order.order_id, order.version, move) is not None)
        except DailyLimitReached:
            return 0

    assert at_once(race) == 3
    assert charged(pool)["local"] == [90, 90]


def fail_each(orders: SqlOrders, order_ids: Iterable[UUID]) -> None:
    for order_id in order_ids:
        orders.move(order_id, 1, A_FAIL)


def some_work(
    orders: SqlOrders, batches: SqlBatches, chance: random.Random, clients: Sequence[str]
) -> None:
    """Place, start, fail and cancel orders of several clients, alone and in groups."""
    mine: list[tuple[UUID, str]] = []
    for _ in range(15):
        client = chance.choice(clients)
        order = an_order(str(chance.randint(1, 40)), client)
        if chance.random() < 0.3:
            other = replace(order, order_id=uuid4())
            try:
                stored = batches.accept_all(in_order([order, other]))
                mine += [(each.order.order_id, client) for each in stored]
            except DailyLimitReached:
                continue
        elif accepted(orders, order):
            mine.append((order.order_id, client))
        group = chance.sample(mine, min(len(mine), 4))
        if chance.random() < 0.5:
            fail_each(orders, [order_id for order_id, _ in group])
        elif chance.random() < 0.5:
            orders.cancel_all(client, None, UUID(int=0), 5)
        elif group:
            orders.cancel(group[0][1], group[0][0])


def test_every_day_is_the_sum_of_what_its_orders_have_taken(pool: Engine) -> None:
    orders, batches = SqlOrders(pool), SqlBatches(pool)
    clients = ["a", "b", "c"]

    def race(number: int) -> int:
        some_work(orders, batches, random.Random(number), clients)  # noqa: S311 - seeded
        return 1

    assert at_once(race) == THREADS
    found = charged(pool)
    assert set(found) == set(clients)
    for day, taken in found.values():
        assert day == taken <= MOST
    with pool.connect() as connection:
        open_ones = connection.execute(
            text(
                "SELECT count(*) FROM daily_charges c JOIN orders o ON o.id = c.order_id"
                " WHERE o.status <> 'pending'"
            )
        )
        assert open_ones.scalar_one() == 0, "an ended order kept its charge"


def test_old_days_are_forgotten(database: Engine) -> None:
    orders, days = SqlOrders(database), SqlDays(database)
    for _ in range(3):
        orders.accept(an_order("5"))
    with database.connect() as connection:
        for table in ("daily_charges", "daily_notionals"):
            connection.execute(text(f"UPDATE {table} SET day = day - 8"))  # noqa: S608
    last = an_order("7")
    orders.accept(last)
    assert [days.forget(2) for _ in range(3)] == [2, 1, 0]
    assert charged(database) == {"local": [7, 7]}
    orders.cancel("local", last.order_id)
    assert charged(database) == {"local": [0, 0]}
