"""Rows that no release would write: they hide no other order, and their orders end."""

from dataclasses import replace

import pytest
from sqlalchemy import Engine, text

from orderengine.domain.errors import FailureReason, OrderUnreadable
from orderengine.domain.moves import Fail, RoutingCause, StartRouting
from orderengine.domain.order import OrderStatus
from orderengine.execution.queries.lists import OrderFilter, Position
from orderengine.execution.unreadable import Unreadable, UnreadableEvent
from orderengine.storage.orders import SqlOrders
from tests.steps import CONFIRMED, Walk

GIVEN_UP = Fail(FailureReason.ENGINE_ERROR, "recovered 10 times")


@pytest.fixture
def orders(database: Engine) -> SqlOrders:
    return SqlOrders(database)


def damage(database: Engine, walk: Walk, column: str, value: str) -> None:
    statement = text(f"UPDATE orders SET {column} = CAST(:value AS jsonb) WHERE id = :id")  # noqa: S608
    with database.connect() as connection:
        connection.execute(statement, {"value": value, "id": walk.order_id})


def make_due(database: Engine) -> None:
    with database.connect() as connection:
        connection.execute(text("UPDATE orders SET due_at = now() WHERE due_at IS NOT NULL"))


def test_a_claim_tells_what_it_can_of_a_bad_row_and_hides_no_other(
    orders: SqlOrders, database: Engine
) -> None:
    bad, sound = Walk(orders), Walk(orders)
    bad.step(CONFIRMED[0])
    damage(database, bad, "route", '{"dex": "gone"}')
    make_due(database)
    claimed = {order.order_id: order for order in orders.claim_due(10)}
    expected = Unreadable(bad.order_id, 2, OrderStatus.ROUTING, attempt=1, recoveries=0)
    assert claimed == {bad.order_id: expected, sound.order_id: sound.order}


def test_routing_again_heals_a_bad_route(orders: SqlOrders, database: Engine) -> None:
    walk = Walk(orders)
    walk.step(CONFIRMED[0])
    damage(database, walk, "route", '{"dex": "gone"}')
    assert walk.step(StartRouting(RoutingCause.RECOVERY)).order.route is None


def test_a_bad_row_can_be_given_up_with_one_terminal_event(
    orders: SqlOrders, database: Engine
) -> None:
    walk = Walk(orders)
    damage(database, walk, "failed_attempts", '[{"attempt": 1, "reason": "OF_ANOTHER_RELEASE"}]')
    with pytest.raises(ValueError, match="OF_ANOTHER_RELEASE"):
        orders.move(walk.order_id, 1, CONFIRMED[0])
    assert not orders.give_up(walk.order_id, 1, GIVEN_UP), "it has moved, although it reads badly"
    assert orders.give_up(walk.order_id, 2, GIVEN_UP)
    assert not orders.give_up(walk.order_id, 3, GIVEN_UP), "it is over"
    assert [event.status.value for event in walk.events] == ["pending", "routing", "failed"]
    make_due(database)
    assert orders.claim_due(10) == []


def test_a_bad_row_is_left_out_of_the_list_and_cuts_no_page_short(
    orders: SqlOrders, database: Engine
) -> None:
    walks = [Walk(orders) for _ in range(6)][::-1]
    for bad in (walks[0], walks[2], walks[3]):
        damage(database, bad, "route", '{"dex": "gone"}')
    wanted = OrderFilter("local", 2)
    first = orders.page(wanted)
    assert [order.order_id for order in first] == [walks[1].order_id, walks[4].order_id]
    behind = Position(first[-1].created_at, first[-1].order_id)
    rest = orders.page(replace(wanted, before=behind))
    assert [order.order_id for order in rest] == [walks[5].order_id]


def test_a_failed_order_without_a_reason_is_a_bad_row(orders: SqlOrders, database: Engine) -> None:
    sound, walk = Walk(orders), Walk(orders)
    orders.give_up(walk.order_id, 1, GIVEN_UP)
    damage(database, walk, "failed_attempts", "[]")
    assert [each.order_id for each in orders.page(OrderFilter("local", 10))] == [sound.order_id]
    with pytest.raises(OrderUnreadable):
        orders.get(walk.order_id)


def test_a_bad_event_holds_up_no_other_order(orders: SqlOrders, database: Engine) -> None:
    bad, sound = Walk(orders), Walk(orders)
    statement = text("UPDATE order_events SET status = 'haggling' WHERE order_id = :id")
    with database.connect() as connection:
        connection.execute(statement, {"id": bad.order_id})
    read = orders.events_after({bad.order_id: 0, sound.order_id: 0})
    by_order = {event.order_id: event for event in read}
    assert by_order == {
        bad.order_id: UnreadableEvent(bad.order_id, 1),
        sound.order_id: sound.first.event,
    }
    steps = orders.steps_of([bad.order_id, sound.order_id])
    assert [step.order_id for step in steps] == [sound.order_id]
