"""Price limits of an attempt, and splits, through the stages on ports in memory."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from orderengine.domain.errors import FailureReason, OrderEngineError
from orderengine.domain.instruments import Instruments
from orderengine.domain.moves import Build, RoutingCause
from orderengine.domain.order import FailedAttempt, Order, OrderStatus
from orderengine.domain.side import Side
from orderengine.domain.terms import OrderType
from orderengine.execution.chain.confirm import PollResult
from orderengine.execution.chain.engine import AttemptEnded
from orderengine.execution.chain.handover import Built, Routed
from orderengine.execution.chain.stages import Tries
from tests.conftest import a_new_order
from tests.fakes import unavailable
from tests.singles import build_order, confirm_order, route_order, submit_order
from tests.world import World

LAST_TRY = Tries(made=0, left=False)


@pytest.fixture
def world(instruments: Instruments) -> World:
    return World(instruments)


def route(world: World, order: Order) -> Routed:
    return route_order(world.engine, order.order_id, order.version, RoutingCause.ORDER)


def failure(world: World, order: Order) -> FailedAttempt:
    failed = world.order(order.order_id).failure
    assert failed is not None
    return failed


@pytest.mark.parametrize(
    ("side", "worst_price", "limit"),
    [
        (Side.BUY, "231", 2_310_000_000),
        (Side.BUY, "240", 2_323_000_000),
        (Side.BUY, "230", 2_300_000_000),
        (Side.SELL, "236", 2_360_000_000),
        (Side.SELL, "200", 2_346_300_000),
        (Side.SELL, "237", 2_370_000_000),
    ],
)
def test_the_stricter_of_tolerance_and_worst_price_is_signed(
    world: World, side: Side, worst_price: str, limit: int
) -> None:
    order = world.accept(side, worst_price=worst_price)
    handed = world.run_to_submitted(order.order_id)
    assert world.order(order.order_id).limit_amount == limit
    assert f'"limitAmount":"{limit}"'.encode() in payload(world, order)
    world.network.land(handed.signature)
    assert confirm_order(world.engine, handed) is PollResult.CONFIRMED


@pytest.mark.parametrize(
    ("side", "price"), [(Side.BUY, Decimal("9e27")), (Side.SELL, Decimal("1e-27"))]
)
def test_a_limit_at_any_price_is_what_a_transaction_can_name(
    world: World, side: Side, price: Decimal
) -> None:
    exact: dict[str, Any] = (
        {} if side is Side.BUY else {"quantity": None, "quote_quantity": Decimal(2000)}
    )
    request = replace(
        a_new_order(side),
        **exact,
        type=OrderType.LIMIT,
        limit_price=price,
        slippage_tolerance_bps=None,
    )
    order = world.orders.accept(request).order
    assert route(world, order).limit_amount == 2**64 - 1


def payload(world: World, order: Order) -> bytes:
    transaction = world.order(order.order_id).transaction
    assert transaction is not None
    return transaction.payload


@pytest.mark.parametrize(
    ("side", "worst_price"), [(Side.BUY, "229.9999999"), (Side.SELL, "237.0000001")]
)
def test_a_best_quote_beyond_the_worst_price_fails_the_order_at_once(
    world: World, side: Side, worst_price: str
) -> None:
    order = world.accept(side, worst_price=worst_price)
    with pytest.raises(AttemptEnded):
        route(world, order)
    assert failure(world, order).reason is FailureReason.PRICE_LIMIT
    assert worst_price in failure(world, order).detail
    assert world.order(order.order_id).attempt == 1
    assert world.dispatcher.sent == []


def test_a_worst_price_binds_every_attempt_whatever_the_requotes_say(world: World) -> None:
    order = world.accept(worst_price="235")
    first = world.run_to_submitted(order.order_id)
    world.network.revert(first.signature)
    with pytest.raises(AttemptEnded):
        confirm_order(world.engine, first)
    again = world.order(order.order_id)
    assert (again.status, again.attempt) == (OrderStatus.PENDING, 2)
    world.board.answers = {"raydium": Decimal("235.1"), "meteora": Decimal(240)}
    with pytest.raises(AttemptEnded):
        world.route(order.order_id)
    assert failure(world, order) == FailedAttempt(
        2, FailureReason.PRICE_LIMIT, "the best price is 235.1, beyond the worst price of 235"
    )


def test_a_revert_at_the_tolerance_may_be_tried_again(world: World) -> None:
    order = world.accept(worst_price="233")
    handed = world.run_to_submitted(order.order_id)
    world.network.revert(handed.signature)
    with pytest.raises(AttemptEnded):
        confirm_order(world.engine, handed)
    after = world.order(order.order_id)
    assert after.status is OrderStatus.PENDING
    assert after.failed_attempts[-1].reason is FailureReason.SLIPPAGE_EXCEEDED


def test_a_revert_at_the_worst_price_fails_the_order_at_once(world: World) -> None:
    order = world.accept(worst_price="231")
    handed = world.run_to_submitted(order.order_id)
    world.network.revert(handed.signature, detail="beyond the limit")
    with pytest.raises(AttemptEnded):
        confirm_order(world.engine, handed)
    expected = FailedAttempt(1, FailureReason.PRICE_LIMIT, "beyond the limit")
    assert failure(world, order) == expected


def test_another_error_on_chain_is_no_matter_of_price(world: World) -> None:
    order = world.accept(worst_price="231")
    handed = world.run_to_submitted(order.order_id)
    world.network.revert(handed.signature, slippage_exceeded=False)
    with pytest.raises(AttemptEnded):
        confirm_order(world.engine, handed)
    reason = world.order(order.order_id).failed_attempts[-1].reason
    assert reason is FailureReason.CHAIN_ERROR


def test_an_order_beyond_all_pools_fails_at_once_and_says_what_is_possible(world: World) -> None:
    world.board.largest = {"raydium": 3_015_000, "meteora": 4_522_500}
    order = world.accept()
    with pytest.raises(AttemptEnded):
        route(world, order)
    assert failure(world, order) == FailedAttempt(
        1,
        FailureReason.INSUFFICIENT_LIQUIDITY,
        "the venues let you buy at most 4.500000 AAPL, or 7.500000 with maxLegs 2"
        " (raydium 3.000000, meteora 4.500000)",
    )


def test_a_missing_answer_may_mean_that_it_can_be_filled_later(world: World) -> None:
    world.board.largest = {"raydium": 3_015_000}
    world.board.answers["meteora"] = unavailable("meteora")
    order = world.accept()
    with pytest.raises(AttemptEnded):
        route_order(world.engine, order.order_id, 1, RoutingCause.ORDER, LAST_TRY)
    failed = world.order(order.order_id).failed_attempts[-1]
    assert failed.reason is FailureReason.NO_QUOTE
    assert "at most 3.000000 AAPL" in failed.detail
    assert world.order(order.order_id).status is OrderStatus.PENDING


def test_a_split_is_one_transaction_with_a_limit_for_the_total(world: World) -> None:
    world.board.largest = {"raydium": 6_000_000, "meteora": 6_000_000}
    order = world.accept(max_legs=2)
    handed = world.run_to_submitted(order.order_id)
    submitted = world.order(order.order_id)
    assert submitted.limit_amount == 2_328_000_000 * 101 // 100
    assert (handed.venue, handed.quoted_price) == ("raydium+meteora", Decimal("232.8"))
    world.network.land(handed.signature, other_amount=2_330_000_000)
    assert confirm_order(world.engine, handed) is PollResult.CONFIRMED
    fill = world.order(order.order_id).fill
    assert fill is not None
    assert (fill.base_amount, fill.executed_price) == (10_000_000, Decimal(233))
    assert [(leg.venue, leg.base_amount) for leg in fill.legs] == [
        ("raydium", 6_000_000),
        ("meteora", 4_000_000),
    ]
    told = [moved.event.data for moved in world.publisher.published]
    assert [leg["dex"] for leg in told[2]["legs"]] == ["raydium", "meteora"]
    assert [leg["dex"] for leg in told[4]["executedLegs"]] == ["raydium", "meteora"]


def test_legs_that_do_not_sum_to_the_order_are_never_signed(world: World) -> None:
    order = world.accept()
    handed = route(world, order)
    half = replace(handed.route.legs[0], base_amount=5_000_000)
    broken = replace(handed.route, legs=(half,))
    built = world.engine.advance(
        order.order_id, handed.version, Build(route=broken, limit_amount=handed.limit_amount)
    )
    with pytest.raises(OrderEngineError, match="another amount"):
        submit_order(world.engine, Built(built.order_id, built.version))
    assert world.network.sends == []


def test_a_handover_keeps_its_limit(world: World) -> None:
    handed = route(world, world.accept(worst_price="231"))
    assert Routed.from_document(handed.document()) == handed
    built = build_order(world.engine, handed)
    assert world.order(built.order_id).limit_amount == 2_310_000_000
