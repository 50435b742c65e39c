"""Every pair of statuses: the table has the promised transitions, and the moves obey it."""

from dataclasses import replace
from itertools import product
from math import inf

import pytest

from orderengine.domain.delays import RecoveryDelays
from orderengine.domain.moves import (
    AnyMove,
    Cancel,
    Confirm,
    EndCanceled,
    EndExpired,
    Expire,
    Fail,
    FailAttempt,
    NotFilled,
    RequestCancel,
    Rest,
    RoutingCause,
    StartRouting,
)
from orderengine.domain.order import SOURCES, TARGETS, TRANSITIONS, MoveKind, Order, OrderStatus
from orderengine.domain.side import Side
from tests.builders import (
    A_FAIL,
    A_REST,
    NOT_FILLED,
    TRANSACTION,
    a_build,
    a_failed_attempt,
    all_moves,
)
from tests.conftest import a_new_order
from tests.fakes import START, FakeOrders
from tests.moves import apply

# Written out a second time on purpose: the promise to clients, not a copy of the table's code.
ALLOWED = {
    ("waiting", "waiting"),
    ("waiting", "pending"),
    ("routing", "waiting"),
    ("building", "waiting"),
    ("submitted", "waiting"),
    ("submitted", "submitted"),
    *((status, "canceled") for status in ("waiting", "pending", "routing", "building")),
    *((status, "expired") for status in ("waiting", "pending", "routing", "building")),
    ("submitted", "canceled"),
    ("submitted", "expired"),
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

MOVES: list[AnyMove] = [
    *all_moves(START),
    *(StartRouting(cause) for cause in RoutingCause),
    *(Cancel(), RequestCancel(), Expire()),
]


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
    ends = {"confirmed", "failed", "canceled", "expired"}
    assert status.is_terminal == (status.value in ends)


@pytest.mark.parametrize(("status", "move"), list(product(OrderStatus, MOVES)))
def test_each_move_from_each_status(status: OrderStatus, move: AnyMove) -> None:
    order = an_order(status)
    if isinstance(move, EndCanceled):
        order = replace(order, cancel_requested_at=START)
    if isinstance(move, EndExpired | Expire):
        order = replace(order, expires_at=START)
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
    leaving = {
        type(move)
        for move in MOVES
        if TRANSITIONS[OrderStatus.SUBMITTED].get(move.kind, "submitted") != "submitted"
    }
    assert leaving == {Confirm, FailAttempt, Fail, Rest, NotFilled, EndCanceled, EndExpired}


def test_a_request_that_was_made_or_a_time_that_has_passed_leaves_only_the_end() -> None:
    order = an_order(OrderStatus.SUBMITTED)
    asked = replace(order, cancel_requested_at=START)
    passed = replace(order, expires_at=START)
    for move in (a_failed_attempt(), A_FAIL, A_REST, NOT_FILLED):
        assert apply(order, move, START) is not None
        assert apply(asked, move, START) is None
        assert apply(passed, move, START) is None
    both = replace(asked, expires_at=START)
    assert apply(both, EndExpired("dead"), START) is None, "a request beats an expiry"
    assert apply(both, EndCanceled("dead"), START) is not None


@pytest.mark.parametrize("move", MOVES)
def test_an_order_is_due_again_exactly_when_it_is_not_terminal(move: AnyMove) -> None:
    due = RecoveryDelays().after(move)
    assert (due is None) == TARGETS[move.kind].is_terminal
    assert due is None or due >= 5.0
    assert (due == inf) == TARGETS[move.kind].is_idle


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
        "type": "market",
        "timeInForce": "IOC",
    }
