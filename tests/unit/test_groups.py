"""The stages for a group of orders: one statement for all, and each order has its own result."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pytest

from orderengine.domain.errors import (
    FailureReason,
    NetworkUnavailable,
    OrderUnfillable,
    VenueUnavailable,
)
from orderengine.domain.instruments import Instrument, Instruments
from orderengine.domain.moves import RoutingCause
from orderengine.domain.order import OrderStatus
from orderengine.domain.side import Side
from orderengine.execution.chain.confirm import PollResult, confirm_orders
from orderengine.execution.chain.engine import AttemptEnded, Superseded
from orderengine.execution.chain.stages import Tries, build_orders, route_orders, submit_orders
from orderengine.execution.ports import Quoted
from tests.fakes import unavailable
from tests.groups import Calls, built, claimed, kinds, passed, routed, submitted
from tests.world import World

LAST_TRY = Tries(made=1, left=False)


@pytest.fixture
def world(instruments: Instruments) -> World:
    return World(instruments)


def test_a_group_goes_through_the_stages_with_one_call_for_all(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = Calls(world, monkeypatch)
    handed = submitted(world)
    for each in handed:
        world.network.land(each.signature)
    assert confirm_orders(world.engine, handed) == [PollResult.CONFIRMED] * 3
    assert calls.made[3:] == [  # after three acceptances
        ("claim_pending", 1),
        ("move_all", 3),  # the fake's own
        ("publish_all", 3),
        ("collect_all", 1),
        ("move_all", 3),
        ("publish_all", 3),
        ("sign_all", 3),
        ("move_all", 3),
        ("publish_all", 3),
        ("send_all", 3),
        ("look_up_all", 3),
        ("move_all", 3),
        ("publish_all", 3),
    ]
    assert world.network.executions == Counter({each.order_id: 1 for each in handed})
    for each in handed:
        seqs = [m.event.seq for m in world.publisher.published if m.order.order_id == each.order_id]
        assert seqs == [1, 2, 3, 4, 5]


def test_each_instrument_and_side_is_asked_for_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[tuple[str, Side]]] = []
    collect_all = world.board.collect_all

    def collect(wanted: Sequence[tuple[Instrument, Side]]) -> list[Quoted]:
        asked.append([(instrument.symbol, side) for instrument, side in wanted])
        return collect_all(wanted)

    monkeypatch.setattr(world.board, "collect_all", collect)
    orders = [world.accept(side) for side in (Side.BUY, Side.SELL, Side.BUY, Side.SELL)]
    results = passed(
        route_orders(world.engine, world.engine.claim(orders[0].order_id, 1, others=3))
    )
    assert [sorted(pairs) for pairs in asked] == [[("AAPL", Side.BUY), ("AAPL", Side.SELL)]]
    venues = {world.order(each.order_id).side: each.route.venue for each in results}
    assert venues == {Side.BUY: "raydium", Side.SELL: "meteora"}


def test_an_order_that_moved_on_leaves_the_group(world: World) -> None:
    handed = routed(world)
    world.route(handed[1].order_id)
    results = build_orders(world.engine, handed)
    assert kinds(results) == ["Built", "Superseded", "Built"]
    assert [world.order(each.order_id).status for each in handed] == [
        OrderStatus.BUILDING,
        OrderStatus.ROUTING,
        OrderStatus.BUILDING,
    ]


def test_a_group_that_moved_on_as_a_whole_changes_nothing(world: World) -> None:
    handed = routed(world)
    passed(build_orders(world.engine, handed))
    before = [world.order(each.order_id) for each in handed]
    assert kinds(build_orders(world.engine, handed)) == ["Superseded"] * 3
    assert [world.order(each.order_id) for each in handed] == before
    assert world.dispatcher.sent == []


def test_one_expired_quote_is_taken_anew_alone(world: World) -> None:
    handed = routed(world)
    legs = handed[2].route.legs
    stale = tuple(replace(leg, expires_at=world.clock.now()) for leg in legs)
    handed[2] = replace(handed[2], route=replace(handed[2].route, legs=stale))
    results = build_orders(world.engine, handed)
    assert kinds(results) == ["Built", "Built", "Superseded"]
    (again,) = world.dispatcher.sent
    assert (again.order_id, again.cause) == (handed[2].order_id, RoutingCause.QUOTE_EXPIRED)


def test_one_order_that_no_pool_can_fill_fails_alone(world: World) -> None:
    orders = [world.accept(), world.accept(quantity="900"), world.accept()]
    world.board.largest = {"raydium": 100_000_000, "meteora": 100_000_000}
    results = route_orders(world.engine, world.engine.claim(orders[0].order_id, 1, others=2))
    assert sorted(kinds(results)) == ["AttemptEnded", "Routed", "Routed"]
    statuses = [world.order(order.order_id).status for order in orders]
    assert statuses == [OrderStatus.ROUTING, OrderStatus.FAILED, OrderStatus.ROUTING]
    failure = world.order(orders[1].order_id).failure
    assert failure is not None
    assert failure.reason is FailureReason.INSUFFICIENT_LIQUIDITY


def test_one_order_without_an_instrument_fails_alone(world: World) -> None:
    orders = claimed(world)
    orders[1] = replace(orders[1], symbol="GONE")
    results = route_orders(world.engine, orders)
    assert kinds(results) == ["Routed", "AttemptEnded", "Routed"]


def test_without_quotes_each_order_asks_for_another_try_and_then_fails_its_attempt(
    world: World,
) -> None:
    world.board.answers = {"raydium": unavailable()}
    orders = claimed(world, 2)
    assert kinds(route_orders(world.engine, orders)) == [VenueUnavailable.__name__] * 2
    assert kinds(route_orders(world.engine, orders, LAST_TRY)) == [AttemptEnded.__name__] * 2
    assert {world.order(order.order_id).attempt for order in orders} == {2}
    assert sorted(sent.order_id for sent in world.dispatcher.sent) == sorted(
        order.order_id for order in orders
    )


def test_a_network_that_signs_nothing_stops_the_whole_group_and_in_the_end_each_attempt(
    world: World,
) -> None:
    handed = built(world)
    world.network.go_dark()
    with pytest.raises(NetworkUnavailable):
        submit_orders(world.engine, handed)
    assert kinds(submit_orders(world.engine, handed, LAST_TRY)) == ["AttemptEnded"] * 3


def test_one_swap_that_is_refused_ends_its_attempt_alone(world: World) -> None:
    handed = built(world)
    refusal = OrderUnfillable(FailureReason.CHAIN_ERROR, "no such pool")
    world.network.refusals[handed[0].order_id] = refusal
    assert kinds(submit_orders(world.engine, handed)) == ["AttemptEnded", "Submitted", "Submitted"]
    assert world.order(handed[0].order_id).status is OrderStatus.FAILED


def test_one_transaction_that_is_lost_on_its_way_is_sent_again_alone(world: World) -> None:
    handed = built(world)
    world.network.lose_next_send()
    sent = passed(submit_orders(world.engine, handed))
    results = confirm_orders(world.engine, sent)
    assert results == [PollResult.SENT_AGAIN, PollResult.IN_FLIGHT, PollResult.IN_FLIGHT]
    assert Counter(world.network.sends)[sent[0].signature] == 2


def test_of_one_look_each_order_has_its_own_outcome(world: World) -> None:
    handed = submitted(world, 4)
    world.network.land(handed[0].signature)
    world.network.revert(handed[1].signature)
    world.network.land(handed[3].signature)
    results = confirm_orders(world.engine, handed)
    assert results[0] is results[3] is PollResult.CONFIRMED
    assert isinstance(results[1], AttemptEnded)
    assert results[2] is PollResult.IN_FLIGHT
    assert confirm_orders(world.engine, [handed[2]]) == [PollResult.IN_FLIGHT]
    assert isinstance(confirm_orders(world.engine, [handed[0]])[0], Superseded)
