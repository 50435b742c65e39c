"""Either the thread that has ended a task, or the event loop, takes a worker's next message."""

import threading
from collections.abc import Callable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from kombu.exceptions import OperationalError
from structlog.testing import capture_logs

from orderengine.dispatch.messages import Message
from orderengine.fastlane.held import handing_on, hold
from orderengine.fastlane.pool import Feed, Intake, TaskPool

TIMEOUT_S = 5.0
QUEUES = ["settle", "intake"]


def a_message(name: str, queue: str = "settle", eta: str | None = None) -> Message:
    return {
        "headers": {"id": name, "eta": eta, "argsrepr": f"(orderId={name})"},
        "properties": {"delivery_info": {"routing_key": queue}},
    }


class Room:
    """Room for orders, unless a test takes it away; notes when a thread leaves it."""

    def __init__(self) -> None:
        self.left = True
        self.leavings = 0
        self.tell: Callable[[], None] = lambda: None

    def is_left(self) -> bool:
        return self.left

    def leave(self) -> None:
        self.leavings += 1

    def when_left(self, tell: Callable[[], None]) -> None:
        self.tell = tell


class Broker:
    """Two queues, and the messages sent to them."""

    def __init__(self) -> None:
        self.waiting: list[Message] = []
        self.exchanges: list[tuple[list[str], list[str]]] = []
        self.error: Exception | None = None
        self.room = Room()

    def exchange(self, messages: Sequence[Message], queues: Sequence[str] = ()) -> Message | None:
        self.exchanges.append(([each["headers"]["id"] for each in messages], list(queues)))
        if self.error is not None:
            raise self.error
        self.waiting += messages
        return self.waiting.pop(0) if queues and self.waiting else None


class Worker:
    """A pool with one thread; it also acts as the consumer, the loop and the broker's channel."""

    hub = None

    def __init__(self) -> None:
        self.broker = Broker()
        self.pool: Any = TaskPool(1, app=self.broker)
        self.connection: Worker | None = self
        self.tasks: dict[str, Callable[[], None]] = {}
        self.ran: list[tuple[str, int]] = []
        self.left_to_loop: list[str] = []
        self.consumed = QUEUES
        self.also: list[str] = []
        self.ended = threading.Semaphore(0)
        self.pool.intake = Intake(self, self)

    def consumed_queues(self) -> list[str]:
        return self.consumed

    def call_soon(self, _deliver: object, message: Message, _queue: str) -> None:
        self.left_to_loop.append(message["headers"]["id"])

    def _deliver(self, message: Message, _queue: str) -> None:
        name = message["headers"]["id"]
        if name == "unreadable":
            raise ValueError(name)
        if name != "revoked":
            self.apply(name)
        if name == "both":
            for other in self.also:
                self.apply(other)

    def apply(self, name: str) -> None:
        self.pool.apply_async(self._run, (name,), callback=lambda _: self.ended.release())

    def _run(self, name: str) -> None:
        self.ran.append((name, threading.get_ident()))
        self.tasks.get(name, lambda: None)()

    def wait(self, count: int) -> list[str]:
        for _ in range(count):
            assert self.ended.acquire(timeout=TIMEOUT_S)
        self.stop()
        return [name for name, _ in self.ran]

    def stop(self) -> None:
        self.pool.executor.shutdown(wait=True)
        assert self.pool.has_free_slot()


@pytest.fixture
def worker() -> Iterator[Worker]:
    worker = Worker()
    yield worker
    worker.stop()


def hand_on(message: Message) -> Callable[[], None]:
    def send() -> None:
        with handing_on():
            assert hold(message)

    return send


def test_a_thread_that_has_ended_a_task_takes_the_next_message_itself(worker: Worker) -> None:
    worker.broker.waiting = [a_message("second"), a_message("third")]
    worker.apply("first")
    assert worker.wait(3) == ["first", "second", "third"]
    assert len({thread for _, thread in worker.ran}) == 1
    assert worker.broker.exchanges == [([], QUEUES)] * 3


def test_what_a_task_hands_on_is_run_next_and_never_sent(worker: Worker) -> None:
    worker.broker.waiting = [a_message("other")]
    worker.tasks["route"] = hand_on(a_message("build"))
    worker.apply("route")
    assert worker.wait(3) == ["route", "build", "other"]
    assert all(sent == [] for sent, _ in worker.broker.exchanges)


def test_what_is_put_off_goes_to_the_broker_as_the_thread_asks_for_more(worker: Worker) -> None:
    worker.tasks["submit"] = hand_on(a_message("confirm", eta="2026-11-25T00:00:00+00:00"))
    worker.apply("submit")
    assert worker.wait(1) == ["submit"]
    assert worker.broker.exchanges == [(["confirm"], QUEUES), ([], QUEUES)]
    assert worker.left_to_loop == ["confirm"]


def test_a_task_that_waits_for_a_thread_goes_first(worker: Worker) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def first() -> None:
        begun.set()
        assert go_on.wait(TIMEOUT_S)
        hand_on(a_message("next"))()

    worker.tasks["first"] = first
    worker.apply("first")
    assert begun.wait(TIMEOUT_S)
    assert not worker.pool.has_free_slot()
    worker.apply("due")
    go_on.set()
    assert worker.wait(3) == ["first", "due", "next"]
    assert worker.broker.exchanges[0] == (["next"], [])


def test_without_a_connection_to_consume_what_is_handed_on_is_sent(worker: Worker) -> None:
    worker.pool.intake = None
    worker.tasks["route"] = hand_on(a_message("build"))
    worker.apply("route")
    assert worker.wait(1) == ["route"]
    assert worker.broker.exchanges == [(["build"], [])]


def test_a_message_that_was_taken_as_the_connection_was_lost_goes_back(worker: Worker) -> None:
    worker.broker.waiting = [a_message("second"), a_message("third")]
    worker.connection = None
    worker.apply("first")
    assert worker.wait(1) == ["first"]
    assert worker.broker.exchanges == [([], QUEUES), (["second"], [])]


def test_a_message_that_is_not_run_is_passed_over(worker: Worker) -> None:
    worker.broker.waiting = [a_message(name) for name in ("unreadable", "revoked", "second")]
    with capture_logs() as lines:
        worker.apply("first")
        assert worker.wait(2) == ["first", "second"]
    assert [line["event"] for line in lines] == ["message_unreadable"]


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OperationalError("away"), ("broker_unavailable", ["(orderId=build)"])),
        (ValueError("no JSON"), ("turn_aborted", None)),
    ],
)
def test_an_error_ends_the_turn_of_a_thread_and_is_told(
    worker: Worker, error: Exception, told: tuple[str, list[str] | None]
) -> None:
    worker.broker.error = error
    worker.pool.intake = None
    worker.tasks["route"] = hand_on(a_message("build"))
    with capture_logs() as lines:
        worker.apply("route")
        worker.wait(1)
    assert [(line["event"], line.get("handed_on")) for line in lines] == [told]


def test_a_queue_that_is_not_consumed_gets_what_is_handed_on(worker: Worker) -> None:
    worker.consumed = ["intake"]
    worker.tasks["route"] = hand_on(a_message("build"))
    worker.apply("route")
    worker.wait(1)
    assert worker.broker.exchanges[0] == (["build"], ["intake"])


def test_several_jobs_of_one_delivery_all_run(worker: Worker) -> None:
    """For example when an operator's rate limit releases several at once."""
    worker.broker.waiting = [a_message("both")]
    worker.also = ["one", "more"]
    worker.apply("first")
    assert sorted(worker.wait(4)) == ["both", "first", "more", "one"]


def test_what_is_no_handover_is_not_held(worker: Worker) -> None:
    held = []
    worker.tasks["first"] = lambda: held.append(hold(a_message("retry")))
    worker.apply("first")
    worker.wait(1)
    assert held == [False]
    with handing_on():
        assert not hold(a_message("outside of a task"))


def test_the_answer_to_a_question_is_read_though_no_slot_is_free(worker: Worker) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def first() -> None:
        begun.set()
        assert go_on.wait(TIMEOUT_S)

    worker.tasks["first"] = first
    qos = SimpleNamespace(can_consume=None)
    channel = SimpleNamespace(qos=qos, is_asking=False)
    consumer = SimpleNamespace(
        pool=worker.pool, hub=None, task_consumer=SimpleNamespace(channel=channel)
    )
    feed = Feed(consumer)
    feed.start(consumer)
    worker.pool.intake = None
    assert qos.can_consume()
    worker.apply("first")
    assert begun.wait(TIMEOUT_S)
    assert not qos.can_consume()
    channel.is_asking = True
    assert qos.can_consume()
    go_on.set()
    worker.wait(1)
    feed.stop(consumer)


def test_a_thread_keeps_its_room_for_what_it_hands_on_and_leaves_it_after_that(
    worker: Worker,
) -> None:
    left: list[int] = []
    worker.tasks["route"] = hand_on(a_message("build"))
    worker.tasks["build"] = lambda: left.append(worker.broker.room.leavings)
    worker.broker.waiting = [a_message("other")]
    worker.tasks["other"] = lambda: left.append(worker.broker.room.leavings)
    worker.apply("route")
    assert worker.wait(3) == ["route", "build", "other"]
    assert left == [0, 1]


def test_without_room_no_message_is_taken_and_what_is_handed_on_is_sent(worker: Worker) -> None:
    worker.broker.waiting = [a_message("other")]

    def last() -> None:
        hand_on(a_message("confirm", eta="2026-11-25T00:00:00+00:00"))()
        worker.broker.room.left = False

    worker.tasks["submit"] = last
    worker.apply("submit")
    assert worker.ended.acquire(timeout=TIMEOUT_S)
    worker.pool.executor.shutdown(wait=True)
    assert not worker.pool.has_free_slot()
    assert worker.broker.exchanges == [(["confirm"], [])]
    worker.broker.room.left = True


def test_another_pool_is_left_alone() -> None:
    consumer = SimpleNamespace(pool=object())
    assert not Feed(consumer).include_if(consumer)
