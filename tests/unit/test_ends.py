"""What follows on a failed attempt, for each type of order: another one, a rest, or an end."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from orderengine.domain.errors import AttemptFailed, FailureReason, OrderUnfillable
from orderengine.domain.instruments import Instruments
from orderengine.domain.moves import Fail, FailAttempt, NotFilled, Rest, RoutingCause
from orderengine.domain.order import FailedAttempt, Order, OrderStatus
from orderengine.domain.side import Side
from orderengine.domain.terms import OrderType, TimeInForce
from orderengine.execution.chain.confirm import PollResult
from orderengine.execution.chain.ends import MAX_PAID_RESTS, move_after
from orderengine.execution.chain.engine import AttemptEnded, Superseded
from orderengine.execution.chain.handover import Submitted
from orderengine.execution.chain.price_limit import limit_of
from orderengine.execution.waiting.amend import AmendOutcome, amend_order
from orderengine.execution.waiting.cancel import CancelCounts, Outcome, cancel_all, cancel_order
from orderengine.execution.waiting.expiry import expire_due
from tests.builders import A_TRIGGER, a_build, a_limit
from tests.fakes import START
from tests.singles import confirm_order, route_order
from tests.world import World

R = FailureReason


def an_order(status: OrderStatus = OrderStatus.ROUTING, **terms: Any) -> Order:
    return replace(Order.accepted(a_limit(**terms), START), status=status)


def after(order: Order, failure: AttemptFailed, *, paid: bool = False) -> object:
    return move_after(order, failure, 3, float, paid=paid)


def failing(reason: FailureReason) -> AttemptFailed:
    final = {R.PRICE_LIMIT, R.INSUFFICIENT_LIQUIDITY, R.UNKNOWN_SYMBOL, R.NOTIONAL_LIMIT}
    return (OrderUnfillable if reason in final else AttemptFailed)(reason, "why")


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        (R.NO_QUOTE, Rest),
        (R.INSUFFICIENT_LIQUIDITY, Rest),
        (R.PRICE_LIMIT, Rest),
        (R.QUOTE_EXPIRED, FailAttempt),
        (R.NETWORK_UNAVAILABLE, FailAttempt),
        (R.UNKNOWN_SYMBOL, Fail),
        (R.NOTIONAL_LIMIT, Fail),
    ],
)
def test_a_limit_order_that_holds_and_is_not_signed(reason: FailureReason, kind: type) -> None:
    assert type(after(an_order(), failing(reason))) is kind
    last = replace(an_order(), attempt=7, first_attempt=5)
    spent = Rest if kind is FailAttempt else kind
    assert type(after(last, failing(reason))) is spent, "a spent budget is a rest"


@pytest.mark.parametrize(
    ("reason", "paid", "kind"),
    [
        (R.PRICE_LIMIT, True, Rest),
        (R.SLIPPAGE_EXCEEDED, True, Rest),
        (R.EXPIRED, False, FailAttempt),
        (R.CHAIN_ERROR, True, FailAttempt),
    ],
)
def test_a_limit_order_that_holds_and_is_signed(
    reason: FailureReason, paid: bool, kind: type
) -> None:
    order = an_order(OrderStatus.SUBMITTED)
    move = after(order, failing(reason), paid=paid)
    assert type(move) is kind
    spent = after(replace(order, attempt=3), failing(reason), paid=paid)
    assert spent == Rest(reason, "why", paid)
    often = replace(order, attempt=3, paid_rests=MAX_PAID_RESTS)
    assert type(after(often, failing(reason), paid=paid)) is (Fail if paid else Rest)


def test_a_rest_is_paid_if_any_attempt_since_the_start_cost_a_fee() -> None:
    """Else an order whose last attempt always costs nothing would pay fees without end."""
    reverted = FailedAttempt(2, R.CHAIN_ERROR, "why")
    order = an_order(OrderStatus.SUBMITTED)
    order = replace(order, attempt=3, failed_attempts=(reverted,))
    assert after(order, failing(R.EXPIRED)) == Rest(R.EXPIRED, "why", paid=True)
    often = replace(order, paid_rests=MAX_PAID_RESTS)
    assert type(after(often, failing(R.EXPIRED))) is Fail
    before = replace(often, attempt=5, first_attempt=3)
    assert after(before, failing(R.EXPIRED)) == Rest(R.EXPIRED, "why", paid=False)


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        (R.NO_QUOTE, NotFilled),
        (R.PRICE_LIMIT, NotFilled),
        (R.SLIPPAGE_EXCEEDED, NotFilled),
        (R.EXPIRED, NotFilled),
        (R.NETWORK_UNAVAILABLE, FailAttempt),
        (R.CHAIN_ERROR, FailAttempt),
        (R.INSUFFICIENT_LIQUIDITY, Fail),
        (R.UNKNOWN_SYMBOL, Fail),
    ],
)
def test_a_limit_order_with_one_try(reason: FailureReason, kind: type) -> None:
    order = an_order(time_in_force=TimeInForce.IOC)
    assert type(after(order, failing(reason))) is kind
    spent = Fail if kind is FailAttempt else kind
    assert type(after(replace(order, attempt=3), failing(reason))) is spent


@pytest.mark.parametrize("kind", [OrderType.MARKET, OrderType.STOP, OrderType.SNIPER])
def test_other_orders_fail_as_they_did(kind: OrderType) -> None:
    order = an_order(type=kind, limit_price=None)
    for reason in R:
        failure = failing(reason)
        final = isinstance(failure, OrderUnfillable)
        assert type(after(order, failure)) is (Fail if final else FailAttempt)
        assert type(after(replace(order, attempt=3), failure)) is Fail
        started_again = replace(order, attempt=7, first_attempt=7)
        assert type(after(started_again, failure)) is (Fail if final else FailAttempt)


@pytest.mark.parametrize(
    ("side", "limit", "tolerance", "expected"),
    [
        (Side.BUY, "240", None, 2_400_000_000),
        (Side.BUY, "240", 100, 2_323_000_000),
        (Side.BUY, "231", 1000, 2_310_000_000),
        (Side.SELL, "225", None, 2_250_000_000),
        (Side.SELL, "225", 100, 2_277_000_000),
        (Side.SELL, "229", 1000, 2_290_000_000),
    ],
)
def test_the_limit_price_bounds_what_is_signed(
    side: Side, limit: str, tolerance: int | None, expected: int
) -> None:
    order = an_order(side=side, limit_price=Decimal(limit), slippage_tolerance_bps=tolerance)
    assert limit_of(order, a_build(START, side).route) == expected


def test_a_route_beyond_the_limit_price_is_refused() -> None:
    order = an_order(limit_price=Decimal("229.99"))
    with pytest.raises(OrderUnfillable, match=r"230, beyond the limit price of 229\.99"):
        limit_of(order, a_build(START).route)


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
