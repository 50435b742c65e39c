"""Figures of orders from PostgreSQL, and counts of workers through Redis."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import redis
from sqlalchemy import Engine, text

from orderengine.domain.moves import Submit
from orderengine.domain.order import OrderStatus
from orderengine.domain.terms import TimeInForce
from orderengine.execution.operations.counters import CounterName, ProcessMetrics, Sample
from orderengine.execution.operations.figures import StepKind
from orderengine.execution.operations.housekeeping import run_housekeeping
from orderengine.local.redis_server import EmbeddedRedis
from orderengine.redis.breaker import Breaker
from orderengine.redis.client import create_client
from orderengine.storage import figures as statements
from orderengine.storage.daily import SqlDays
from orderengine.storage.figures import SqlFigures
from orderengine.storage.orders import SqlOrders
from orderengine.stream.counts import CountsFlusher, RedisCounts
from tests.builders import (
    A_FAIL,
    A_TRIGGER,
    TRANSACTION,
    a_build,
    a_confirm,
    a_failed_attempt,
    a_limit,
)
from tests.fakes import NOTHING_OPEN
from tests.statements import LOAD_CONFIRMED, explaining
from tests.steps import CONFIRMED, RECOVER, Walk

REDISPATCHED = Sample(CounterName.REDISPATCHES, "submitted")


@pytest.fixture
def orders(database: Engine) -> SqlOrders:
    with database.connect() as connection:
        connection.execute(
            text("INSERT INTO step_totals_mark (id, counted_until) VALUES (1, '-infinity')")
        )
    return SqlOrders(database)


@pytest.fixture
def figures(database: Engine) -> SqlFigures:
    return SqlFigures(database, stuck_after_s=90)


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[EmbeddedRedis]:
    """A server that the test may stop."""
    with EmbeddedRedis(tmp_path / "redis", durable=False) as server:
        yield server


def run(database: Engine, statement: str) -> None:
    with database.connect() as connection:
        connection.execute(text(statement))


def age(database: Engine, minutes: int) -> None:
    """Make all events older by this much."""
    run(
        database,
        f"UPDATE order_events SET occurred_at = occurred_at - interval '{minutes} min'",  # noqa: S608
    )


def test_nothing_open_is_told_as_nothing(orders: SqlOrders, figures: SqlFigures) -> None:
    Walk(orders).step(A_FAIL)
    assert figures.open_orders() == NOTHING_OPEN


def test_an_order_that_waited_is_as_old_as_its_start(
    orders: SqlOrders, figures: SqlFigures, database: Engine
) -> None:
    order = orders.accept(a_limit()).order
    run(database, "UPDATE orders SET created_at = now() - interval '30 days'")
    age(database, 60 * 24 * 30)
    orders.move(order.order_id, 1, A_TRIGGER)
    age(database, 5)
    assert 300 <= figures.open_orders().oldest_s < 310


def test_a_limit_order_that_never_waited_is_as_old_as_itself(
    orders: SqlOrders, figures: SqlFigures, database: Engine
) -> None:
    orders.accept(a_limit(time_in_force=TimeInForce.IOC))
    run(database, "UPDATE orders SET created_at = now() - interval '5 min'")
    assert 300 <= figures.open_orders().oldest_s < 310


def test_open_orders_are_counted_with_their_ages(
    orders: SqlOrders, figures: SqlFigures, database: Engine
) -> None:
    Walk(orders)
    submitted = [Walk(orders) for _ in range(2)]
    for number, walk in enumerate(submitted):
        signed = replace(TRANSACTION, signature=f"sig{number}")
        walk.steps(CONFIRMED[0], a_build(walk.order.created_at), Submit(signed))
    run(database, "UPDATE orders SET created_at = now() - interval '300 s'")
    run(
        database,
        "UPDATE orders SET updated_at = now() - interval '100 s'"  # noqa: S608
        f" WHERE id = '{submitted[0].order_id}'",
    )
    found = figures.open_orders()
    assert found.by_status == {OrderStatus.PENDING: 1, OrderStatus.SUBMITTED: 2}
    assert 300 <= found.oldest_s < 310
    assert 100 <= found.oldest_submitted_s < 110
    assert found.stuck == 1


def rare_steps(orders: SqlOrders) -> dict[StepKind, int]:
    """Make one of each rare step; a straight path only counts its end."""
    Walk(orders).steps(CONFIRMED[0], RECOVER, a_failed_attempt())
    Walk(orders).step(A_FAIL)
    confirmed = Walk(orders)
    now = confirmed.order.created_at
    confirmed.steps(CONFIRMED[0], a_build(now), CONFIRMED[2], a_confirm(now))
    return {
        StepKind(OrderStatus.ROUTING, "recovery"): 1,
        StepKind(OrderStatus.PENDING, "SLIPPAGE_EXCEEDED"): 1,
        StepKind(OrderStatus.FAILED, "INSUFFICIENT_LIQUIDITY"): 1,
        StepKind(OrderStatus.CONFIRMED, ""): 1,
    }


def test_steps_count_the_same_before_and_after_they_are_summed_up(
    orders: SqlOrders, figures: SqlFigures, database: Engine
) -> None:
    expected = rare_steps(orders)
    assert figures.steps() == expected
    assert figures.sum_up(1000) == 0, "they are too young"
    age(database, 2)
    assert figures.sum_up(1000) == 4
    assert figures.steps() == expected
    assert figures.sum_up(1000) == 0
    Walk(orders).step(A_FAIL)
    expected[StepKind(OrderStatus.FAILED, "INSUFFICIENT_LIQUIDITY")] += 1
    assert figures.steps() == expected


def test_steps_are_summed_up_in_batches(
    orders: SqlOrders, figures: SqlFigures, database: Engine
) -> None:
    expected = rare_steps(orders)
    age(database, 2)
    sums = [figures.sum_up(1) for _ in range(5)]
    assert sums == [1, 1, 1, 1, 0]
    assert figures.steps() == expected


def test_any_number_that_sum_up_at_once_count_each_step_once(
    orders: SqlOrders, figures: SqlFigures, database: Engine
) -> None:
    for _ in range(60):
        Walk(orders).step(A_FAIL)
    age(database, 2)
    with ThreadPoolExecutor(8) as pool:
        summed = sum(pool.map(lambda _: figures.sum_up(3), range(60)))
    rest = figures.sum_up(1000)
    assert summed + rest == 60
    assert figures.steps() == {StepKind(OrderStatus.FAILED, "INSUFFICIENT_LIQUIDITY"): 60}


def test_the_figures_are_looked_up_in_an_index(orders: SqlOrders, database: Engine) -> None:
    run(database, LOAD_CONFIRMED)
    run(database, "UPDATE step_totals_mark SET counted_until = now()")
    run(database, "VACUUM ANALYZE order_events, orders, step_totals_mark")
    plans = {}
    with database.connect() as connection:
        for name, statement, values in (
            ("open", statements._OPEN_ORDERS, {"stuck_after_s": 90}),
            ("steps", statements._STEPS, {"max_recent": 50_000}),
            ("sum", statements._SUM_UP, {"limit": 1000, "settled_s": 60}),
        ):
            explained = connection.exec_driver_sql(explaining(statement), values)
            plans[name] = "\n".join(explained.scalars())
    for name, plan in plans.items():
        assert "Seq Scan on orders" not in plan, (name, plan)
        assert "Seq Scan on order_events" not in plan, (name, plan)


def test_housekeeping_says_whether_more_may_be_waiting(
    orders: SqlOrders, figures: SqlFigures, database: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orderengine.execution.operations.housekeeping.BATCH", 2)
    for _ in range(3):
        Walk(orders).step(A_FAIL)
    age(database, 2)
    assert [run_housekeeping(orders, figures, SqlDays(database)) for _ in range(2)] == [True, False]


def test_counts_of_many_workers_add_up(redis_url: str, redis_client: "redis.Redis") -> None:
    redis_client.flushall()
    client = create_client(redis_url, 1.0)
    all_metrics = [ProcessMetrics(), ProcessMetrics()]
    flushers = [CountsFlusher(client, metrics) for metrics in all_metrics]
    counts = RedisCounts(client, Breaker())
    assert counts.read() == {}
    for metrics, flusher in zip(all_metrics, flushers, strict=True):
        metrics.count(CounterName.REDISPATCHES, "submitted")
        metrics.count(CounterName.PUBLISH_FAILURES)
        flusher.flush()
        flusher.flush()
    all_metrics[0].count(CounterName.REDISPATCHES, "submitted")
    flushers[0].flush()
    redis_client.hset("orderengine:counts", "counterOfAnotherRelease:x", 7)
    assert counts.read() == {REDISPATCHED: 3, Sample(CounterName.PUBLISH_FAILURES): 2}
    client.close()


def test_counts_wait_for_a_redis_that_is_away(own_redis: EmbeddedRedis) -> None:
    client = create_client(own_redis.url, 0.5)
    metrics = ProcessMetrics()
    flusher, counts = CountsFlusher(client, metrics), RedisCounts(client, Breaker(0.0))
    own_redis.kill()
    metrics.count(CounterName.REDISPATCHES, "submitted")
    flusher.flush()
    assert counts.read() is None
    metrics.count(CounterName.REDISPATCHES, "submitted")
    own_redis.start()
    flusher.flush()
    assert counts.read() == {REDISPATCHED: 2}
    client.close()


def test_the_age_of_the_oldest_snapshot_is_told(figures: SqlFigures, database: Engine) -> None:
    with database.connect() as connection:
        connection.execute(text("BEGIN ISOLATION LEVEL REPEATABLE READ"))
        connection.execute(text("SELECT count(*) FROM orders"))
        first = figures.open_orders().oldest_snapshot_s
        assert figures.open_orders().oldest_snapshot_s > first > 0
        connection.execute(text("ROLLBACK"))
