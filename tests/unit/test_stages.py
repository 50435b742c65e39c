"""The stages and recovery on ports in memory: their effects, and the orders they leave alone."""

from decimal import Decimal

import pytest

from orderengine.domain.errors import (
    FailureReason,
    NetworkUnavailable,
    OrderUnfillable,
    StorageUnavailable,
    VenueUnavailable,
)
from orderengine.domain.instruments import Instruments
from orderengine.domain.moves import RoutingCause
from orderengine.domain.order import Order, OrderStatus
from orderengine.domain.side import Side
from orderengine.execution.chain.confirm import PollResult
from orderengine.execution.chain.engine import AttemptEnded, Superseded
from orderengine.execution.chain.handover import Built, Routed, Submitted
from orderengine.execution.chain.stages import Tries
from tests.fakes import unavailable
from tests.singles import build_order, confirm_order, route_order, submit_order
from tests.world import World

LAST_TRY = Tries(made=2, left=False)


@pytest.fixture
def world(instruments: Instruments) -> World:
    return World(instruments)


def routed(world: World, **wanted: object) -> Routed:
    order = world.accept(**wanted)  # type: ignore[arg-type]
    return route_order(world.engine, order.order_id, order.version, RoutingCause.ORDER)


def submitted(world: World, **wanted: object) -> Submitted:
    return submit_order(world.engine, build_order(world.engine, routed(world, **wanted)))


def now(world: World, submitted: Submitted) -> Order:
    return world.order(submitted.order_id)


def test_the_straight_path_confirms_the_best_quote(world: World) -> None:
    handed = submitted(world)
    assert confirm_order(world.engine, handed) is PollResult.IN_FLIGHT
    world.network.land(handed.signature, other_amount=2_301_000_000)
    assert confirm_order(world.engine, handed) is PollResult.CONFIRMED
    order = now(world, handed)
    assert order.status is OrderStatus.CONFIRMED
    assert order.route is not None
    assert order.route.venue == "raydium"
    assert order.fill is not None
    assert order.fill.executed_price == Decimal("230.1")
    assert order.fill.slippage_bps == Decimal("4.3478")
    assert [moved.event.seq for moved in world.publisher.published] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(("side", "winner"), [(Side.BUY, "raydium"), (Side.SELL, "meteora")])
def test_the_better_venue_for_the_side_wins(world: World, side: Side, winner: str) -> None:
    assert routed(world, side=side).route.venue == winner


@pytest.mark.parametrize(("side", "limit"), [(Side.BUY, 2_323_000_000), (Side.SELL, 2_346_300_000)])
def test_the_limit_is_the_tolerance_on_the_quote(world: World, side: Side, limit: int) -> None:
    built = build_order(world.engine, routed(world, side=side))
    assert world.order(built.order_id).limit_amount == limit


def test_a_duplicate_of_any_message_does_nothing(world: World) -> None:
    order = world.accept()
    first = route_order(world.engine, order.order_id, 1, RoutingCause.ORDER)
    with pytest.raises(Superseded):
        route_order(world.engine, order.order_id, 1, RoutingCause.ORDER)
    built = build_order(world.engine, first)
    with pytest.raises(Superseded):
        build_order(world.engine, first)
    handed = submit_order(world.engine, built)
    with pytest.raises(Superseded):
        submit_order(world.engine, built)
    world.network.land(handed.signature)
    assert confirm_order(world.engine, handed) is PollResult.CONFIRMED
    with pytest.raises(Superseded):
        confirm_order(world.engine, handed)
    assert world.network.executions == {order.order_id: 1}
    assert len(world.events(order)) == 5


def test_nothing_is_sent_before_the_signed_bytes_are_stored(world: World) -> None:
    built = build_order(world.engine, routed(world))
    world.orders.lose_answer_of("submitted")
    with pytest.raises(StorageUnavailable):
        submit_order(world.engine, built)
    assert world.network.sends == []
    stored = world.order(built.order_id)
    assert stored.status is OrderStatus.SUBMITTED
    handed = Submitted.of(stored)
    assert confirm_order(world.engine, handed) is PollResult.SENT_AGAIN
    assert world.network.sends == [handed.signature]


def test_one_venue_suffices_and_the_refusal_is_kept(world: World) -> None:
    world.board.answers["raydium"] = unavailable()
    route = routed(world).route
    assert route.venue == "meteora"
    assert "raydium" in route.refusals


def test_without_a_quote_the_stage_asks_for_another_try_and_goes_on_there(world: World) -> None:
    answers = dict(world.board.answers)
    world.board.answers.update({"raydium": unavailable(), "meteora": unavailable("meteora")})
    order = world.accept()
    with pytest.raises(VenueUnavailable):
        route_order(world.engine, order.order_id, 1, RoutingCause.ORDER)
    world.board.answers = answers
    again = Tries(made=1, left=True)
    handed = route_order(world.engine, order.order_id, 1, RoutingCause.ORDER, again)
    assert handed.version == 2
    assert len(world.events(order)) == 2


def test_without_a_quote_on_the_last_try_the_attempt_fails(world: World) -> None:
    world.board.answers = {"raydium": unavailable(), "meteora": unavailable("meteora")}
    order = world.accept()
    with pytest.raises(VenueUnavailable):
        route_order(world.engine, order.order_id, 1, RoutingCause.ORDER)
    with pytest.raises(AttemptEnded):
        route_order(world.engine, order.order_id, 1, RoutingCause.ORDER, LAST_TRY)
    after = world.order(order.order_id)
    assert (after.status, after.attempt) == (OrderStatus.PENDING, 2)
    assert after.failed_attempts[0].reason is FailureReason.NO_QUOTE
    retry = world.dispatcher.sent[-1]
    assert (retry.cause, retry.version) == (RoutingCause.RETRY, 3)
    assert retry.delay_s == world.engine.attempt_backoff_s(1)


def test_an_order_beyond_the_pools_fails_at_once(world: World) -> None:
    refusal = OrderUnfillable(FailureReason.INSUFFICIENT_LIQUIDITY, "at most 3 AAPL")
    world.board.answers = {"raydium": refusal, "meteora": refusal}
    order = world.accept()
    with pytest.raises(AttemptEnded):
        route_order(world.engine, order.order_id, 1, RoutingCause.ORDER)
    after = world.order(order.order_id)
    assert after.status is OrderStatus.FAILED
    assert after.failure is not None
    assert after.failure.detail == "at most 3 AAPL"
    assert world.dispatcher.sent == []


def test_an_expired_quote_is_taken_anew_in_the_same_attempt(world: World) -> None:
    handed = routed(world)
    world.clock.advance(5.0)
    with pytest.raises(Superseded):
        build_order(world.engine, handed)
    again = world.dispatcher.sent[-1]
    assert (again.cause, again.version) == (RoutingCause.QUOTE_EXPIRED, handed.version)
    assert again.delay_s == 0.05
    fresh = route_order(world.engine, handed.order_id, handed.version, RoutingCause.QUOTE_EXPIRED)
    order = world.order(build_order(world.engine, fresh).order_id)
    assert (order.attempt, order.recoveries) == (1, 1)


def test_quotes_that_always_expire_end_the_attempt_and_wait_longer_each_time(world: World) -> None:
    handed = routed(world)
    for _ in range(10):
        world.clock.advance(5.0)
        with pytest.raises(Superseded):
            build_order(world.engine, handed)
        again = world.dispatcher.sent[-1]
        assert again.cause is not None
        handed = route_order(world.engine, again.order_id, again.version, again.cause)
    world.clock.advance(5.0)
    with pytest.raises(AttemptEnded):
        build_order(world.engine, handed)
    failed = world.order(handed.order_id).failed_attempts
    assert [attempt.reason for attempt in failed] == [FailureReason.QUOTE_EXPIRED]
    delays = [sent.delay_s for sent in world.dispatcher.sent[:10]]
    assert delays[:4] == [0.05, 0.1, 0.2, 0.4]
    assert delays == sorted(delays)
    assert max(delays) == 4.0


def test_slippage_uses_up_attempts_until_the_order_fails(world: World) -> None:
    order = world.accept()
    for attempt in (1, 2, 3):
        handed = world.run_to_submitted(order.order_id)
        world.network.revert(handed.signature)
        with pytest.raises(AttemptEnded):
            confirm_order(world.engine, handed)
        assert len(world.order(order.order_id).failed_attempts) == attempt
    after = world.order(order.order_id)
    assert after.status is OrderStatus.FAILED
    assert [failed.attempt for failed in after.failed_attempts] == [1, 2, 3]
    assert {failed.reason for failed in after.failed_attempts} == {FailureReason.SLIPPAGE_EXCEEDED}
    assert [sent.delay_s for sent in world.dispatcher.sent] == [1.0, 2.0]


def test_a_lost_send_is_sent_again_with_the_same_bytes(world: World) -> None:
    world.network.lose_next_send()
    handed = submitted(world)
    assert confirm_order(world.engine, handed) is PollResult.SENT_AGAIN
    assert world.network.sends == [handed.signature] * 2
    world.network.land(handed.signature)
    assert confirm_order(world.engine, handed) is PollResult.CONFIRMED
    assert world.network.executions == {handed.order_id: 1}


def test_a_lost_answer_is_no_reason_to_sign_again(world: World) -> None:
    world.network.lose_next_answer()
    handed = submitted(world)
    world.network.land(handed.signature)
    assert confirm_order(world.engine, handed) is PollResult.CONFIRMED
    assert world.network.executions == {handed.order_id: 1}


def test_a_submitted_order_waits_for_a_network_that_went_dark(world: World) -> None:
    handed = submitted(world)
    world.network.go_dark()
    for _ in range(20):
        with pytest.raises(NetworkUnavailable):
            confirm_order(world.engine, handed)
    assert now(world, handed).status is OrderStatus.SUBMITTED
    world.network.come_back()
    world.network.land(handed.signature)
    assert confirm_order(world.engine, handed) is PollResult.CONFIRMED


def test_only_a_proof_of_expiry_leads_to_another_signature(world: World) -> None:
    world.network.lose_next_send()
    handed = submitted(world)
    world.network.expire()
    with pytest.raises(AttemptEnded):
        confirm_order(world.engine, handed)
    after = now(world, handed)
    assert after.failed_attempts[-1].reason is FailureReason.EXPIRED
    second = world.run_to_submitted(handed.order_id)
    assert second.signature != handed.signature
    world.network.land(second.signature)
    assert confirm_order(world.engine, second) is PollResult.CONFIRMED
    assert world.network.executions == {handed.order_id: 1}


def test_a_stale_handover_proves_nothing_about_the_live_signature(world: World) -> None:
    first = submitted(world)
    world.network.revert(first.signature)
    with pytest.raises(AttemptEnded):
        confirm_order(world.engine, first)
    second = world.run_to_submitted(first.order_id)
    with pytest.raises(Superseded):
        confirm_order(world.engine, first)
    assert now(world, second).status is OrderStatus.SUBMITTED


def test_a_network_that_signs_nothing_uses_up_the_attempt_only_in_the_end(world: World) -> None:
    built = build_order(world.engine, routed(world))
    world.network.go_dark()
    with pytest.raises(NetworkUnavailable):
        submit_order(world.engine, built)
    assert world.order(built.order_id).version == built.version
    with pytest.raises(AttemptEnded):
        submit_order(world.engine, built, LAST_TRY)
    failed = world.order(built.order_id).failed_attempts[-1]
    assert failed.reason is FailureReason.NETWORK_UNAVAILABLE


def test_a_lost_database_uses_up_no_attempt(world: World) -> None:
    handed = routed(world)
    world.orders.down = True
    with pytest.raises(StorageUnavailable):
        build_order(world.engine, handed)
    world.orders.down = False
    assert build_order(world.engine, handed) == Built(handed.order_id, handed.version + 1)


def test_a_broker_that_is_away_does_not_fail_the_stage(world: World) -> None:
    handed = submitted(world)
    world.network.revert(handed.signature)
    world.dispatcher.down = True
    with pytest.raises(AttemptEnded):
        confirm_order(world.engine, handed)
    assert now(world, handed).status is OrderStatus.PENDING


def test_an_executed_order_is_confirmed_although_its_instrument_was_removed(world: World) -> None:
    handed = submitted(world)
    world.network.land(handed.signature)
    world.forget_instruments()
    assert confirm_order(world.engine, handed) is PollResult.CONFIRMED
    assert now(world, handed).status is OrderStatus.CONFIRMED
