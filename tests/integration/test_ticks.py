"""How a tick of the price watcher goes: when it comes, what it asks, and what it does first."""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine
from structlog.testing import capture_logs

from orderengine.domain.instruments import Instrument, Instruments
from orderengine.domain.moves import RoutingCause, StartRouting
from orderengine.domain.order import OrderStatus
from orderengine.domain.side import Side
from orderengine.execution.waiting.watching import Watched
from orderengine.storage.triggers import SqlWaiting
from tests.fakes import FakeOffer
from tests.integration.watchers import TICK_S, Watch

WAITING, PENDING = OrderStatus.WAITING, OrderStatus.PENDING
SYMBOLS = ("AAPL", "BTC", "ETH")


@pytest.fixture
def watch(database: Engine, instruments: Instruments) -> Watch:
    return Watch(database, instruments)


def test_a_tick_after_slow_leases_looks_at_all_orders_again(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lease is written in one tick and only read in the next one, which is quicker."""
    watch.ask("230")
    watch.limit("220")
    hold = watch.watcher.waiting.hold

    def slowly(*args: Any) -> Any:
        watch.now[0] += 0.2 * TICK_S
        return hold(*args)

    with monkeypatch.context() as patched:
        patched.setattr(watch.watcher.waiting, "hold", slowly)
        watch.tick()
    come = watch.limit("240")
    watch.tick(0.8 * TICK_S)  # a tick after the beginning of the one before
    assert watch.status(come) is PENDING


def test_the_messages_go_before_the_lines_are_logged(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    route_all = watch.dispatcher.route_all
    logged: list[int] = []

    def noted(versions: Mapping[UUID, int], cause: RoutingCause) -> None:
        logged.append(len(lines))
        route_all(versions, cause)

    monkeypatch.setattr(watch.dispatcher, "route_all", noted)
    order_ids = [watch.limit("240") for _ in range(3)]
    with capture_logs() as lines:
        watch.tick()
    assert logged == [0]
    told = [line["order_id"] for line in lines if line["event"] == "order_moved"]
    assert told == [str(each) for each in order_ids]
    assert watch.started == order_ids


def test_of_many_kinds_only_those_with_candidates_are_read(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    _place_far_away(watch)
    for symbol in SYMBOLS:
        watch.limit("250", symbol=symbol, base_decimals=None)
        watch.limit("210", Side.SELL, symbol=symbol, base_decimals=None)
    # The nearest order of each kind is at rest.
    watch.run(
        "UPDATE orders SET rearm_at = now() + interval '1 hour' WHERE limit_price < 255"
        " AND (side = 'buy') = (limit_price > 230)"
    )
    come = [
        watch.limit("240", symbol="BTC", base_decimals=None),
        watch.limit("220", Side.SELL),
    ]
    candidates = watch.watcher.waiting.candidates
    read: list[tuple[str, Side]] = []

    def noted(watched: Watched, *rest: Any) -> Any:
        read.append((watched.symbol, watched.side))
        return candidates(watched, *rest)

    monkeypatch.setattr(watch.watcher.waiting, "candidates", noted)
    watch.tick()
    assert sorted(read) == [("AAPL", Side.SELL), ("BTC", Side.BUY)]
    assert sorted(watch.started) == sorted(come)


def test_an_error_of_the_question_for_all_kinds_stops_no_order(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    symbols = (*SYMBOLS, "SOL", "TSLA")
    come = [watch.limit("240", symbol=each, base_decimals=None) for each in symbols]

    def fails(*_: object) -> None:
        raise ValueError("a price that is no number")

    monkeypatch.setattr(watch.watcher.waiting, "come", fails)
    with capture_logs() as lines:
        watch.tick()
    assert [line["event"] for line in lines if line["log_level"] == "error"] == ["look_falls_apart"]
    assert sorted(watch.started) == sorted(come)


def test_an_offer_whose_price_cannot_be_computed_holds_up_no_other_symbol(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    collect = watch.board.collect

    def broken_for_btc(instrument: Instrument, side: Side) -> tuple[list[FakeOffer], Any]:
        offers, errors = collect(instrument, side)
        price = Decimal("NaN" if instrument.symbol == "BTC" else 230)
        return [replace(offer, price=price) for offer in offers], errors

    monkeypatch.setattr(watch.board, "collect", broken_for_btc)
    ids = {symbol: watch.limit("240", symbol=symbol, base_decimals=None) for symbol in SYMBOLS}
    with capture_logs() as lines:
        watch.tick()
    told = [(line["event"], line["symbol"]) for line in lines if line["log_level"] == "error"]
    assert told == [("symbol_not_watched", "BTC")]
    assert sorted(watch.started) == sorted([ids["AAPL"], ids["ETH"]])
    monkeypatch.undo()
    watch.tick()
    assert watch.status(ids["BTC"]) is PENDING


def test_orders_that_are_all_far_away_are_not_asked_for(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The leases tell the nearest price of each kind."""
    _place_far_away(watch)
    for symbol in SYMBOLS:
        watch.stop("220", symbol=symbol, base_decimals=None)
    for _ in SYMBOLS:
        watch.tick()  # looks at the orders of one of them anew

    def asked(*_: object) -> None:
        raise AssertionError("no order is near")

    with monkeypatch.context() as patched:
        patched.setattr(watch.watcher.waiting, "come", asked)
        patched.setattr(watch.watcher.waiting, "candidates", asked)
        with capture_logs() as lines:
            watch.tick()
    assert lines == []
    come = [
        watch.limit("230", symbol="ETH", base_decimals=None),
        watch.limit("230", Side.SELL),
        watch.stop("230", Side.BUY, symbol="BTC", base_decimals=None),
    ]
    watch.tick()
    assert sorted(watch.started) == sorted(come)


def test_a_tick_looks_anew_at_few_symbols_and_at_each_once_a_minute(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It reads all orders of a symbol, and those that have come wait meanwhile."""
    watch.ask("230")
    for symbol in SYMBOLS:
        watch.limit("200", symbol=symbol, base_decimals=None)
    look_anew = watch.watcher.waiting.look_anew
    looked: list[tuple[str, float]] = []

    def noted(holder: str, symbol: str) -> None:
        looked.append((symbol, watch.now[0]))
        look_anew(holder, symbol)

    monkeypatch.setattr(watch.watcher.waiting, "look_anew", noted)
    for _ in range(int(180 / TICK_S)):
        watch.tick()
    assert len({at for _, at in looked}) == len(looked) == 3 * len(SYMBOLS)
    for symbol in SYMBOLS:
        times = [at for each, at in looked if each == symbol]
        assert [later - earlier for earlier, later in pairwise(times)] == [60, 60]


@pytest.mark.parametrize("damaged", ["NULL", "'NaN'"])
def test_an_order_whose_watched_price_is_damaged_hides_no_other(watch: Watch, damaged: str) -> None:
    watch.ask("230")
    bad = [watch.limit("200"), watch.limit("260", Side.SELL)]
    watch.tick()
    watch.run(f"UPDATE orders SET watch_price = {damaged}")  # noqa: S608 - constants
    come = [watch.limit("240"), watch.limit("220", Side.SELL)]
    watch.tick()
    assert sorted(watch.started) == sorted(come)
    assert {watch.status(each) for each in bad} == {WAITING}


def test_started_orders_are_followed_by_others_once_half_of_the_room_is_free(
    database: Engine, instruments: Instruments
) -> None:
    """A look for few orders costs as much as one for many."""
    watch = Watch(database, instruments, slots=2)
    watch.watcher.engine.pace.took(0.001)
    first = [watch.limit("240") for _ in range(12)]
    watch.tick()
    assert watch.started == first
    later = [watch.limit("240") for _ in range(15)]
    assert watch.tick()  # twelve of twenty places are taken
    for order_id in first[:2]:
        watch.orders.move(order_id, 2, StartRouting(RoutingCause.ORDER))
    assert watch.tick(0.05)
    assert watch.started == [*first, *later[:10]]
    for order_id in watch.started:
        watch.orders.move(order_id, 2, StartRouting(RoutingCause.ORDER))
    assert not watch.tick(0.05)
    assert watch.started == [*first, *later]


def test_candidates_have_come_and_no_others(watch: Watch) -> None:
    """The question for all kinds has the conditions of the one for a kind."""
    waiting = SqlWaiting(watch.database)
    order_id = watch.limit("230")
    kind = Watched("AAPL", watch.order(order_id).type, Side.BUY)
    price = watch.references.seen(watch.watcher.engine.instruments.get("AAPL"))
    for changed, come in (
        ("watch_price = 230", True),
        ("watch_price = 229.99", False),
        ("watch_price = 231, rearm_at = now() - interval '1 minute'", True),
        ("rearm_at = now() + interval '1 minute'", False),
        ("rearm_at = NULL, time_in_force = 'GTD', expires_at = now() + interval '1 minute'", True),
        ("expires_at = now()", False),
    ):
        watch.run(f"UPDATE orders SET {changed}")  # noqa: S608 - constants
        assert waiting.come({kind: price}) == ({kind} if come else set())
        assert len(waiting.candidates(kind, price, 5)) == come
    assert waiting.come({}) == set()


def _place_far_away(watch: Watch) -> None:
    """Limit orders of each symbol that do not come at the price of now, 230."""
    watch.ask("230")
    for symbol in SYMBOLS:
        watch.limit("200", symbol=symbol, base_decimals=None)
        watch.limit("260", Side.SELL, symbol=symbol, base_decimals=None)
