"""Errors in a group: one order fails alone, a missing answer is missing for each order."""

from collections import Counter
from collections.abc import Callable, Sequence

import pytest
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from orderengine.domain.errors import (
    NetworkUnavailable,
    StorageUnavailable,
)
from orderengine.domain.instruments import Instruments
from orderengine.domain.moves import Build, Confirm, Move
from orderengine.domain.order import Order, OrderStatus
from orderengine.execution.chain.confirm import PollResult, confirm_orders
from orderengine.execution.chain.engine import Superseded
from orderengine.execution.chain.groups import together
from orderengine.execution.chain.handover import Built, Routed, Submitted, handed_on
from orderengine.execution.chain.stages import build_orders, route_orders, submit_orders
from orderengine.execution.operations.counters import CounterName
from orderengine.execution.ports import PlannedMove
from tests.groups import Calls, built, kinds, passed, routed, submitted
from tests.world import World


@pytest.fixture
def world(instruments: Instruments) -> World:
    return World(instruments)


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
