"""The tasks of a worker process, run as a worker would run them."""

from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest
from celery import Celery

from orderengine.dispatch.names import root_id_for
from orderengine.domain.instruments import Instruments
from orderengine.domain.order import Order
from orderengine.execution.chain.slots import Slots
from orderengine.worker.tasks import register_tasks
from tests.world import World

SLOTS = 10


class Worker:
    """The tasks of a worker process; `sent` has the messages that they send themselves."""

    def __init__(self, world: World, slots: int = SLOTS) -> None:
        self.slots = Slots(slots)
        self.sent: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []
        self.app = Celery("tests", broker="memory://", set_as_current=False)
        register_tasks(self.app, lambda: world.engine, self.slots)
        for name in self.app.tasks:
            setattr(self.app.tasks[name], "apply_async", self._sending(name))  # noqa: B010

    def _sending(self, name: str) -> Callable[..., None]:
        def send(args: tuple[Any, ...], kwargs: object = None, **options: Any) -> None:
            assert not kwargs
            self.sent.append((name, tuple(args), options))

        return send

    def run(self, name: str, *args: Any, retries: int = 0, **named: Any) -> Any:
        task = self.app.tasks[name]
        task.push_request(
            id="1", args=args, kwargs=named, retries=retries, called_directly=False,
            root_id=root_id_for("req-message"), delivery_info={}, chain=[], is_eager=False,
        )  # fmt: skip
        try:
            return task.run(*args, **named)
        finally:
            task.pop_request()

    def route(self, order: Order) -> Any:
        return self.run("route_order", str(order.order_id), order.version, "order")

    def submitted(self, order: Order) -> Any:
        return self.run("submit_order", self.run("build_order", self.route(order)))


def accept(world: World, count: int) -> list[Order]:
    """Accept orders, each a little later than the one before."""
    orders = []
    for _ in range(count):
        orders.append(world.accept())
        world.clock.advance(0.001)
    return orders


def ids(handed: Any) -> list[UUID]:
    return [UUID(each["orderId"]) for each in handed]


@pytest.fixture
def world(instruments: Instruments) -> World:
    world = World(instruments)
    world.engine.pace.took(0.0)
    return world


@pytest.fixture
def worker(world: World) -> Iterator[Worker]:
    worker = Worker(world)
    yield worker
    worker.slots.leave()
    assert worker.slots.take(SLOTS) == SLOTS, "a thread has left without its slots"
    worker.slots.leave()
