"""The tasks of a worker process, run as a worker would run them."""

from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest
from celery import Celery

from orderengine.dispatch.names import root_id_for
from orderengine.domain.instruments import Instruments
from orderengine.domain.order import Order, OrderStatus
from orderengine.execution.chain.slots import Slots
from orderengine.worker.inline_chain import InlineChain
from orderengine.worker.task_events import TaskEvents
from orderengine.worker.tasks import register_tasks
from tests.fake_network import FakeNetwork
from tests.world import World

SLOTS = 10


class Worker:
    """The tasks of a worker process; `sent` has the messages that they send themselves.

    `chain` has the stages that are left to Celery after the latest task.
    """

    def __init__(self, world: World, slots: int = SLOTS) -> None:
        self.slots = Slots(slots)
        self.sent: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []
        self.app = Celery("tests", broker="memory://", set_as_current=False)
        self.chain: Any = None
        self.events = TaskEvents()
        self.inline = InlineChain(self.events)
        register_tasks(self.app, lambda: world.engine, self.slots, self.inline)
        for name in self.app.tasks:
            setattr(self.app.tasks[name], "apply_async", self._sending(name))  # noqa: B010

    def _sending(self, name: str) -> Callable[..., None]:
        def send(args: tuple[Any, ...], kwargs: object = None, **options: Any) -> None:
            assert not kwargs
            self.sent.append((name, tuple(args), options))

        return send

    def run(self, name: str, *args: Any, retries: int = 0, chain: Any = (), **named: Any) -> Any:
        task = self.app.tasks[name]
        task.push_request(
            id="1", args=args, kwargs=named, retries=retries, called_directly=False,
            root_id=root_id_for("req-message"), delivery_info={}, chain=chain, is_eager=False,
        )  # fmt: skip
        try:
            return task(*args, **named)
        finally:
            self.chain = task.request.chain
            task.pop_request()

    def route(self, order: Order, chain: Any = ()) -> Any:
        return self.run("route_order", str(order.order_id), order.version, "order", chain=chain)

    def submitted(self, order: Order) -> Any:
        return self.run("submit_order", self.run("build_order", self.route(order)))


def later_stages() -> list[dict[str, Any]]:
    """The stages after the first, as a message has them: the last one first."""
    names = ("confirm_order", "submit_order", "build_order")
    return [
        {"task": name, "args": [], "kwargs": {}, "options": {"queue": "settle"}} for name in names
    ]


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


@pytest.fixture
def quick(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Transactions land as soon as they are sent."""
    monkeypatch.setattr(FakeNetwork, "typical_confirmation_s", 0.0)
    send_all = world.network.send_all

    def landing(transactions: Any) -> Any:
        errors = send_all(transactions)
        for each in transactions:
            world.network.land(each.signature)
        return errors

    monkeypatch.setattr(world.network, "send_all", landing)


def moving_on(world: World, order: Order, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let an order's client cancel it while the order is quoted."""
    collect_all = world.board.collect_all

    def canceling(wanted: Any) -> Any:
        assert world.orders.cancel("local", order.order_id) is not None
        return collect_all(wanted)

    monkeypatch.setattr(world.board, "collect_all", canceling)


def statuses(world: World, orders: Any) -> set[OrderStatus]:
    return {world.order(order.order_id).status for order in orders}
