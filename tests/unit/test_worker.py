"""The tasks and the reconciler: how errors of the stages become retries, or the end of a chain."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from celery import Celery
from celery.exceptions import Ignore, Retry

from harness.waiting import wait_until
from orderengine.bootstrap.network import QUOTE_TIMEOUT_S
from orderengine.bootstrap.worker import WorkerPorts, build_worker
from orderengine.config.settings import Settings
from orderengine.dispatch.app import create_celery
from orderengine.domain.delays import RecoveryDelays
from orderengine.domain.errors import StorageUnavailable
from orderengine.domain.instruments import Instruments
from orderengine.domain.moves import RoutingCause
from orderengine.domain.order import OrderStatus
from orderengine.execution.chain.slots import Slots
from orderengine.execution.operations.counters import CounterName, Sample
from orderengine.worker.inline_chain import InlineChain
from orderengine.worker.reconciler import Reconciler
from orderengine.worker.running import RETRY_DELAY_MAX_S, STAGE_RETRIES
from orderengine.worker.task_events import TaskEvents
from orderengine.worker.tasks import (
    LATE_AFTER_S,
    POLL_LIMIT_S,
    poll_delay_s,
    register_tasks,
)
from tests.conftest import a_new_order
from tests.fakes import FakeWatched, unavailable
from tests.world import World

NOWHERE = {"DATABASE_URL": "postgresql://127.0.0.1:1/x", "REDIS_URL": "redis://127.0.0.1:1/0"}

Run = Callable[..., Any]


@pytest.fixture
def world(instruments: Instruments) -> World:
    return World(instruments)


@pytest.fixture
def run(world: World, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a task as a worker would, at its n-th retry; a retry is raised, not sent."""
    app = Celery("tests", broker="memory://", set_as_current=False)
    register_tasks(app, lambda: world.engine, Slots(10), InlineChain(TaskEvents()))

    def run_task(name: str, *args: Any, retries: int = 0, chain: Any = None, **options: Any) -> Any:
        task = app.tasks[name]
        task.push_request(
            args=args,
            kwargs=options,
            retries=retries,
            chain=chain,
            called_directly=False,
            is_eager=True,
        )
        monkeypatch.setattr(task, "apply_async", lambda *_, **__: None)
        try:
            return task.run(*args, **options)
        finally:
            task.pop_request()

    return run_task


def test_the_chain_hands_documents_from_task_to_task(world: World, run: Run) -> None:
    order = world.accept()
    routed = run("route_order", str(order.order_id), 1, "order")
    built = run("build_order", routed)
    submitted = run("submit_order", built)
    world.network.land(submitted["signature"])
    assert run("confirm_order", submitted) is None
    assert world.order(order.order_id).status is OrderStatus.CONFIRMED


def test_a_superseded_message_ends_its_chain(world: World, run: Run) -> None:
    order = world.accept()
    run("route_order", str(order.order_id), 1, "order")
    with pytest.raises(Ignore):
        run("route_order", str(order.order_id), 1, "order")


def test_an_attempt_that_ended_ends_the_chain(world: World, run: Run) -> None:
    world.board.answers = {"raydium": unavailable()}
    order = world.accept()
    with pytest.raises(Retry):
        run("route_order", str(order.order_id), 1, "order")
    with pytest.raises(Ignore):
        run("route_order", str(order.order_id), 1, "order", retries=1)
    assert world.order(order.order_id).attempt == 2


def test_a_lost_database_is_raised_for_all_to_see(world: World, run: Run) -> None:
    order = world.accept()
    world.orders.down = True
    with pytest.raises(StorageUnavailable):
        run("route_order", str(order.order_id), 1, "order")


@pytest.mark.parametrize("dark", [False, True])
def test_a_transaction_in_flight_is_looked_at_again_later(
    world: World, run: Run, *, dark: bool
) -> None:
    order = world.accept()
    submitted = run("submit_order", run("build_order", run_route(run, order.order_id)))
    if dark:
        world.network.go_dark()
    with pytest.raises(Retry) as caught:
        run("confirm_order", submitted)
    assert caught.value.when == 0.3  # the chain has waited for 2 s already
    assert run("confirm_order", submitted, retries=1000) is None
    assert world.order(order.order_id).status is OrderStatus.SUBMITTED


def test_the_last_stage_is_put_off_until_the_transaction_may_have_landed(
    world: World, run: Run
) -> None:
    order = world.accept()
    step: dict[str, Any] = {"task": "confirm_order", "options": {"queue": "settle"}}
    run("submit_order", run("build_order", run_route(run, order.order_id)), chain=[step])
    put_off = {"countdown": 2.0, "expires": 2.0 + LATE_AFTER_S}
    shown = {"argsrepr": f"(orderId={order.order_id}, version=4)", "kwargsrepr": "{}"}
    assert step["options"] == {"queue": "settle", **put_off, **shown}


def test_recovery_looks_once_at_a_transaction_in_flight(world: World, run: Run) -> None:
    submitted = world.submit().document()
    assert run("confirm_order", submitted, once=True) is None


def test_recovery_that_had_to_send_again_waits_for_the_outcome(world: World, run: Run) -> None:
    world.network.lose_next_send()
    submitted = world.submit()
    with pytest.raises(Retry) as caught:
        run("confirm_order", submitted.document(), once=True)
    assert caught.value.when == 2.0
    assert world.network.sends == [submitted.signature] * 2


def run_route(run: Run, order_id: UUID) -> Any:
    return run("route_order", str(order_id), 1, RoutingCause.ORDER.value)


@pytest.mark.parametrize(
    ("typical_s", "waits"),
    [
        (0.0, [0.3, 0.3, 0.3, 0.6, 1.2, 2.4, 4.8]),
        (2.4, [2.4, 0.3, 0.3, 0.6, 1.2, 2.4, 4.8]),
        (8.0, [6.0, 1.0, 1.0, 2.0]),
        (600.0, [6.0]),
    ],
)
def test_one_message_looks_less_and_less_often_and_for_a_limited_time(
    typical_s: float, waits: list[float]
) -> None:
    asked = [poll_delay_s(polls, typical_s) for polls in range(len(waits) + 1)]
    assert asked == pytest.approx([*waits, None])
    assert sum(waits) <= POLL_LIMIT_S


def test_all_tries_of_a_stage_fit_into_its_time() -> None:
    tries = 1 + STAGE_RETRIES
    assert tries * QUOTE_TIMEOUT_S + STAGE_RETRIES * RETRY_DELAY_MAX_S < RecoveryDelays().stage_s


class Heart:
    """Counts its beats."""

    def __init__(self) -> None:
        self.beats = 0
        self.flushes = 0

    def beat(self) -> bool:
        self.beats += 1
        return True

    def flush(self) -> None:
        self.flushes += 1


def ports_of(world: World, heart: Heart, interval_s: float = 1.0) -> WorkerPorts:
    days = world.orders.days
    return WorkerPorts(world.engine, heart, heart, FakeWatched(), None, days, interval_s)  # type: ignore[arg-type]


def test_a_round_of_the_reconciler_survives_everything(world: World) -> None:
    heart = Heart()
    reconciler = Reconciler(ports_of(world, heart))
    order = world.stop_at("routing")
    world.clock.advance(20)
    world.orders.down = True
    reconciler.run_once()
    world.orders.down = False
    world.dispatcher.down = True
    reconciler.run_once()
    world.dispatcher.down = False
    world.dispatcher.route = None  # type: ignore[assignment,method-assign]
    reconciler.run_once()
    del world.dispatcher.route
    world.clock.advance(20)
    reconciler.run_once()
    assert heart.beats == 4
    (message,) = world.dispatcher.sent
    assert (message.order_id, message.cause) == (order.order_id, RoutingCause.RECOVERY)


def test_the_reconciler_looks_as_often_as_it_was_told_to(world: World) -> None:
    heart = Heart()
    reconciler = Reconciler(ports_of(world, heart, 0.001))
    reconciler.start()
    wait_until(lambda: heart.beats >= 3)
    reconciler.stop()
    beats = heart.beats
    assert heart.flushes == beats + 1
    settings = Settings.from_env({**NOWHERE, "RECOVERY_INTERVAL_MS": "250"})
    assert build_worker(settings, create_celery(settings.redis_url)).recovery_interval_s == 0.25


def test_the_reconciler_keeps_house_once_a_minute_and_at_once_while_more_is_waiting(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = [1000.0]
    monkeypatch.setattr("orderengine.worker.reconciler.time.monotonic", lambda: times[-1])
    monkeypatch.setattr("orderengine.execution.operations.housekeeping.BATCH", 2)
    heart = Heart()
    reconciler = Reconciler(ports_of(world, heart))

    def age_keys(*keys: str) -> None:
        for key in keys:
            world.orders.accept_once(a_new_order(), key)
        world.clock.advance(86_401)

    def left_at(now: float) -> int:
        times.append(now)
        reconciler.run_once()
        return sum(world.orders.accepted_before("local", key) is not None for key in "abcde")

    age_keys("a", "b", "c", "d")
    assert [left_at(1001.0), left_at(1002.0), left_at(1003.0)] == [2, 0, 0]
    age_keys("e")
    assert [left_at(1004.0), left_at(1062.0), left_at(1063.0)] == [1, 1, 0]
    assert heart.flushes == 6
    assert world.metrics.counts()[Sample(CounterName.RECONCILER_ROUNDS, "ok")] == 6
