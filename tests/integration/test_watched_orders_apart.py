"""The price watcher: a bad order, a bad symbol, and orders without a price stop no others."""

from decimal import Decimal

import pytest
from sqlalchemy import Engine

from orderengine.domain.errors import (
    FailureReason,
    OrderUnfillable,
    VenueUnavailable,
)
from orderengine.domain.instruments import Instrument, Instruments
from orderengine.domain.moves import RoutingCause, StartRouting
from orderengine.domain.order import OrderStatus
from orderengine.domain.side import Side
from orderengine.execution.waiting import judging
from tests.integration.watchers import Watch

WAITING, PENDING = OrderStatus.WAITING, OrderStatus.PENDING
TOO_SHALLOW = OrderUnfillable(FailureReason.INSUFFICIENT_LIQUIDITY, "too shallow")


@pytest.fixture
def watch(database: Engine, instruments: Instruments) -> Watch:
    return Watch(database, instruments)


def while_left(watch: Watch) -> None:
    """Look again while orders are left, for ten looks at most."""
    assert any(not watch.tick(0.05) for _ in range(10))


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
