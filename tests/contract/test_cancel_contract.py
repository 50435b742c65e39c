"""The contract of the store for orders that are canceled.

Each race is driven in both orders of its events.
"""

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

import pytest

from orderengine.domain.events import Moved
from orderengine.domain.moves import (
    Amend,
    EndCanceled,
    EndExpired,
    Move,
    Submit,
)
from orderengine.domain.order import OrderStatus
from orderengine.execution.ports import PlannedMove
from tests.builders import (
    A_FAIL,
    A_REST,
    A_TRIGGER,
    NOT_FILLED,
    TRANSACTION,
    a_build,
    a_confirm,
    a_failed_attempt,
    a_limit,
)
from tests.contract.conftest import Store
from tests.contract.waiting_orders import (
    DEAD,
    NOT_SIGNED,
    START,
    at,
    cancel,
    statuses,
    told,
)

NOBODY = UUID(int=0)


@pytest.mark.parametrize("status", NOT_SIGNED)
def test_an_order_that_is_not_signed_is_canceled_at_once(store: Store, status: str) -> None:
    order = at(store, status)
    moved = cancel(store, order)
    assert moved is not None
    assert (moved.order.status, moved.event.status) == (OrderStatus.CANCELED, OrderStatus.CANCELED)
    assert (moved.event.data, moved.order.failure) == ({}, None)
    assert moved.order.cancel_requested_at is not None
    assert store.orders.get(order.order_id) == moved.order
    assert statuses(store, order)[-1] == "canceled"
    store.pass_time(1_000)
    assert store.orders.claim_due(10) == []
    assert cancel(store, order) is None, "a repeat changes nothing"
    assert store.orders.get(order.order_id) == moved.order


def test_only_the_client_of_an_order_cancels_it(store: Store) -> None:
    order = at(store, "waiting")
    assert store.orders.cancel("another", order.order_id) is None
    assert store.orders.cancel("local", NOBODY) is None
    assert store.orders.get(order.order_id) == order


def test_a_submitted_order_is_asked_once_and_stays_in_recovery(store: Store) -> None:
    order = at(store, "submitted")
    moved = cancel(store, order)
    assert moved is not None
    assert (moved.order.status, moved.order.version) == (OrderStatus.SUBMITTED, order.version + 1)
    assert moved.event.data == {"cancelRequested": True}
    assert moved.order.transaction == TRANSACTION
    assert cancel(store, order) is None
    store.pass_time(15.1)
    assert store.orders.claim_due(10) == [moved.order]


@pytest.mark.parametrize("status", NOT_SIGNED)
def test_cancel_then_whatever_comes_next(store: Store, status: str) -> None:
    """Cancel and trigger, cancel and submit: the move that comes late changes nothing."""
    order = at(store, status)
    late: list[Move] = [A_TRIGGER, START, a_build(store.now()), Submit(TRANSACTION)]
    cancel(store, order)
    for move in (*late, a_failed_attempt(), A_FAIL, A_REST, NOT_FILLED, Amend.to(order)):
        assert store.orders.move(order.order_id, order.version, move) is None
    assert statuses(store, order)[-1] == "canceled"


def test_trigger_then_cancel(store: Store) -> None:
    order = at(store, "pending")
    assert cancel(store, order) is not None
    assert statuses(store, order) == ["waiting", "pending", "canceled"]


def test_submit_then_cancel_then_the_network(store: Store) -> None:
    order = at(store, "submitted")
    asked = cancel(store, order)
    assert asked is not None
    for move in (a_failed_attempt(), A_FAIL, A_REST, NOT_FILLED, EndExpired(DEAD)):
        assert told(store, move, order) is None, "only the network ends it"
    moved = told(store, EndCanceled(DEAD), order)
    assert moved is not None
    assert (moved.order.status, moved.order.failure) == (OrderStatus.CANCELED, None)
    assert moved.event.data == {"detail": DEAD}
    assert told(store, EndCanceled(DEAD), order) is None
    assert cancel(store, order) is None


def test_cancel_then_confirm_tells_that_it_was_too_late(store: Store) -> None:
    order = at(store, "submitted")
    cancel(store, order)
    confirm = a_confirm(store.now())
    moved = store.orders.move(order.order_id, order.version, confirm)
    assert moved is not None, "the request has raised the version, and the signature counts"
    assert moved.order.status is OrderStatus.CONFIRMED
    assert moved.event.data == {**confirm.data, "cancelTooLate": True}
    assert store.orders.events(order.order_id)[-1] == moved.event


def test_confirm_then_cancel(store: Store) -> None:
    order = at(store, "submitted")
    moved = store.orders.move(order.order_id, order.version, a_confirm(store.now()))
    assert moved is not None
    assert "cancelTooLate" not in moved.event.data
    assert cancel(store, order) is None
    assert store.orders.get(order.order_id) == moved.order


def test_the_word_on_another_transaction_moves_nothing(store: Store) -> None:
    order = at(store, "submitted")
    cancel(store, order)
    for move in (EndCanceled(DEAD), a_failed_attempt()):
        (moved,) = store.orders.move_all([PlannedMove(order.order_id, 0, move, "another")])
        assert moved is None


def test_without_a_request_no_order_ends_canceled(store: Store) -> None:
    order = at(store, "submitted")
    assert told(store, EndCanceled(DEAD), order) is None
    assert told(store, EndExpired(DEAD), order) is None
    assert told(store, a_failed_attempt(), order) is not None


def canceled_all(store: Store, symbol: str | None = None, limit: int = 2) -> list[int]:
    """Cancel all of the client in parts: how many moved, were asked before, and had ended."""
    sums, after = [0, 0, 0], NOBODY
    while True:
        part = store.orders.cancel_all("local", symbol, after, limit)
        moved: Sequence[Moved] = part.moved
        assert [each.order.order_id for each in moved] == sorted(
            each.order.order_id for each in moved
        )
        sums = [sums[0] + len(moved), sums[1] + part.requested_before, sums[2] + part.too_late]
        if part.last is None:
            return sums
        after = part.last


def test_all_orders_of_a_client_are_canceled(store: Store) -> None:
    open_ones = [at(store, status) for status in (*NOT_SIGNED, "submitted")]
    ended = [store.walk(A_FAIL), at(store, "waiting")]
    cancel(store, ended[1])
    other = store.walk(new=replace(a_limit(), client_id="another"))
    assert canceled_all(store) == [5, 0, 0]
    found = [store.orders.get(each.order_id) for each in open_ones]
    assert [each and each.status.value for each in found] == [*["canceled"] * 4, "submitted"]
    assert store.orders.get(other.order_id) == other
    assert canceled_all(store) == [0, 1, 0]


def test_all_orders_of_a_symbol_are_canceled(store: Store) -> None:
    first = store.walk(new=replace(a_limit(), symbol="SOL"))
    second = at(store, "waiting")
    assert canceled_all(store, "SOL") == [1, 0, 0]
    assert statuses(store, first) == ["waiting", "canceled"]
    assert store.orders.get(second.order_id) == second
