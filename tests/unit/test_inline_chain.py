"""Stages that follow each other in one thread: each as if it had come by its own message."""

from typing import Any

import pytest
from celery.exceptions import Ignore
from structlog.testing import capture_logs

from orderengine.domain.order import OrderStatus
from orderengine.worker.tasks import LATE_AFTER_S
from tests.fake_network import FakeNetwork
from tests.fakes import unavailable
from tests.tasks import (
    SLOTS,
    Worker,
    accept,
    later_stages,
    moving_on,
    quick,
    statuses,
    worker,
    world,
)
from tests.world import World

__all__ = ["quick", "worker", "world"]

SETTLED = {OrderStatus.CONFIRMED}


@pytest.mark.usefixtures("quick")
def test_a_group_goes_through_all_stages_without_a_message(world: World, worker: Worker) -> None:
    orders = accept(world, 3)
    assert worker.route(orders[0], later_stages()) is None
    assert statuses(world, orders) == SETTLED
    assert (worker.sent, worker.chain) == ([], None)


def test_a_stage_with_a_delay_is_left_to_celery(world: World, worker: Worker) -> None:
    (order,) = accept(world, 1)
    handed = worker.route(order, later_stages())
    assert statuses(world, [order]) == {OrderStatus.SUBMITTED}
    assert handed["orderId"] == str(order.order_id)
    (step,) = worker.chain
    put_off = {"countdown": 2.0, "expires": 2.0 + LATE_AFTER_S}
    shown = {"argsrepr": f"(orderId={order.order_id}, version=4)", "kwargsrepr": "{}"}
    assert step["task"] == "confirm_order"
    assert step["options"] == {"queue": "settle", **put_off, **shown}


@pytest.mark.parametrize(
    "changed",
    [
        {"options": {"queue": "settle", "countdown": 1}},
        {"options": {}},
        {"args": ["its own"]},
        {"kwargs": {"once": True}},
        {"task": "build_order_2"},
    ],
)
def test_a_stage_that_is_not_plain_is_left_to_celery(
    world: World, worker: Worker, changed: dict[str, Any]
) -> None:
    (order,) = accept(world, 1)
    chain = later_stages()
    chain[-1] |= changed
    assert worker.route(order, chain)["orderId"] == str(order.order_id)
    assert statuses(world, [order]) == {OrderStatus.ROUTING}
    assert len(worker.chain) == 3


def test_a_worker_that_stops_leaves_the_later_stages_to_celery(
    world: World, worker: Worker
) -> None:
    worker.inline.close()
    (order,) = accept(world, 1)
    worker.route(order, later_stages())
    assert statuses(world, [order]) == {OrderStatus.ROUTING}
    assert [step["task"] for step in worker.chain] == [
        "confirm_order",
        "submit_order",
        "build_order",
    ]


@pytest.mark.usefixtures("quick")
def test_a_group_that_cannot_be_signed_now_gets_a_message_for_its_next_try(
    world: World, worker: Worker
) -> None:
    orders = accept(world, 2)
    world.network.go_dark()
    assert worker.route(orders[0], later_stages()) is None
    assert worker.chain is None
    ((name, args, options),) = worker.sent
    assert (name, options["retries"]) == ("submit_order", 1)
    assert [step["task"] for step in options["chain"]] == ["confirm_order"]
    world.network.come_back()
    assert worker.run(name, *args, retries=1, chain=options["chain"]) is None
    assert statuses(world, orders) == SETTLED


def test_orders_in_flight_are_polled_again_by_a_message(
    world: World, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeNetwork, "typical_confirmation_s", 0.0)
    (order,) = accept(world, 1)
    assert worker.route(order, later_stages()) is None
    ((name, args, options),) = worker.sent
    assert (name, args[0]["orderId"]) == ("confirm_order", str(order.order_id))
    assert options["countdown"] == 0.3
    assert options["retries"] == 1


@pytest.mark.usefixtures("quick")
def test_an_order_that_moved_on_ends_its_chain_alone(
    world: World, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders = accept(world, 2)
    moving_on(world, orders[1], monkeypatch)
    with capture_logs() as lines:
        assert worker.route(orders[0], later_stages()) is None
    assert [line["event"] for line in lines].count("chain_ended") == 1
    assert statuses(world, orders[:1]) == SETTLED
    assert statuses(world, orders[1:]) == {OrderStatus.CANCELED}


def test_a_chain_that_ended_sends_nothing(
    world: World, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    (order,) = accept(world, 1)
    moving_on(world, order, monkeypatch)
    assert worker.route(order, later_stages()) is None
    assert (worker.sent, worker.chain) == ([], None)


def test_a_lost_database_ends_the_stage_alone_and_leaves_the_rest_to_recovery(
    world: World, worker: Worker
) -> None:
    (order,) = accept(world, 1)
    world.orders.lose_answer_of("building")
    with capture_logs() as lines:
        assert worker.route(order, later_stages()) is None
    assert [line["event"] for line in lines].count("stage_interrupted") == 1
    assert "stage_failed" not in [line["event"] for line in lines], "it is logged once"
    assert (worker.sent, worker.chain) == ([], None)
    assert statuses(world, [order]) == {OrderStatus.BUILDING}


def test_an_unexpected_error_is_logged_and_ends_the_stage_alone(
    world: World, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: object) -> None:
        raise ZeroDivisionError

    (order,) = accept(world, 1)
    monkeypatch.setattr(world.network, "sign_all", broken)
    with capture_logs() as lines:
        assert worker.route(order, later_stages()) is None
    (failure,) = [line for line in lines if line["event"] == "stage_failed"]
    assert isinstance(failure["exc_info"], ZeroDivisionError)
    assert (failure["order_id"], failure["stage"]) == (str(order.order_id), "submit")
    assert (worker.sent, worker.chain) == ([], None)
    assert statuses(world, [order]) == {OrderStatus.BUILDING}


def test_a_next_try_that_cannot_be_sent_is_left_to_recovery(
    world: World, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise ConnectionError

    (order,) = accept(world, 1)
    world.network.go_dark()
    monkeypatch.setattr(worker.app.tasks["submit_order"], "apply_async", refused)
    with capture_logs() as lines:
        assert worker.route(order, later_stages()) is None
    assert "dispatch_unavailable" in [line["event"] for line in lines]
    assert statuses(world, [order]) == {OrderStatus.BUILDING}


@pytest.mark.usefixtures("quick")
def test_an_order_without_quotes_is_tried_again_while_the_others_go_through(
    world: World, worker: Worker
) -> None:
    (order,) = accept(world, 1)
    world.board.answers = {"raydium": unavailable()}
    with pytest.raises(Exception, match="Retry in"):
        worker.route(order, later_stages())
    ((name, _, options),) = worker.sent
    assert name == "route_order"
    assert len(options["chain"]) == 3, "the next try has the whole chain"


@pytest.mark.usefixtures("quick")
def test_a_message_of_a_later_stage_goes_on_from_there(world: World, worker: Worker) -> None:
    orders = accept(world, 2)
    handed = worker.route(orders[0])
    assert worker.run("build_order", handed, chain=later_stages()[:2]) is None
    assert statuses(world, orders) == SETTLED
    with pytest.raises(Ignore):
        worker.run("build_order", handed, chain=later_stages()[:2])


@pytest.mark.usefixtures("quick")
def test_the_slots_of_the_orders_are_held_to_the_end(world: World, worker: Worker) -> None:
    orders = accept(world, 3)
    worker.route(orders[0], later_stages())
    assert worker.slots._free == SLOTS - 3
