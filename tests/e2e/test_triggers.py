"""Orders that wait in a running stack: a price crosses, a watcher freezes, trading is halted."""

import signal
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine

from harness.waiting import stretched, wait_until
from orderengine.config.settings import INSTRUMENTS
from orderengine.domain.instruments import parse_instruments
from orderengine.domain.order import Order, OrderStatus
from orderengine.domain.side import Side
from orderengine.domain.terms import OrderType, TimeInForce
from orderengine.market.reference import reference_price
from orderengine.storage.orders import SqlOrders
from tests.conftest import a_new_order
from tests.e2e.conftest import MigratedStack
from tests.e2e.ledger import executions
from tests.e2e.stack import WORKER_IS_READY, Stack
from tests.simulations import a_simulation

VOLATILITY = 50
AAPL = parse_instruments(INSTRUMENTS.read_text("utf-8")).get("AAPL")
FEE = Decimal("0.0025")
FIRES_WITHIN_S = 3.0


@pytest.fixture(scope="module")
def stack_environ() -> Mapping[str, str]:
    return {
        "SIM_VOLATILITY": str(VOLATILITY),
        "SIM_QUOTE_LATENCY_MS": "5-10",
        "SIM_SETTLEMENT_MS": "20-40",
        "SIM_DRIFT_BPS": "0-0",
        "SIM_SPREAD_BPS": "0-0",
        "RECOVERY_AFTER_MS": "1500",
        "RECOVERY_INTERVAL_MS": "200",
    }


@pytest.fixture
def orders(stack_database: Engine) -> SqlOrders:
    return SqlOrders(stack_database)


def a_limit(side: Side, price: Decimal) -> Any:
    return replace(
        a_new_order(side, "1"),
        type=OrderType.LIMIT,
        limit_price=price,
        slippage_tolerance_bps=None,
        time_in_force=TimeInForce.GTC,
        base_decimals=AAPL.decimals,
    )


def crossing_soon(now: datetime) -> tuple[Side, Decimal]:
    """A side, and a limit that is not met now but within seconds: the path is known ahead."""
    simulation = a_simulation()
    ahead = [
        reference_price(simulation.seed, AAPL, now + timedelta(seconds=s), VOLATILITY)
        for s in range(16)
    ]
    fall, rise = 1 - min(ahead) / ahead[0], max(ahead) / ahead[0] - 1
    if fall > rise:
        return Side.BUY, (min(ahead) * (1 + FEE) * Decimal("1.0008")).quantize(Decimal("0.01"))
    return Side.SELL, (max(ahead) * (1 - FEE) * Decimal("0.9992")).quantize(Decimal("0.01"))


def current(orders: SqlOrders, order_id: UUID) -> Order:
    order = orders.get(order_id)
    assert order is not None
    return order


def test_a_limit_order_waits_fires_when_the_price_crosses_and_confirms(
    stack: Stack, orders: SqlOrders, stack_database: Engine
) -> None:
    side, price = crossing_soon(datetime.now(UTC))
    order_id = orders.accept(a_limit(side, price)).order.order_id
    wait_until(lambda: current(orders, order_id).status is OrderStatus.CONFIRMED, 60.0)
    followed = stack.follow(str(order_id))
    assert followed.statuses[:2] == ["waiting", "pending"]
    assert followed.statuses[-1] == "confirmed"
    fill = current(orders, order_id).fill
    assert fill is not None
    assert fill.executed_price <= price if side is Side.BUY else fill.executed_price >= price
    assert executions(stack_database)[str(order_id)] == 1
    _, started = followed.events[:2]
    assert started["data"]["cause"] == "triggered"


def test_while_trading_is_halted_nothing_starts_and_readyz_says_so(
    stack: Stack, orders: SqlOrders
) -> None:
    assert stack.command("halt").returncode == 0
    wait_until(lambda: "trading" in stack.get("/readyz")["degraded"], 10.0)
    market = stack.post("AAPL", "buy", "1", slippageBps=1000)
    limit = orders.accept(a_limit(Side.BUY, Decimal(10_000))).order.order_id
    wait_until(lambda: stack.order(market)["status"] == "building", 10.0)
    assert [event.status for event in orders.events(limit)] == [OrderStatus.WAITING]
    assert "submitted" not in {event.status for event in orders.events(UUID(market))}
    assert stack.command("resume").returncode == 0
    wait_until(lambda: stack.order(market)["status"] == "confirmed", 30.0)
    wait_until(lambda: current(orders, limit).status is OrderStatus.CONFIRMED, 30.0)


@pytest.fixture
def second(stack: Stack, tmp_path: Path, stack_environ: Mapping[str, str]) -> Iterator[Stack]:
    """Another worker beside the stack's, started after it."""
    other = MigratedStack(stack.database_url, stack.redis_url, tmp_path, **stack_environ)
    try:
        other.start_line("worker")
        wait_until(lambda: WORKER_IS_READY in other.logs("worker"), 30.0)
        yield other
    finally:
        other.stop()


def started_after_s(orders: SqlOrders) -> float:
    """Accept an order whose price has come; returns the seconds until it has started."""
    placed = orders.accept(a_limit(Side.BUY, Decimal(10_000))).order
    wait_until(lambda: len(orders.events(placed.order_id)) > 1, 3 * FIRES_WITHIN_S)
    _, started, *_ = orders.events(placed.order_id)
    return (started.occurred_at - placed.created_at).total_seconds()


def test_the_symbols_of_a_frozen_watcher_are_taken_over(
    stack: Stack, second: Stack, orders: SqlOrders
) -> None:
    far = orders.accept(a_limit(Side.BUY, Decimal(1))).order.order_id
    # One of them holds the symbol, and the other takes it when that one is frozen.
    for frozen in (stack, second):
        frozen.kill("worker", signal.SIGSTOP)
        try:
            assert started_after_s(orders) <= stretched(FIRES_WITHIN_S)
        finally:
            frozen.kill("worker", signal.SIGCONT)
    assert current(orders, far).status is OrderStatus.WAITING
