"""The lists of orders that tasks hand on: read, worked off in parts, and bounded by the slots."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from celery import signals
from celery.exceptions import Ignore

from orderengine.domain.errors import NetworkUnavailable
from orderengine.domain.order import Order, OrderStatus
from orderengine.execution.chain.groups import together
from orderengine.worker.arguments import fault_of_body
from tests.tasks import SLOTS, Worker, accept, worker, world
from tests.world import World

__all__ = ["worker", "world"]


def test_a_longer_list_than_there_are_slots_is_worked_off_in_parts(
    world: World, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    handed = worker.route(accept(world, 5)[0])
    small = Worker(world, slots=2)
    sizes: list[int] = []

    def counted(work: Any, orders: Any) -> Any:
        sizes.append(len(orders))
        return together(work, orders)

    monkeypatch.setattr("orderengine.worker.running.together", counted)
    assert len(small.run("build_order", handed)) == 5
    assert sizes == [2, 2, 1]


def test_threads_never_have_more_orders_in_hand_than_slots(
    world: World, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders = accept(world, 60)
    lock, now, most = threading.Lock(), [0], [0]

    def counted(work: Any, part: Sequence[Any]) -> Any:
        with lock:
            now[0] += len(part)
            most[0] = max(most[0], now[0])
        try:
            return together(work, part)
        finally:
            with lock:
                now[0] -= len(part)

    monkeypatch.setattr("orderengine.worker.running.together", counted)

    def live(order: Order) -> None:
        try:
            worker.submitted(order)
        except Ignore:
            pass
        finally:
            worker.slots.leave()

    with ThreadPoolExecutor(SLOTS) as threads:
        list(threads.map(live, orders, timeout=30))
    assert {world.order(order.order_id).status for order in orders} == {OrderStatus.SUBMITTED}
    assert len(world.network.sends) == len(set(world.network.sends)) == 60
    assert SLOTS // 2 <= most[0] <= SLOTS


DOCUMENT = {"orderId": "b09f26f7-04bd-4c6a-9634-de855a0a4962", "version": 2}


@pytest.mark.parametrize(
    ("handed", "fault"),
    [
        (DOCUMENT, None),
        ([DOCUMENT], None),
        ([DOCUMENT] * 5, None),
        ([], "it hands on 0 orders"),
        ([DOCUMENT] * 101, "it hands on 101 orders"),
        ([DOCUMENT, 7], "its arguments are not a handover"),
        ([[DOCUMENT]], "its arguments are not a handover"),
        ([{"version": 2}], "its arguments are not a handover"),
        ("x", "its arguments are not a handover"),
    ],
)
def test_a_message_is_for_one_order_or_a_group(handed: Any, fault: str | None) -> None:
    assert fault_of_body("build_order", [[handed], {}, None]) == fault


def test_a_list_with_an_unreadable_document_ends_its_chain(world: World, worker: Worker) -> None:
    handed = worker.route(accept(world, 2)[0])
    del handed[1]["route"]
    with pytest.raises(Ignore, match="malformed"):
        worker.run("build_order", handed)


def test_each_task_gives_back_its_slots(worker: Worker) -> None:
    worker.slots.take(SLOTS)
    signals.task_postrun.send(sender=None)
    with ThreadPoolExecutor(1) as other:
        assert other.submit(worker.slots.take, SLOTS).result(timeout=10) == SLOTS
        other.submit(worker.slots.leave).result()


def test_the_parts_of_a_list_that_is_too_long_have_results_of_their_own(
    world: World, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders = accept(world, 4)
    built = worker.run("build_order", worker.route(orders[0]))
    assert len(built) == 4
    sign_all, calls = world.network.sign_all, []

    def once(swaps: Any) -> Any:
        calls.append(len(swaps))
        if len(calls) > 1:
            raise NetworkUnavailable("no answer")
        return sign_all(swaps)

    monkeypatch.setattr(world.network, "sign_all", once)
    few = Worker(world, slots=2)
    submitted = few.run("submit_order", built)
    assert (len(submitted), calls) == (2, [2, 2])
    ((name, (again,), _),) = few.sent
    assert (name, len(again)) == ("submit_order", 2)
