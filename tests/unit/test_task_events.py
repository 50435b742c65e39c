"""The events of the tasks that run inline, for those who watch them."""

from types import SimpleNamespace
from typing import Any

import pytest

from orderengine.dispatch.names import root_id_for
from orderengine.domain.order import OrderStatus
from orderengine.worker.task_events import TaskEvents, task_events_step
from tests.tasks import (
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


class Watcher:
    """Somebody who watches the tasks, as Flower does."""

    def __init__(self, worker: Worker) -> None:
        self.events: list[dict[str, Any]] = []
        worker.events.are_wanted = lambda: True
        worker.events.send = self._send

    def _send(self, kind: str, **fields: Any) -> None:
        self.events.append({"type": kind, **fields})

    def kinds(self, name: str) -> list[str]:
        """The events of the task of this name."""
        (uuid,) = [each["uuid"] for each in self.events if each.get("name") == name]
        return [each["type"] for each in self.events if each["uuid"] == uuid]


@pytest.mark.usefixtures("quick")
def test_each_stage_is_a_task_with_its_orders_for_those_who_watch(
    world: World, worker: Worker
) -> None:
    watcher = Watcher(worker)
    orders = accept(world, 2)
    worker.route(orders[0], later_stages())
    received = [each for each in watcher.events if each["type"] == "task-received"]
    assert [each["name"] for each in received] == ["build_order", "submit_order", "confirm_order"]
    for version, each in zip((2, 3, 4), received, strict=True):
        assert each["args"] == (
            f"(orderId={orders[0].order_id}, version={version},"
            f" orderId={orders[1].order_id}, version={version})"
        )
        assert (each["kwargs"], each["root_id"]) == ("{}", root_id_for("req-message"))
        assert watcher.kinds(each["name"]) == ["task-received", "task-started", "task-succeeded"]
    assert [each["parent_id"] for each in received] == ["1", *(r["uuid"] for r in received[:2])]
    assert all(each["runtime"] >= 0 for each in watcher.events if "runtime" in each)


def test_those_who_watch_see_another_try(world: World, worker: Worker) -> None:
    watcher = Watcher(worker)
    (order,) = accept(world, 1)
    world.network.go_dark()
    worker.route(order, later_stages())
    assert watcher.kinds("build_order")[-1] == "task-succeeded"
    assert watcher.kinds("submit_order") == ["task-received", "task-started", "task-retried"]


def test_those_who_watch_see_a_failure(
    world: World, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    watcher = Watcher(worker)
    (order,) = accept(world, 1)
    monkeypatch.setattr(world.network, "sign_all", lambda _: 1 // 0)
    worker.route(order, later_stages())
    failed = watcher.events[-1]
    assert (failed["type"], failed["exception"][:17]) == ("task-failed", "ZeroDivisionError")
    assert "in <lambda>" in failed["traceback"]


def test_those_who_watch_see_a_chain_end(
    world: World, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    watcher = Watcher(worker)
    (order,) = accept(world, 1)
    moving_on(world, order, monkeypatch)
    worker.route(order, later_stages())
    assert watcher.kinds("build_order") == ["task-received", "task-started", "task-succeeded"]
    assert watcher.events[-1]["result"].startswith("'chain ended: ")


@pytest.mark.usefixtures("quick")
def test_nobody_is_told_anything_that_nobody_wants(world: World, worker: Worker) -> None:
    watcher = Watcher(worker)
    worker.events.are_wanted = lambda: False
    (order,) = accept(world, 1)
    worker.route(order, later_stages())
    assert watcher.events == []
    assert statuses(world, [order]) == SETTLED


class Consumer(SimpleNamespace):
    """A worker's consumer, of which the step needs the dispatcher of events."""

    tells_tasks = True


def test_a_consumer_that_starts_again_sends_the_events_from_then_on() -> None:
    sent: list[str] = []
    events = TaskEvents()
    for name in ("first", "second"):
        dispatcher = SimpleNamespace(send=lambda _, name=name: sent.append(name))
        consumer = Consumer(event_dispatcher=dispatcher)
        task_events_step(events)(consumer).start(consumer)
        assert events.are_wanted()
        events.send("task-started")
    assert sent == ["first", "second"]


def test_a_worker_starts_without_any_events() -> None:
    events = TaskEvents()
    consumer = Consumer(event_dispatcher=None, tells_tasks=False)
    task_events_step(events)(consumer).start(consumer)
    events.send("task-started")  # no dispatcher, and no error
    assert not events.are_wanted()
