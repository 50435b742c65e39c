"""The price watcher on PostgreSQL: what starts, what does not, and in which order."""

from dataclasses import replace
from decimal import Decimal

import pytest
from sqlalchemy import Engine

from orderengine.domain.errors import (
    FailureReason,
    OrderUnfillable,
    StorageUnavailable,
    VenueUnavailable,
)
from orderengine.domain.instruments import Instrument, Instruments
from orderengine.domain.moves import Amend, Cancel, Rest, RoutingCause, StartRouting, Trigger
from orderengine.domain.order import Order, OrderStatus
from orderengine.domain.side import Side
from orderengine.domain.terms import OrderType, TimeInForce
from orderengine.execution.operations.counters import CounterName, Sample
from orderengine.execution.waiting import judging
from orderengine.execution.waiting.looking import look_at
from orderengine.execution.waiting.watcher import _Chosen
from orderengine.storage.halts import SqlHalts
from tests.integration.watchers import TICK_S, Watch

WAITING, PENDING = OrderStatus.WAITING, OrderStatus.PENDING
TOO_SHALLOW = OrderUnfillable(FailureReason.INSUFFICIENT_LIQUIDITY, "too shallow")


@pytest.fixture
def watch(database: Engine, instruments: Instruments) -> Watch:
    return Watch(database, instruments)


def while_left(watch: Watch) -> None:
    """Look again while orders are left, for ten looks at most."""
    assert any(not watch.tick(0.05) for _ in range(10))


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


def test_while_quotes_are_quick_a_batch_may_have_ten_times_the_slots(
    database: Engine, instruments: Instruments
) -> None:
    watch = Watch(database, instruments, slots=2)
    watch.watcher.engine.pace.took(0.001)
    order_ids = [watch.limit(f"{240 - number}") for number in range(5)]
    later = watch.limit("231")
    watch.ask("235")
    assert not watch.tick()
    assert watch.started == order_ids
    watch.ask("230")
    assert watch.tick()  # the five wait for a worker, and there is room for two beside none
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


def test_one_order_that_can_not_be_judged_does_not_stop_the_others(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, good = watch.limit("233"), watch.limit("231")

    def fail_for_one(order: object, *rest: object) -> object:
        if getattr(order, "order_id", None) == bad:
            raise LookupError("damaged")
        return judging.judge(order, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr("orderengine.execution.waiting.watcher.judge", fail_for_one)
    watch.tick()
    assert (watch.status(bad), watch.status(good)) == (WAITING, PENDING)
    assert watch.order(bad).held_because is FailureReason.ENGINE_ERROR


def test_a_row_that_this_release_can_not_read_does_not_stop_the_others(watch: Watch) -> None:
    bad, good = watch.limit("233"), watch.limit("231")
    watch.run("UPDATE orders SET failed_attempts = '[{\"attempt\": 1}]' WHERE id = :id", id=bad)
    watch.tick()
    assert watch.status(good) is PENDING
    assert watch.watch_price(bad) < 1


def test_a_symbol_whose_venues_fail_does_not_stop_the_others(watch: Watch) -> None:
    order_id = watch.limit("240")
    sol = watch.limit("1000", symbol="TSLA")
    watch.board.answers = {"raydium": TOO_SHALLOW, "meteora": Decimal(230)}
    watch.tick()
    assert {watch.status(order_id), watch.status(sol)} == {PENDING}


@pytest.mark.parametrize("broken", ["venue", "reference"])
def test_a_symbol_that_can_not_be_looked_at_does_not_stop_the_others(
    watch: Watch, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    bad = watch.limit("240") if broken == "venue" else watch.stop("240")
    good = watch.limit("1000", symbol="TSLA")
    place, name = {
        "venue": (watch.board, "collect"),
        "reference": (watch.references, "seen"),
    }[broken]
    look = getattr(place, name)

    def fail_for_one(instrument: Instrument, *rest: object) -> object:
        if instrument.symbol == "AAPL":
            raise ZeroDivisionError("an empty pool")
        return look(instrument, *rest)

    monkeypatch.setattr(place, name, fail_for_one)
    watch.tick()
    assert (watch.status(bad), watch.status(good)) == (WAITING, PENDING)
    monkeypatch.setattr(place, name, look)
    watch.tick()
    assert watch.status(bad) is PENDING


def test_an_order_whose_symbol_left_the_instrument_file_says_so_until_it_is_back(
    watch: Watch,
) -> None:
    gone, stays = watch.limit("1", symbol="GONE"), watch.limit("1")
    watch.tick()
    assert watch.order(gone).held_because is FailureReason.UNKNOWN_SYMBOL
    assert watch.order(stays).held_because is None
    assert len(watch.orders.events(gone)) == 1
    watch.run("UPDATE orders SET symbol = 'TSLA' WHERE id = :id", id=gone)
    watch.tick()
    assert watch.order(gone).held_because is None


def test_an_order_of_an_unknown_symbol_is_told_so_within_a_minute(watch: Watch) -> None:
    watch.tick()
    gone = watch.limit("1", symbol="GONE")
    watch.tick(59)
    assert watch.order(gone).held_because is None
    watch.tick(1)
    assert watch.order(gone).held_because is FailureReason.UNKNOWN_SYMBOL


def test_an_instrument_that_has_other_decimals_now_holds_its_orders(watch: Watch) -> None:
    limit, stop = watch.limit("240", base_decimals=8), watch.stop("240", base_decimals=8)
    watch.tick()
    for order_id in (limit, stop):
        assert watch.status(order_id) is WAITING
        assert watch.order(order_id).held_because is FailureReason.INSTRUMENT_CHANGED
    assert watch.started == []


@pytest.mark.parametrize("side", Side)
def test_orders_that_no_venue_can_fill_do_not_hide_those_behind_them(
    watch: Watch, side: Side, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orderengine.execution.waiting.watcher.MOST_CANDIDATES", 2)
    largest = 2_000_000
    watch.board.largest = {"raydium": largest, "meteora": largest}
    far, near = ("1000000000", "240") if side is Side.BUY else ("0.000000001", "200")
    for _ in range(2):
        watch.limit(far, side, quantity=Decimal(100))
    small = watch.limit(near, side, quantity=Decimal(1))
    while_left(watch)
    assert watch.started == [small]


def test_orders_that_a_silent_venue_might_fill_do_not_hide_those_behind_them(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orderengine.execution.waiting.watcher.MOST_CANDIDATES", 2)
    watch.board.answers["raydium"] = VenueUnavailable("no answer")
    watch.board.largest = {"meteora": 2_000_000}
    big = [watch.limit("250", quantity=Decimal(100)) for _ in range(2)]
    small = watch.limit("240", quantity=Decimal(1))
    while_left(watch)
    assert watch.started == [small]
    watch.ask("230")
    watch.board.largest = {}
    watch.tick(60)
    assert {watch.status(each) for each in big} == {PENDING}


def test_snipers_that_are_held_do_not_hide_those_behind_them(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orderengine.execution.waiting.watcher.MOST_CANDIDATES", 2)
    held = [watch.sniper("1", base_decimals=8) for _ in range(2)]
    good = watch.sniper("5000")
    watch.board.depth = Decimal(9000)
    while_left(watch)
    assert watch.started == [good]
    assert watch.order(held[0]).held_because is FailureReason.INSTRUMENT_CHANGED
    written = watch.run("SELECT xmin FROM orders")
    watch.board.depth = Decimal(9001)
    watch.tick()
    assert watch.run("SELECT xmin FROM orders") == written


def test_orders_that_were_left_and_are_gone_are_not_waited_for(
    database: Engine, instruments: Instruments
) -> None:
    watch = Watch(database, instruments, slots=1)
    first, second = watch.limit("241"), watch.limit("240")
    watch.stop("1")
    assert watch.tick(), "the second is left"
    watch.orders.move(first, 2, StartRouting(RoutingCause.ORDER))
    watch.orders.cancel(watch.order(second).client_id, second)
    assert not watch.tick()


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


def test_a_broker_that_is_away_leaves_the_orders_to_recovery(watch: Watch) -> None:
    order_id = watch.limit("240")
    watch.dispatcher.down = True
    watch.tick()
    assert (watch.status(order_id), watch.started) == (PENDING, [])


def test_the_watcher_counts_its_waiting_orders(watch: Watch) -> None:
    watch.limit("1")
    watch.limit("2")
    watch.tick()
    assert watch.run("SELECT symbol, waiting FROM price_watches") == [("AAPL", 2)]


def test_an_order_amended_while_it_was_priced_keeps_its_new_price(watch: Watch) -> None:
    from orderengine.execution.waiting.watching import NextLook

    order_id = watch.limit("230")
    order = watch.order(order_id)
    amended = Amend.to(replace(order, limit_price=Decimal(235)))
    assert watch.orders.move(order_id, 1, amended) is not None
    watch.watcher.waiting.put_off([NextLook(order_id, 1, Decimal(200))])
    assert watch.watch_price(order_id) == 235


def owners(watch: Watch) -> list[tuple[str, str]]:
    return [tuple(row) for row in watch.run("SELECT symbol, holder FROM price_watches")]


def test_one_watcher_holds_a_symbol_and_a_frozen_one_loses_it(
    database: Engine, instruments: Instruments
) -> None:
    frozen = Watch(database, instruments, holder="frozen")
    other = Watch(database, instruments, holder="other")
    order_id = frozen.limit("220")
    frozen.tick()
    other.ask("219")
    other.tick()
    assert (other.status(order_id), owners(other)) == (WAITING, [("AAPL", "frozen")])
    ((left_s,),) = other.run(
        "SELECT extract(epoch FROM until - clock_timestamp()) FROM price_watches"
    )
    assert 0 < left_s <= 2  # and the next tick comes half a second later
    other.run("UPDATE price_watches SET until = clock_timestamp() - interval '1 ms'")
    other.tick()
    assert (other.status(order_id), owners(other)) == (PENDING, [("AAPL", "other")])


def test_a_watcher_that_stops_leaves_its_symbols_at_once(
    database: Engine, instruments: Instruments
) -> None:
    first, second = (Watch(database, instruments, holder=name) for name in ("a", "b"))
    first.limit("1")
    first.tick()
    first.watcher.stop()
    second.tick()
    assert owners(second) == [("AAPL", "b")]


def test_what_came_while_nothing_watched_starts_after_a_restart(
    watch: Watch, database: Engine, instruments: Instruments
) -> None:
    """The price counts where it is, whoever saw it come there."""
    watch.ask("240")
    order_id = watch.limit("230")
    watch.tick()
    later = Watch(database, instruments, holder="restarted")
    later.ask("229")
    watch.run("UPDATE price_watches SET until = '-infinity'")  # the dead process's lease has ended
    later.tick()
    assert (later.status(order_id), later.started) == (PENDING, [order_id])


def test_two_watchers_that_both_believe_to_hold_a_symbol_start_an_order_once(
    database: Engine, instruments: Instruments
) -> None:
    first, second = (Watch(database, instruments, holder=name) for name in ("a", "b"))
    order_ids = [first.limit("240") for _ in range(5)]
    held = first.watcher.waiting.hold("a", ["AAPL"], 2)
    second.run("UPDATE price_watches SET until = '-infinity'")
    looks = look_at(held, instruments, first.board, first.references)
    seen = looks["AAPL"].price_for(OrderType.LIMIT, Side.BUY)
    assert seen is not None
    found = first.watcher.waiting.candidates(held[0], seen, 10)
    second.tick()
    assert sorted(second.started) == sorted(order_ids)
    assert len(found) == 5
    chosen = _Chosen([(order, Trigger()) for order in found if isinstance(order, Order)])
    moved = first.watcher._start(held[0], seen, chosen)
    assert (moved, first.started) == (0, [])
    ((events,),) = first.run("SELECT count(*) FROM order_events WHERE status = 'pending'")
    assert events == 5


def test_an_order_canceled_after_it_was_found_does_not_start(watch: Watch) -> None:
    order_id = watch.limit("240")
    order = watch.order(order_id)
    assert watch.orders.cancel("local", order_id) is not None
    assert watch.orders.move(order_id, order.version, Trigger()) is None
    assert Cancel().kind == "cancel"
    assert watch.status(order_id) is OrderStatus.CANCELED


def test_a_lost_database_is_told_to_the_caller(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch.limit("240")

    def away(*_: object) -> None:
        raise StorageUnavailable("away")

    monkeypatch.setattr(watch.watcher.waiting, "candidates", away)
    with pytest.raises(StorageUnavailable):
        watch.tick()
