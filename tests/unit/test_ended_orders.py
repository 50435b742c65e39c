"""Orders that are reverted, canceled, amended, or whose time passes: how each one goes on."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from orderengine.domain.errors import AttemptFailed, FailureReason
from orderengine.domain.instruments import Instruments
from orderengine.domain.moves import RoutingCause
from orderengine.domain.order import Order, OrderStatus
from orderengine.domain.terms import TimeInForce
from orderengine.execution.chain.confirm import PollResult
from orderengine.execution.chain.ends import move_after
from orderengine.execution.chain.engine import AttemptEnded, Superseded
from orderengine.execution.chain.handover import Submitted
from orderengine.execution.waiting.amend import AmendOutcome, amend_order
from orderengine.execution.waiting.cancel import CancelCounts, Outcome, cancel_all, cancel_order
from orderengine.execution.waiting.expiry import expire_due
from tests.builders import A_TRIGGER, a_limit
from tests.fakes import START
from tests.singles import confirm_order, route_order
from tests.world import World

R = FailureReason


def after(order: Order, failure: AttemptFailed, *, paid: bool = False) -> object:
    return move_after(order, failure, 3, float, paid=paid)


@pytest.fixture
def world(instruments: Instruments) -> World:
    return World(instruments)


def a_submitted(world: World, **terms: Any) -> Submitted:
    """A limit order that was triggered and submitted."""
    order = world.orders.accept(a_limit(**terms)).order
    if order.status is OrderStatus.WAITING:
        world.engine.advance(order.order_id, 1, A_TRIGGER)
    return world.run_to_submitted(order.order_id)


def revert(world: World, submitted: Submitted) -> None:
    world.network.revert(submitted.signature, slippage_exceeded=True)


def die(world: World, submitted: Submitted) -> None:
    """Let the transaction be lost, and its last valid height pass."""
    world.network.height += world.network.validity + 1


def now(world: World, submitted: Submitted) -> Order:
    return world.order(submitted.order_id)


def ask(world: World, submitted: Submitted) -> None:
    found = cancel_order(world.orders, world.publisher, "local", submitted.order_id)
    assert found is not None
    assert found.outcome is Outcome.REQUESTED


def test_a_revert_for_its_price_lets_a_limit_order_wait_again(world: World) -> None:
    submitted = a_submitted(world)
    revert(world, submitted)
    with pytest.raises(AttemptEnded):
        confirm_order(world.engine, submitted)
    order = now(world, submitted)
    assert (order.status, order.paid_rests) == (OrderStatus.WAITING, 1)
    assert world.dispatcher.sent == [], "the watcher starts it again"


def test_a_price_that_left_before_signing_lets_it_wait_again(world: World) -> None:
    order = world.orders.accept(a_limit()).order
    world.engine.advance(order.order_id, 1, A_TRIGGER)
    world.board.answers = {"raydium": Decimal(250)}
    with pytest.raises(AttemptEnded):
        world.route(order.order_id)
    assert world.order(order.order_id).status is OrderStatus.WAITING
    assert world.publisher.published[-1].event.data["reason"] == "PRICE_LIMIT"


def test_a_limit_order_with_one_try_is_not_filled(world: World) -> None:
    order = world.orders.accept(a_limit(time_in_force=TimeInForce.IOC)).order
    world.board.answers = {"raydium": Decimal(250)}
    with pytest.raises(AttemptEnded):
        world.route(order.order_id)
    ended = world.order(order.order_id)
    assert ended.status is OrderStatus.EXPIRED
    assert ended.failure is not None
    assert ended.failure.reason is R.NOT_FILLED


@pytest.mark.parametrize("kill", [revert, die])
def test_a_dead_transaction_and_a_request_end_canceled(
    world: World, kill: Callable[[World, Submitted], None]
) -> None:
    submitted = a_submitted(world)
    ask(world, submitted)
    kill(world, submitted)
    with pytest.raises(AttemptEnded):
        confirm_order(world.engine, submitted)
    assert now(world, submitted).status is OrderStatus.CANCELED
    assert not world.network.executions
    assert world.dispatcher.sent == []


@pytest.mark.parametrize("kill", [revert, die])
def test_a_dead_transaction_and_a_time_that_has_passed_end_expired(
    world: World, kill: Callable[[World, Submitted], None]
) -> None:
    until = {"time_in_force": TimeInForce.GTD, "expires_at": START + timedelta(minutes=1)}
    submitted = a_submitted(world, **until)
    world.clock.advance(61)
    assert expire_due(world.engine) == 0, "the network decides"
    kill(world, submitted)
    with pytest.raises(AttemptEnded):
        confirm_order(world.engine, submitted)
    assert now(world, submitted).status is OrderStatus.EXPIRED


def test_a_request_does_not_delay_a_fill(world: World) -> None:
    """The message of before the request confirms the order that was asked to be canceled."""
    submitted = a_submitted(world)
    ask(world, submitted)
    world.network.land(submitted.signature)
    assert confirm_order(world.engine, submitted) is PollResult.CONFIRMED
    assert now(world, submitted).status is OrderStatus.CONFIRMED
    assert world.publisher.published[-1].event.data["cancelTooLate"] is True


def test_what_is_to_be_canceled_is_not_sent_again(world: World) -> None:
    world.network.lose_next_send()
    submitted = a_submitted(world)
    ask(world, submitted)
    sends = len(world.network.sends)
    assert confirm_order(world.engine, submitted) is PollResult.IN_FLIGHT
    assert len(world.network.sends) == sends
    die(world, submitted)
    with pytest.raises(AttemptEnded):
        confirm_order(world.engine, submitted)
    assert now(world, submitted).status is OrderStatus.CANCELED


def test_what_has_expired_is_not_sent_again(world: World) -> None:
    """The network never had its swap, so it must not land after its time."""
    world.network.lose_next_send()
    until = {"time_in_force": TimeInForce.GTD, "expires_at": START + timedelta(minutes=1)}
    submitted = a_submitted(world, **until)
    world.clock.advance(61)
    sends = len(world.network.sends)
    assert confirm_order(world.engine, submitted) is PollResult.IN_FLIGHT
    assert len(world.network.sends) == sends
    die(world, submitted)
    with pytest.raises(AttemptEnded):
        confirm_order(world.engine, submitted)
    assert now(world, submitted).status is OrderStatus.EXPIRED


def test_a_repeated_word_on_a_dead_transaction_is_superseded(world: World) -> None:
    submitted = a_submitted(world)
    ask(world, submitted)
    revert(world, submitted)
    with pytest.raises(AttemptEnded):
        confirm_order(world.engine, submitted)
    with pytest.raises(Superseded):
        confirm_order(world.engine, submitted)


def test_an_order_is_canceled_once_and_repeating_tells_the_same(world: World) -> None:
    order = world.orders.accept(a_limit()).order
    for _ in range(2):
        found = cancel_order(world.orders, world.publisher, "local", order.order_id)
        assert found is not None
        assert (found.outcome, found.order.status) == (Outcome.CANCELED, OrderStatus.CANCELED)
    assert [each.event.status for each in world.publisher.published] == [OrderStatus.CANCELED]
    assert cancel_order(world.orders, world.publisher, "another", order.order_id) is None


def test_a_cancel_that_comes_too_late_tells_the_order(world: World) -> None:
    submitted = a_submitted(world)
    world.network.land(submitted.signature)
    confirm_order(world.engine, submitted)
    found = cancel_order(world.orders, world.publisher, "local", submitted.order_id)
    assert found is not None
    assert (found.outcome, found.order) == (Outcome.TOO_LATE, now(world, submitted))


def test_all_orders_are_canceled_and_counted(world: World) -> None:
    a_submitted(world)
    for _ in range(3):
        world.orders.accept(a_limit())
    assert cancel_all(world.orders, world.publisher, "local") == CancelCounts(3, 1)
    assert cancel_all(world.orders, world.publisher, "local") == CancelCounts(0, 1)
    assert cancel_all(world.orders, world.publisher, "local", "SOL") == CancelCounts()


def test_an_order_is_amended_at_its_version_while_it_waits(world: World) -> None:
    order = world.orders.accept(a_limit()).order

    def amend(version: int) -> tuple[AmendOutcome, Order] | None:
        found = amend_order(
            world.orders,
            world.publisher,
            "local",
            order.order_id,
            version,
            lambda now: replace(now, limit_price=Decimal(199)),
        )
        return None if found is None else (found.outcome, found.order)

    first = amend(1)
    assert first is not None
    assert (first[0], first[1].limit_price, first[1].version) == (
        AmendOutcome.AMENDED,
        Decimal(199),
        2,
    )
    assert amend(1) == (AmendOutcome.MOVED, first[1])
    world.engine.advance(order.order_id, 2, A_TRIGGER)
    assert amend(2) == (AmendOutcome.NOT_WAITING, world.order(order.order_id))
    assert amend(3) == (AmendOutcome.NOT_WAITING, world.order(order.order_id))


def test_an_order_whose_time_has_passed_is_not_amended(world: World) -> None:
    until = {"time_in_force": TimeInForce.GTD, "expires_at": START + timedelta(minutes=1)}
    order = world.orders.accept(a_limit(**until)).order
    world.clock.advance(61)
    found = amend_order(world.orders, world.publisher, "local", order.order_id, 1, lambda now: now)
    assert found is not None
    assert found.outcome is AmendOutcome.NOT_WAITING


def test_orders_whose_time_has_passed_are_ended_and_told(world: World) -> None:
    until = {"time_in_force": TimeInForce.GTD, "expires_at": START + timedelta(minutes=1)}
    order = world.orders.accept(a_limit(**until)).order
    assert expire_due(world.engine) == 0
    world.clock.advance(61)
    assert expire_due(world.engine) == 1
    assert [each.order.order_id for each in world.publisher.published] == [order.order_id]
    with pytest.raises(Superseded):
        route_order(world.engine, order.order_id, 1, RoutingCause.ORDER)
