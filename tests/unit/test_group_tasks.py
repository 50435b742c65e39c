"""The tasks for groups: a message wakes, a claim takes, and a process keeps to its slots."""

from uuid import UUID

import pytest
from celery.exceptions import Ignore
from structlog.testing import capture_logs

from orderengine.domain.errors import StorageUnavailable, VenueUnavailable
from orderengine.domain.instruments import Instruments
from orderengine.domain.order import Order, OrderStatus
from orderengine.execution.chain.handover import handed_on
from orderengine.execution.chain.slots import GROUP_MAX, RECENT, Pace
from orderengine.execution.chain.swaps import handover_of
from orderengine.execution.ports import PreparedStart
from tests.builders import A_REST, A_TRIGGER, a_build, a_limit, a_sniper
from tests.tasks import Worker, accept, ids, worker, world
from tests.world import World

__all__ = ["worker", "world"]


def test_one_message_takes_a_group_of_waiting_orders_through_all_stages(
    world: World, worker: Worker
) -> None:
    orders = accept(world, GROUP_MAX + 2)
    handed = worker.submitted(orders[3])
    assert len(handed) == GROUP_MAX
    assert orders[3].order_id in ids(handed)
    assert [order.order_id in ids(handed) for order in orders[:3]] == [True] * 3, "the oldest"
    for each in handed:
        world.network.land(each["signature"])
    assert worker.run("confirm_order", handed) is None
    confirmed = [o for o in orders if world.order(o.order_id).status is OrderStatus.CONFIRMED]
    assert sorted(o.order_id for o in confirmed) == sorted(ids(handed))
    assert set(world.network.executions.values()) == {1}


def test_the_message_of_an_order_that_was_taken_along_ends_without_a_statement(
    world: World, worker: Worker
) -> None:
    orders = accept(world, 2)
    worker.route(orders[0])
    world.orders.down = True
    assert worker.route(orders[1]) is None


def triggered(world: World) -> Order:
    moved = world.orders.move(world.orders.accept(a_limit()).order.order_id, 1, A_TRIGGER)
    assert moved is not None
    return moved.order


def test_triggered_orders_are_taken_along_and_their_messages_end(
    world: World, worker: Worker
) -> None:
    orders = [triggered(world) for _ in range(3)]
    new = world.accept()
    handed = worker.submitted(orders[1])
    assert sorted(ids(handed)) == sorted(order.order_id for order in [*orders, new])
    world.orders.down = True
    for order in (orders[0], orders[2], new):
        assert worker.route(order) is None


def test_an_order_that_was_taken_along_rests_and_starts_again(world: World, worker: Worker) -> None:
    """The memory of its first start does not swallow the message of the second."""
    order, other = triggered(world), triggered(world)
    worker.route(other)
    for move in (A_REST, A_TRIGGER):
        order = world.order(order.order_id)
        assert world.orders.move(order.order_id, order.version, move) is not None
    again = worker.route(world.order(order.order_id))
    assert UUID(again["orderId"]) == order.order_id


def test_each_triggered_order_of_a_group_without_quotes_is_tried_again_at_its_own_version(
    world: World, worker: Worker
) -> None:
    orders = [triggered(world), world.accept()]
    world.board.answers = dict.fromkeys(("raydium", "meteora"), VenueUnavailable("no answer"))
    with pytest.raises(Ignore):
        worker.route(orders[0])
    assert sorted(arguments for _, arguments, _ in worker.sent) == sorted(
        (str(order.order_id), order.version, "order") for order in orders
    )


def test_prepared_orders_go_from_their_message_to_the_network(world: World, worker: Worker) -> None:
    orders = [world.orders.accept(a_sniper()).order for _ in range(3)]
    build = a_build(world.clock.now())
    wanted = [PreparedStart(order.order_id, 1, A_TRIGGER, build) for order in orders]
    built = [steps[-1].order for steps in world.engine.start_prepared(wanted)]
    world.engine.dispatcher.submit_all([[handover_of(world.engine, order) for order in built]])
    assert world.orders.cancel("local", orders[0].order_id) is not None
    (group,) = world.dispatcher.groups
    handed = handed_on(group)
    world.orders.reads = 0
    submitted = worker.run("submit_order", handed)
    assert ids(submitted) == [order.order_id for order in orders[1:]]
    assert world.orders.reads == 0
    assert world.board.asked == 0
    with pytest.raises(Ignore):
        worker.run("submit_order", handed)  # once more: all have moved on
    for each in submitted:
        world.network.land(each["signature"])
    assert worker.run("confirm_order", submitted) is None
    assert {world.order(o.order_id).status for o in orders[1:]} == {OrderStatus.CONFIRMED}


def test_a_claim_whose_answer_was_lost_is_not_remembered(world: World, worker: Worker) -> None:
    orders = accept(world, 2)
    world.orders.lose_answer_of("routing")
    with pytest.raises(StorageUnavailable):
        worker.route(orders[0])
    world.orders.down = True
    with pytest.raises(StorageUnavailable):
        worker.route(orders[1])


def test_another_processs_late_message_takes_what_else_is_waiting(
    world: World, worker: Worker
) -> None:
    order = world.accept()
    worker.route(order)
    other = world.accept()
    elsewhere = Worker(world)
    assert UUID(elsewhere.route(order)["orderId"]) == other.order_id
    with pytest.raises(Ignore):
        elsewhere.route(order)


def test_no_order_is_taken_along_while_quotes_are_slow(world: World, worker: Worker) -> None:
    for _ in range(RECENT):
        world.engine.pace.took(1.0)
    orders = accept(world, 3)
    assert worker.route(orders[1])["orderId"] == str(orders[1].order_id)
    assert world.order(orders[0].order_id).status is OrderStatus.PENDING


def test_a_single_order_is_handed_on_as_one_object(world: World, worker: Worker) -> None:
    handed = worker.submitted(world.accept())
    assert isinstance(handed, dict)
    assert world.order(UUID(handed["orderId"])).status is OrderStatus.SUBMITTED


@pytest.mark.parametrize(("cause", "again"), [("order", True), ("recovery", False)])
def test_an_order_of_recovery_is_alone(
    world: World, worker: Worker, cause: str, *, again: bool
) -> None:
    orders = accept(world, 2)
    version = 1
    if cause == "recovery":
        version = world.route(orders[0].order_id).version
    handed = worker.run("route_order", str(orders[0].order_id), version, cause, again=again)
    assert handed["orderId"] == str(orders[0].order_id)
    assert world.order(orders[1].order_id).status is OrderStatus.PENDING


def test_orders_that_moved_on_are_dropped_and_the_others_go_on(
    world: World, worker: Worker
) -> None:
    orders = accept(world, 3)
    handed = worker.route(orders[0])
    world.route(orders[1].order_id)
    with capture_logs() as lines:
        built = worker.run("build_order", handed)
    assert sorted(ids(built)) == sorted([orders[0].order_id, orders[2].order_id])
    assert [line["event"] for line in lines].count("chain_ended") == 1
    with pytest.raises(Ignore, match="not at version"):
        worker.run("build_order", handed)


def test_a_group_that_shrinks_to_one_order_is_one_object_again(
    world: World, worker: Worker
) -> None:
    orders = accept(world, 2)
    handed = worker.route(orders[0])
    world.route(orders[1].order_id)
    assert worker.run("build_order", handed)["orderId"] == str(orders[0].order_id)


def test_an_engine_starts_without_company(instruments: Instruments) -> None:
    assert World(instruments).engine.pace.group_size == Pace().group_size == 1
