"""Several price watchers, and one without its servers: who watches a symbol, and what is missed."""

from dataclasses import replace
from decimal import Decimal

import pytest
from sqlalchemy import Engine

from orderengine.domain.errors import (
    StorageUnavailable,
)
from orderengine.domain.instruments import Instruments
from orderengine.domain.moves import Amend, Cancel, Trigger
from orderengine.domain.order import Order, OrderStatus
from orderengine.domain.side import Side
from orderengine.domain.terms import OrderType
from orderengine.execution.waiting.chosen import Chosen
from orderengine.execution.waiting.looking import look_at
from tests.integration.watchers import Watch

WAITING, PENDING = OrderStatus.WAITING, OrderStatus.PENDING


@pytest.fixture
def watch(database: Engine, instruments: Instruments) -> Watch:
    return Watch(database, instruments)


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
    held = list(first.watcher.waiting.hold("a", ["AAPL"], 2))
    second.run("UPDATE price_watches SET until = '-infinity'")
    looks = look_at(held, instruments, first.board, first.references)
    seen = looks["AAPL"].price_for(OrderType.LIMIT, Side.BUY)
    assert seen is not None
    found = first.watcher.waiting.candidates(held[0], seen, 10)
    second.tick()
    assert sorted(second.started) == sorted(order_ids)
    assert len(found) == 5
    chosen = Chosen([(order, Trigger()) for order in found if isinstance(order, Order)])
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
