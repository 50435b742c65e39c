"""The stages for a group of orders: one statement for all, and each order has its own result."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from orderengine.domain.errors import (
    FailureReason,
    NetworkUnavailable,
    OrderUnfillable,
    StorageUnavailable,
    VenueUnavailable,
)
from orderengine.domain.instruments import Instrument, Instruments
from orderengine.domain.moves import Build, Confirm, Move, RoutingCause
from orderengine.domain.order import Order, OrderStatus
from orderengine.domain.side import Side
from orderengine.execution.chain.confirm import PollResult, confirm_orders
from orderengine.execution.chain.engine import AttemptEnded, Superseded
from orderengine.execution.chain.groups import together
from orderengine.execution.chain.handover import Built, Routed, Submitted, handed_on
from orderengine.execution.chain.stages import Tries, build_orders, route_orders, submit_orders
from orderengine.execution.operations.counters import CounterName
from orderengine.execution.ports import PlannedMove, Quoted
from tests.fakes import unavailable
from tests.world import World

LAST_TRY = Tries(made=1, left=False)


@pytest.fixture
def world(instruments: Instruments) -> World:
    return World(instruments)


class Calls:
    """The calls of the ports' methods for many orders, with the number of orders in each."""

    def __init__(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        self.made: list[tuple[str, int]] = []
        for port, name in (
            (world.orders, "move_all"),
            (world.orders, "claim_pending"),
            (world.publisher, "publish_all"),
            (world.network, "sign_all"),
            (world.network, "send_all"),
            (world.network, "look_up_all"),
            (world.board, "collect_all"),
        ):
            monkeypatch.setattr(port, name, self._counted(name, getattr(port, name)))

    def _counted(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(first: Any, *more: Any) -> Any:
            self.made.append((name, len(first) if isinstance(first, Sequence) else 1))
            return call(first, *more)

        return counted


def claimed(world: World, count: int = 3) -> list[Order]:
    orders = [world.accept() for _ in range(count)]
    return world.engine.claim(orders[0].order_id, 1, count - 1)


def routed(world: World, count: int = 3) -> list[Routed]:
    return passed(route_orders(world.engine, claimed(world, count)))


def built(world: World, count: int = 3) -> list[Built]:
    return passed(build_orders(world.engine, routed(world, count)))


def submitted(world: World, count: int = 3) -> list[Submitted]:
    return passed(submit_orders(world.engine, built(world, count)))


def passed(results: Sequence[Any]) -> list[Any]:
    assert not [result for result in results if isinstance(result, Exception)]
    return list(results)


def kinds(results: Sequence[object]) -> list[str]:
    return [type(result).__name__ for result in results]


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


def poisoned(
    world: World, monkeypatch: pytest.MonkeyPatch, order: Order | Routed, kind: type[Move]
) -> None:
    """Make every statement raise that makes a move of this kind for the order."""
    move_all = world.orders.move_all

    def raising(planned: Sequence[PlannedMove]) -> object:
        if any(isinstance(one.move, kind) and one.order_id == order.order_id for one in planned):
            raise RuntimeError("a row that breaks its statement")
        return move_all(planned)

    monkeypatch.setattr(world.orders, "move_all", raising)


def test_one_poisonous_row_breaks_the_group_once_and_then_fails_alone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    handed = routed(world)
    poisoned(world, monkeypatch, handed[1], Build)
    calls = Calls(world, monkeypatch)
    with capture_logs() as lines:
        results = together(lambda some: build_orders(world.engine, some), handed)
    assert kinds(results) == ["Built", "RuntimeError", "Built"]
    assert [n for name, n in calls.made if name == "move_all"] == [3, 1, 1, 1]
    assert [line["event"] for line in lines].count("group_falls_apart") == 1


@pytest.mark.parametrize("error", [StorageUnavailable("down"), NetworkUnavailable("dark")])
def test_an_answer_that_is_missing_is_missing_for_each_order(
    world: World, error: Exception
) -> None:
    tried: list[int] = []

    def stage(orders: Sequence[Routed]) -> list[Built | Exception]:
        tried.append(len(orders))
        raise error

    with pytest.raises(type(error)):
        together(stage, routed(world))
    assert tried == [3]


def test_a_lost_answer_to_a_commit_sends_nothing_and_is_known_from_the_rows(world: World) -> None:
    handed = built(world)
    world.orders.lose_answer_of("submitted")
    with pytest.raises(StorageUnavailable):
        submit_orders(world.engine, handed)
    assert world.network.sends == []
    stored = [Submitted.of(world.order(each.order_id)) for each in handed]
    assert confirm_orders(world.engine, stored) == [PollResult.SENT_AGAIN] * 3


def test_one_order_that_cannot_be_stored_does_not_hold_up_the_others(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    handed = submitted(world)
    for each in handed:
        world.network.land(each.signature)
    poisoned(world, monkeypatch, world.order(handed[0].order_id), Confirm)
    results = together(lambda some: confirm_orders(world.engine, some), handed)
    assert kinds(results) == ["RuntimeError", "PollResult", "PollResult"]
    assert world.network.executions == Counter({each.order_id: 1 for each in handed})


def test_a_lost_answer_to_a_confirmation_concerns_only_what_has_landed(world: World) -> None:
    handed = submitted(world)
    world.network.land(handed[1].signature)
    world.orders.lose_answer_of("confirmed")
    results = confirm_orders(world.engine, handed)
    assert kinds(results) == ["PollResult", "StorageUnavailable", "PollResult"]
    assert world.order(handed[1].order_id).status is OrderStatus.CONFIRMED


def test_an_order_twice_in_a_message_moves_once(world: World) -> None:
    handed = routed(world, 1) * 2
    results = together(lambda some: build_orders(world.engine, some), handed)
    assert kinds(results) == ["Built", "Superseded"]


def test_a_claim_without_an_order_of_its_own_is_superseded_unless_others_wait(world: World) -> None:
    order = world.accept()
    world.route(order.order_id)
    with pytest.raises(Superseded):
        world.engine.claim(order.order_id, 1, others=4)
    other = world.accept()
    assert [each.order_id for each in world.engine.claim(order.order_id, 1, others=4)] == [
        other.order_id
    ]


def test_the_lines_of_each_order_carry_its_own_id_attempt_and_request(world: World) -> None:
    orders = []
    for number in range(3):
        world.request_id = f"req-{number}"
        orders.append(world.accept(quantity="900" if number == 2 else "10"))
    world.board.largest = {"raydium": 100_000_000, "meteora": 100_000_000}
    with capture_logs(processors=[merge_contextvars]) as lines:
        claimed_orders = world.engine.claim(orders[0].order_id, 1, others=2)
        route_orders(world.engine, claimed_orders)
    told = Counter((line["order_id"], line["request_id"], line["attempt"]) for line in lines)
    assert told.keys() == {(str(each.order_id), each.request_id, 1) for each in orders}
    assert Counter(line["event"] for line in lines) == {
        "order_moved": 4,
        "route_chosen": 2,
        "attempt_failed": 1,
    }


def test_a_retry_of_one_order_of_a_group_keeps_the_request_that_placed_it(world: World) -> None:
    world.request_id = "req-0"
    world.accept()
    world.request_id = "req-1"
    second = world.accept()
    handed = passed(route_orders(world.engine, world.engine.claim(second.order_id, 1, others=1)))
    sent = passed(submit_orders(world.engine, passed(build_orders(world.engine, handed))))
    for each in sent:
        world.network.revert(each.signature)
    confirm_orders(world.engine, sent)
    requests = {message.order_id: message.request_id for message in world.dispatcher.sent}
    assert requests == {each.order_id: each.request_id for each in sent}
    assert set(requests.values()) == {"req-0", "req-1"}


def test_each_order_of_a_group_is_counted(world: World) -> None:
    handed = submitted(world)
    for each in handed:
        world.network.land(each.signature)
    confirm_orders(world.engine, handed)
    counts = world.metrics.counts()
    assert sum(n for key, n in counts.items() if key.counter is CounterName.ATTEMPTS) == 3
    assert sum(n for key, n in counts.items() if key.counter is CounterName.SLIPPAGE) == 3


@pytest.mark.parametrize("make", [routed, built, submitted])
def test_a_group_is_a_list_of_documents_and_one_order_is_its_document(
    world: World, make: Callable[[World, int], list[Routed | Built | Submitted]]
) -> None:
    group = make(world, 3)
    document = handed_on(group)
    assert isinstance(document, list)
    assert [type(group[0]).from_document(each) for each in document] == group
    assert handed_on(group[:1]) == group[0].document()
