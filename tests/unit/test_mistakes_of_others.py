"""What went wrong in other systems with orders that wait, are changed, or are canceled.

Here are the cases that no other test drives.
"""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from orderengine.domain.errors import StorageUnavailable
from orderengine.domain.instruments import Instruments
from orderengine.domain.moves import RoutingCause
from orderengine.domain.order import NewOrder, Order, OrderStatus
from orderengine.domain.terms import TimeInForce
from orderengine.execution.chain.confirm import PollResult
from orderengine.execution.chain.engine import AttemptEnded, Superseded
from orderengine.execution.chain.handover import Submitted
from orderengine.execution.chain.recovery import Recovery
from orderengine.execution.waiting.amend import AmendOutcome, amend_order
from orderengine.execution.waiting.cancel import Outcome, cancel_order
from orderengine.execution.waiting.expiry import expire_due
from tests.builders import A_TRIGGER, a_limit
from tests.fakes import START
from tests.singles import confirm_order, route_order
from tests.world import World

EARLIER = timedelta(minutes=1)


@pytest.fixture
def world(instruments: Instruments) -> World:
    return World(instruments)


def a_waiting(world: World, **terms: Any) -> Order:
    return world.orders.accept(a_limit(**terms)).order


def submit(world: World, order: Order) -> Submitted:
    """Trigger an order that waits, and run it until it is submitted."""
    world.engine.advance(order.order_id, world.order(order.order_id).version, A_TRIGGER)
    return world.run_to_submitted(order.order_id)


def expire(world: World, order: Order) -> Submitted:
    """Submit an order, and let its transaction be lost: another attempt follows."""
    world.network.lose_next_send()
    submitted = submit(world, order)
    world.network.height += world.network.validity + 1
    with pytest.raises(AttemptEnded):
        confirm_order(world.engine, submitted)
    assert world.order(order.order_id).status is OrderStatus.PENDING
    return submitted


def cancel(world: World, order: Order, client_id: str = "local") -> Outcome | None:
    found = cancel_order(world.orders, world.publisher, client_id, order.order_id)
    return None if found is None else found.outcome


def amend(
    world: World, order: Order, version: int, change: Callable[[Order], NewOrder]
) -> AmendOutcome:
    found = amend_order(world.orders, world.publisher, "local", order.order_id, version, change)
    assert found is not None
    return found.outcome


def statuses(world: World, order: Order) -> list[str]:
    return [event.status.value for event in world.events(order)]


def test_nothing_fills_an_order_after_it_ended_canceled(world: World) -> None:
    """The network had proved that the transaction is dead; a copy of its message comes late."""
    order = a_waiting(world)
    submitted = submit(world, order)
    assert cancel(world, order) is Outcome.REQUESTED
    world.network.revert(submitted.signature, slippage_exceeded=True)
    with pytest.raises(AttemptEnded):
        confirm_order(world.engine, submitted)
    before = statuses(world, order)
    with pytest.raises(Superseded):
        confirm_order(world.engine, submitted)
    assert before[-1] == "canceled"
    assert statuses(world, order) == before
    assert not world.network.executions


def test_a_late_cancel_does_not_overwrite_a_fill(world: World) -> None:
    order = a_waiting(world)
    submitted = submit(world, order)
    world.network.land(submitted.signature)
    confirm_order(world.engine, submitted)
    filled = world.order(order.order_id)
    assert cancel(world, order) is Outcome.TOO_LATE
    assert world.order(order.order_id) == filled


def test_a_requested_cancel_does_not_hang_when_its_messages_are_lost(world: World) -> None:
    order = a_waiting(world)
    submitted = submit(world, order)
    cancel(world, order)
    world.dispatcher.sent.clear()
    world.network.height += world.network.validity + 1
    world.clock.advance(16)
    Recovery(world.engine).run_once()
    (again,) = [each.submitted for each in world.dispatcher.sent]
    assert again is not None
    assert again.signature == submitted.signature
    with pytest.raises(AttemptEnded):
        confirm_order(world.engine, again)
    assert world.order(order.order_id).status is OrderStatus.CANCELED


def test_a_cancel_whose_answer_was_lost_is_told_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = a_waiting(world)
    store = world.orders.cancel

    def lost(client_id: str, order_id: Any) -> None:
        store(client_id, order_id)
        raise StorageUnavailable("the answer to COMMIT was lost")

    with monkeypatch.context() as patched:
        patched.setattr(world.orders, "cancel", lost)
        with pytest.raises(StorageUnavailable):
            cancel(world, order)
    assert cancel(world, order) is Outcome.CANCELED
    assert statuses(world, order) == ["waiting", "canceled"]


def test_an_amended_order_fills_once_with_its_new_quantity(world: World) -> None:
    """A revert, a rest and an amendment lie between its two transactions."""
    order = a_waiting(world)
    first = submit(world, order)
    world.network.revert(first.signature, slippage_exceeded=True)
    with pytest.raises(AttemptEnded):
        confirm_order(world.engine, first)
    rested = world.order(order.order_id)
    more = a_limit(quantity=Decimal(4))
    assert amend(world, order, rested.version, lambda _: more) is AmendOutcome.AMENDED
    second = submit(world, order)
    world.network.land(second.signature)
    assert confirm_order(world.engine, second) is PollResult.CONFIRMED
    with pytest.raises(Superseded):
        confirm_order(world.engine, first)
    fill = world.order(order.order_id).fill
    assert fill is not None
    assert fill.base_amount == 4_000_000
    assert world.network.executions[order.order_id] == 1


def test_a_refused_change_leaves_the_expiry_armed(world: World) -> None:
    order = a_waiting(world, time_in_force=TimeInForce.GTD, expires_at=START + EARLIER)
    assert cancel(world, order, "another") is None
    assert amend(world, order, 7, lambda found: found) is AmendOutcome.MOVED
    with pytest.raises(ValueError, match="refused"):
        amend(world, order, 1, _refuse)
    world.clock.advance(61)
    assert expire_due(world.engine) == 1
    assert statuses(world, order) == ["waiting", "expired"]


def _refuse(order: Order) -> NewOrder:
    raise ValueError("refused")


def test_another_attempt_is_bound_by_the_limit_as_well(world: World) -> None:
    """The first transaction is lost; then the price leaves."""
    order = a_waiting(world)
    expire(world, order)
    retried = world.order(order.order_id)
    world.board.answers = {"raydium": Decimal(250)}
    sends = len(world.network.sends)
    with pytest.raises(AttemptEnded):
        route_order(world.engine, order.order_id, retried.version, RoutingCause.RETRY)
    assert world.order(order.order_id).status is OrderStatus.WAITING
    assert len(world.network.sends) == sends


def test_a_retry_that_is_queued_when_the_order_has_ended_does_nothing(world: World) -> None:
    """Its message comes twice: the first fills the order, the second finds another version."""
    order = a_waiting(world)
    expire(world, order)
    version = world.order(order.order_id).version
    second = world.run_to_submitted(order.order_id)
    world.network.land(second.signature)
    confirm_order(world.engine, second)
    with pytest.raises(Superseded):
        route_order(world.engine, order.order_id, version, RoutingCause.RETRY)
    assert world.network.executions[order.order_id] == 1
