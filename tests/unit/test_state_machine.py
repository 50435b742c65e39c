"""Every pair of statuses: the table has the promised transitions, and the moves obey it."""

from dataclasses import replace
from itertools import product

import pytest

from orderengine.domain.moves import (
    Confirm,
    Fail,
    FailAttempt,
    Move,
    RecoveryDelays,
    RoutingCause,
    StartRouting,
)
from orderengine.domain.order import SOURCES, TARGETS, TRANSITIONS, MoveKind, Order, OrderStatus
from orderengine.domain.side import Side
from tests.builders import TRANSACTION, a_build, all_moves
from tests.conftest import a_new_order
from tests.fakes import START, FakeOrders
from tests.moves import apply

# Written out a second time on purpose: the promise to clients, not a copy of the table's code.
ALLOWED = {
    ("pending", "routing"),
    ("pending", "failed"),
    ("routing", "routing"),
    ("routing", "building"),
    ("routing", "pending"),
    ("routing", "failed"),
    ("building", "submitted"),
    ("building", "routing"),
    ("building", "pending"),
    ("building", "failed"),
    ("submitted", "confirmed"),
    ("submitted", "pending"),
    ("submitted", "failed"),
}

MOVES = [*all_moves(START), *(StartRouting(cause) for cause in RoutingCause)]


def an_order(status: OrderStatus) -> Order:
    order = FakeOrders().accept(a_new_order()).order
    return replace(order, status=status, version=7)


@pytest.mark.parametrize(("source", "target"), list(product(OrderStatus, OrderStatus)))
def test_each_pair_of_statuses(source: OrderStatus, target: OrderStatus) -> None:
    allowed = (source.value, target.value) in ALLOWED
    assert (target in TRANSITIONS[source].values()) == allowed
    made = any(source in SOURCES[each.kind] and TARGETS[each.kind] is target for each in MOVES)
    assert made == allowed


def test_each_kind_of_move_has_a_class_and_leads_to_one_status() -> None:
    assert {move.kind for move in MOVES} == set(MoveKind)
    for kind in MoveKind:
        assert {moves[kind] for moves in TRANSITIONS.values() if kind in moves} == {TARGETS[kind]}


@pytest.mark.parametrize("status", list(OrderStatus))
def test_the_terminal_statuses_have_no_way_out(status: OrderStatus) -> None:
    assert status.is_terminal == (status in {OrderStatus.CONFIRMED, OrderStatus.FAILED})


@pytest.mark.parametrize(("status", "move"), list(product(OrderStatus, MOVES)))
def test_each_move_from_each_status(status: OrderStatus, move: Move) -> None:
    order = an_order(status)
    if isinstance(move, Confirm):
        order = replace(order, route=a_build(START).route, transaction=TRANSACTION)
    moved = apply(order, move, START)
    assert (moved is not None) == (status in SOURCES[move.kind])
    if moved is None:
        return
    assert moved.order.status is TRANSITIONS[status][move.kind]
    assert moved.order.version == moved.event.seq == 8
    assert moved.event.attempt == moved.order.attempt
    assert moved.event.status is moved.order.status


def test_a_submitted_order_is_left_only_on_the_networks_word() -> None:
    leaving = {type(move) for move in MOVES if move.kind in TRANSITIONS[OrderStatus.SUBMITTED]}
    assert leaving == {Confirm, FailAttempt, Fail}


@pytest.mark.parametrize("move", MOVES)
def test_an_order_is_due_again_exactly_when_it_is_not_terminal(move: Move) -> None:
    due = RecoveryDelays().after(move)
    assert (due is None) == TARGETS[move.kind].is_terminal
    assert due is None or due >= 5.0


def test_recovery_leaves_an_order_alone_for_longer_each_time() -> None:
    waits = [RecoveryDelays().after_claim(OrderStatus.ROUTING, claims) for claims in range(5)]
    assert waits == [5.0, 10.0, 15.0, 15.0, 15.0]
    assert RecoveryDelays().after_claim(OrderStatus.SUBMITTED, 0) == 15.0
    assert RecoveryDelays().after_claim(OrderStatus.PENDING, 10_000) == 15.0


@pytest.mark.parametrize("side", list(Side))
def test_the_first_event_tells_what_was_asked_for(side: Side) -> None:
    event = FakeOrders().accept(a_new_order(side, "0.000001", 50)).event
    assert event.data == {
        "symbol": "AAPL",
        "side": side.value,
        "quantity": "0.000001",
        "slippageBps": 50,
        "maxLegs": 1,
    }
