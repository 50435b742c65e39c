"""A network without answers costs no attempt; orders of another network are left alone."""

from typing import Any

import pytest

from orderengine.domain.errors import (
    AttemptFailed,
    FailureReason,
    HistoryMissing,
    OrderUnfillable,
)
from orderengine.domain.instruments import Instruments
from orderengine.domain.moves import RoutingCause
from orderengine.domain.order import Order, OrderStatus
from orderengine.execution.chain.confirm import PollResult, confirm_orders
from orderengine.execution.chain.engine import MAX_RECOVERIES, AttemptEnded, Superseded
from orderengine.execution.chain.handover import Submitted
from orderengine.execution.chain.recovery import Recovery
from orderengine.execution.chain.stages import Tries, submit_orders
from tests.fake_venues import unavailable
from tests.singles import build_order, route_order, submit_order
from tests.world import World

LAST_TRY = Tries(made=0, left=False)


@pytest.fixture
def world(instruments: Instruments) -> World:
    return World(instruments)


def go_dark(world: World, for_s: float) -> None:
    world.network.go_dark()
    world.network.dark_for_s = for_s


def built(world: World) -> Any:
    return build_order(world.engine, world.route(world.accept().order_id))


def order_of(world: World, named: Any) -> Order:
    order = world.orders.get(named.order_id)
    assert order is not None
    return order


def test_an_unsigned_order_waits_for_the_network_without_an_attempt(world: World) -> None:
    handed = built(world)
    go_dark(world, 5)
    (result,) = submit_orders(world.engine, [handed], LAST_TRY)
    assert isinstance(result, Superseded)
    order = order_of(world, handed)
    assert (order.status, order.attempt) == (OrderStatus.BUILDING, 1)
    assert order.failed_attempts == ()


def test_a_market_order_fails_when_the_outage_lasts_too_long(world: World) -> None:
    handed = built(world)
    go_dark(world, 61)
    world.clock.advance(61)
    (result,) = submit_orders(world.engine, [handed], LAST_TRY)
    assert isinstance(result, AttemptEnded)
    order = order_of(world, handed)
    assert order.status is OrderStatus.FAILED
    assert order.failure is not None
    assert order.failure.reason is FailureReason.NETWORK_UNAVAILABLE


def test_an_order_of_a_minute_ago_does_not_fail_in_the_first_second_of_an_outage(
    world: World,
) -> None:
    handed = built(world)
    world.clock.advance(600)
    go_dark(world, 1)
    (result,) = submit_orders(world.engine, [handed], LAST_TRY)
    assert isinstance(result, Superseded)


def test_quotes_that_the_outage_prevents_cost_no_attempt_either(world: World) -> None:
    order = world.accept()
    world.board.answers = {venue: unavailable(venue) for venue in world.board.answers}
    go_dark(world, 5)
    with pytest.raises(Superseded):
        route_order(world.engine, order.order_id, order.version, RoutingCause.ORDER, LAST_TRY)
    assert order_of(world, order).status is OrderStatus.ROUTING


def test_recovery_gives_no_order_up_and_starts_none_during_an_outage(world: World) -> None:
    handed = built(world)
    go_dark(world, 5)
    for _ in range(MAX_RECOVERIES + 2):
        world.clock.advance(20)
        Recovery(world.engine).run_once()
    order = order_of(world, handed)
    assert (order.status, order.recoveries) == (OrderStatus.BUILDING, 0)
    assert world.dispatcher.sent == []
    world.network.come_back()
    world.network.dark_for_s = 0
    world.clock.advance(20)
    Recovery(world.engine).run_once()
    assert [each.order_id for each in world.dispatcher.sent] == [order.order_id]


def submitted(world: World) -> Submitted:
    """An order whose transaction was lost on its way."""
    world.network.lose_next_send()
    return submit_order(world.engine, built(world))


def test_those_not_found_are_asked_for_together(world: World, monkeypatch: Any) -> None:
    orders = [submitted(world) for _ in range(3)]
    heights: list[int] = []
    ask = world.network.final_height

    def counted() -> int:
        heights.append(1)
        return ask()

    monkeypatch.setattr(world.network, "final_height", counted)
    assert confirm_orders(world.engine, orders) == [PollResult.SENT_AGAIN] * 3
    assert len(heights) == 1


def test_bytes_of_another_network_are_neither_sent_nor_proved_dead(
    world: World, monkeypatch: Any
) -> None:
    order = submitted(world)
    monkeypatch.setattr(world.network, "owns", lambda _: False)
    sends = len(world.network.sends)
    world.network.expire()
    assert confirm_orders(world.engine, [order]) == [PollResult.IN_FLIGHT]
    assert len(world.network.sends) == sends
    world.clock.advance(20)
    Recovery(world.engine).run_once()
    assert world.dispatcher.sent == []
    assert order_of(world, order).status is OrderStatus.SUBMITTED


def test_a_refusal_for_the_order_s_own_price_ends_it_as_its_price(world: World) -> None:
    order = world.accept(worst_price="231")
    handed = build_order(world.engine, world.route(order.order_id))
    refusal = AttemptFailed(FailureReason.SLIPPAGE_EXCEEDED, "the price has moved")
    world.network.refusals[order.order_id] = refusal
    with pytest.raises(AttemptEnded):
        submit_order(world.engine, handed)
    failure = order_of(world, order).failure
    assert failure is not None
    assert failure.reason is FailureReason.PRICE_LIMIT


def test_an_order_that_the_wallet_cannot_pay_fails_at_once(world: World) -> None:
    handed = built(world)
    refusal = OrderUnfillable(FailureReason.INSUFFICIENT_FUNDS, "too little")
    world.network.refusals[handed.order_id] = refusal
    with pytest.raises(AttemptEnded):
        submit_order(world.engine, handed)
    order = order_of(world, handed)
    assert order.status is OrderStatus.FAILED
    assert len(order.failed_attempts) == 1


def test_an_order_of_which_no_node_knows_the_time_says_so_and_stays(
    world: World, monkeypatch: Any
) -> None:
    order = submitted(world)
    world.network.expire()
    missing = HistoryMissing("the node has no block before")
    monkeypatch.setattr(world.network, "look_up_expired_all", lambda _: [missing])
    assert confirm_orders(world.engine, [order]) == [missing]
    held = order_of(world, order)
    assert held.status is OrderStatus.SUBMITTED
    assert held.held_because is FailureReason.HISTORY_MISSING
