"""The price watcher on PostgreSQL: what starts, what does not, and in which order."""

from decimal import Decimal

import pytest
from sqlalchemy import Engine

from orderengine.domain.errors import (
    FailureReason,
    OrderUnfillable,
)
from orderengine.domain.instruments import Instruments
from orderengine.domain.moves import Rest, RoutingCause, StartRouting, Trigger
from orderengine.domain.order import OrderStatus
from orderengine.domain.side import Side
from orderengine.domain.terms import TimeInForce
from orderengine.execution.operations.counters import CounterName, Sample
from orderengine.storage.halts import SqlHalts
from tests.integration.watchers import TICK_S, Watch

WAITING, PENDING = OrderStatus.WAITING, OrderStatus.PENDING


@pytest.fixture
def watch(database: Engine, instruments: Instruments) -> Watch:
    return Watch(database, instruments)


@pytest.mark.parametrize(
    ("side", "before", "after"), [(Side.BUY, "230.01", "230"), (Side.SELL, "229.99", "230")]
)
def test_a_limit_order_starts_once_its_price_has_come(
    watch: Watch, side: Side, before: str, after: str
) -> None:
    watch.ask(before)
    order_id = watch.limit("230", side)
    watch.tick()
    assert (watch.status(order_id), watch.started) == (WAITING, [])
    watch.ask(after)
    watch.tick()
    assert (watch.status(order_id), watch.started) == (PENDING, [order_id])
    watch.tick()
    assert watch.started == [order_id]
    *_, event = watch.orders.events(order_id)
    assert event.data["cause"] == "triggered"
    assert Decimal(event.data["seenPrice"]) == 230
    assert event.data["source"] == "raydium"


@pytest.mark.parametrize(
    ("side", "before", "after"),
    [(Side.SELL, "220.01", "220"), (Side.BUY, "219.99", "220")],
)
def test_a_stop_starts_at_the_reference_price(
    watch: Watch, side: Side, before: str, after: str
) -> None:
    order_id = watch.stop("220", side)
    watch.ask("1")  # no venue's price counts
    watch.references.price = Decimal(before)
    watch.tick()
    assert watch.status(order_id) is WAITING
    watch.references.price = Decimal(after)
    watch.tick()
    assert watch.status(order_id) is PENDING
    assert watch.board.asked == 0


def test_a_price_that_gaps_through_starts_the_order(watch: Watch) -> None:
    stop, limit = watch.stop("220"), watch.limit("200")
    watch.references.price = Decimal(230)
    watch.ask("230")
    watch.tick()
    watch.references.price = Decimal(150)
    watch.ask("150")
    watch.tick()
    assert {watch.status(stop), watch.status(limit)} == {PENDING}


def test_a_stop_that_fired_is_never_tested_again(watch: Watch) -> None:
    order_id = watch.stop("220")
    watch.references.price = Decimal(219)
    watch.tick()
    watch.orders.move(order_id, 2, StartRouting(RoutingCause.ORDER))
    watch.references.price = Decimal(300)
    watch.tick()
    watch.references.price = Decimal(219)
    watch.tick()
    assert (watch.status(order_id), watch.started) == (OrderStatus.ROUTING, [order_id])


def test_a_price_older_than_two_ticks_starts_nothing_and_is_counted(watch: Watch) -> None:
    order_id, stop = watch.limit("240"), watch.stop("240")
    watch.seen_at.late_s = 2.4 * TICK_S
    watch.tick()
    assert (watch.status(order_id), watch.status(stop), watch.started) == (WAITING, WAITING, [])
    assert watch.metrics.counts()[Sample(CounterName.STALE_PRICES, "AAPL")] == 2
    watch.seen_at.late_s = 0.0
    watch.tick()
    assert sorted(watch.started) == sorted([order_id, stop])


def test_an_order_whose_own_size_does_not_fit_is_looked_at_when_the_price_is_better(
    watch: Watch,
) -> None:
    watch.board.impact = Decimal("0.01")
    watch.ask("229")
    order_id = watch.limit("230")
    watch.tick()
    assert watch.status(order_id) is WAITING
    watched = watch.watch_price(order_id)
    assert Decimal(227) < watched < Decimal(228)
    assert watch.order(order_id).version == 1
    asked = watch.run("SELECT xmin FROM orders")
    watch.tick()
    watch.tick()
    assert watch.run("SELECT xmin FROM orders") == asked  # nothing was written again
    watch.ask("227.5")
    watch.tick()
    assert watch.status(order_id) is PENDING


def test_a_pool_that_is_sold_out_has_no_price_for_those_who_buy(watch: Watch) -> None:
    watch.board.answers = {"raydium": Decimal(230), "meteora": Decimal(0)}
    watch.board.largest["meteora"] = 0
    order_id = watch.limit("220")
    watch.tick()
    assert watch.watch_price(order_id) == 220
    watch.board.answers = {"raydium": Decimal(215), "meteora": Decimal(0)}
    watch.tick()
    assert watch.started == [order_id]


def test_all_are_looked_at_anew_once_a_minute(watch: Watch) -> None:
    watch.board.impact = Decimal("0.01")
    watch.ask("229")
    order_id = watch.limit("230")
    watch.tick()
    watch.board.impact = Decimal(0)  # the pools have become deeper, and no price has moved
    watch.tick(55)
    assert watch.status(order_id) is WAITING
    watch.tick(6)
    assert watch.status(order_id) is PENDING


def test_an_order_too_large_for_the_venues_waits_and_writes_nothing_each_tick(
    watch: Watch,
) -> None:
    watch.board.largest = {"raydium": 1, "meteora": 1}
    order_id = watch.limit("240")
    watch.tick()
    written = watch.run("SELECT xmin FROM orders")
    watch.tick()
    assert (watch.status(order_id), watch.order(order_id).version) == (WAITING, 1)
    assert watch.run("SELECT xmin FROM orders") == written
    watch.board.largest = {}
    watch.tick(60)
    assert watch.status(order_id) is PENDING


def test_a_thousand_that_do_not_fit_write_no_event(watch: Watch) -> None:
    watch.board.impact = Decimal("0.01")
    watch.ask("229")
    for number in range(1_000):
        watch.limit(f"230.{number:04}")
    while watch.tick(0.05):
        pass
    events = watch.run("SELECT count(*) FROM order_events")
    for _ in range(20):
        watch.tick()
    watch.tick(60)
    assert watch.run("SELECT count(*) FROM order_events") == events
    assert watch.run("SELECT sum(version) FROM orders") == [(1_000,)]
    assert watch.started == []


def test_the_most_aggressive_limit_starts_first_then_the_oldest(
    database: Engine, instruments: Instruments
) -> None:
    watch = Watch(database, instruments, slots=2)
    low, high, also_high, higher = (watch.limit(p) for p in ("231", "233", "233", "234"))
    watch.ask("230")
    assert watch.tick()
    assert watch.started == [higher, high]
    assert not watch.tick(0.05) or watch.started == [higher, high]  # no slot is free
    for order_id in (higher, high):
        watch.orders.move(order_id, 2, StartRouting(RoutingCause.ORDER))
    watch.tick(0.05)
    assert watch.started == [higher, high, also_high, low]


def test_while_quotes_are_quick_ten_times_the_slots_may_wait_for_a_worker(
    database: Engine, instruments: Instruments
) -> None:
    watch = Watch(database, instruments, slots=2)
    watch.watcher.engine.pace.took(0.001)
    order_ids = [watch.limit(f"{260 - number}") for number in range(20)]
    later = watch.limit("231")
    watch.ask("235")
    assert not watch.tick()
    assert watch.started == order_ids
    watch.ask("230")
    assert watch.tick()  # the twenty wait for a worker
    assert watch.status(later) is WAITING


def test_the_price_is_looked_at_again_between_two_batches(
    database: Engine, instruments: Instruments
) -> None:
    watch = Watch(database, instruments, slots=1)
    first, second = watch.limit("231"), watch.limit("230.5")
    watch.ask("230")
    assert watch.tick()
    watch.orders.move(first, 2, StartRouting(RoutingCause.ORDER))
    watch.ask("230.9")
    watch.tick(0.05)
    assert (watch.status(second), watch.started) == (WAITING, [first])


def test_expired_orders_are_not_triggered(watch: Watch) -> None:
    order_id = watch.limit("240", time_in_force=TimeInForce.GTD, expires_at=watch.seen_at.now())
    watch.tick()
    assert (watch.status(order_id), watch.started) == (WAITING, [])


def test_a_sniper_starts_when_an_open_pool_is_deep_enough(watch: Watch) -> None:
    order_id = watch.sniper("5000")
    closed = OrderUnfillable(FailureReason.NOT_OPEN, "AAPL opens at noon")
    watch.board.answers = {"raydium": closed, "meteora": closed}
    watch.tick()
    assert watch.status(order_id) is WAITING
    watch.ask("230")
    watch.board.depth = Decimal(4999)
    watch.tick()
    assert watch.status(order_id) is WAITING
    watch.board.depth = Decimal(5000)
    watch.tick()
    assert (watch.status(order_id), watch.started) == (OrderStatus.BUILDING, [order_id])


def test_a_pool_that_closed_again_starts_no_sniper(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orderengine.execution.waiting.starting.MOST_SNIPERS", 1)
    watch.board.depth = Decimal(9000)
    first, second = watch.sniper("5000"), watch.sniper("5000")
    assert watch.tick()
    watch.orders.move(first, 4, StartRouting(RoutingCause.RECOVERY))
    watch.board.depth = Decimal(100)
    watch.tick(0.05)
    assert watch.status(second) is WAITING


def test_nothing_triggers_while_trading_is_halted(watch: Watch, database: Engine) -> None:
    order_id = watch.limit("240")
    halts = SqlHalts(database)
    halts.halt()
    watch.tick()
    version = watch.order(order_id).version
    assert watch.orders.move(order_id, version, Trigger()) is None
    assert watch.status(order_id) is WAITING
    assert halts.resume()
    watch.tick()
    assert watch.status(order_id) is PENDING


def test_an_order_that_rested_starts_only_on_a_later_price_and_after_its_rest(
    watch: Watch,
) -> None:
    order_id = watch.limit("240")
    watch.tick()
    watch.orders.move(order_id, 2, StartRouting(RoutingCause.ORDER))
    watch.orders.move(order_id, 3, Rest(FailureReason.PRICE_LIMIT, "the price has left"))
    watch.tick()
    assert watch.status(order_id) is WAITING
    watch.run("UPDATE orders SET rearm_at = now() - interval '1 s'")
    watch.seen_at.late_s = 0.9
    watch.run("UPDATE orders SET rearm_at = now() - interval '0.5 s'")
    watch.tick()
    assert watch.status(order_id) is WAITING  # the price is fresh, but older than the rest
    watch.seen_at.late_s = 0.0
    watch.tick()
    assert watch.status(order_id) is PENDING
    assert watch.order(order_id).first_attempt == watch.order(order_id).attempt == 2
