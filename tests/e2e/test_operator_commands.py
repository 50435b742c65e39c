"""An operator's commands to a running worker, which must not harm orders."""

import json
from base64 import b64decode
from collections.abc import Iterator
from typing import Any

import pytest
import redis

from harness.waiting import wait_until
from orderengine.dispatch.app import create_celery
from tests.e2e.stack import Stack

LIMIT_S = 60.0
QUESTION = "BRPOP settle intake 1"
STAGES = ["route_order", "build_order", "submit_order", "confirm_order"]


@pytest.fixture
def control(stack: Stack) -> Iterator[Any]:
    app = create_celery(stack.redis_url)
    yield app.control
    app.close()


@pytest.fixture
def events(stack: Stack) -> Iterator[Any]:
    """The channel on which workers send the events of their tasks."""
    number = stack.redis_url.rpartition("/")[2]
    with redis.Redis.from_url(stack.redis_url) as client, client.pubsub() as channel:
        channel.psubscribe(f"/{number}.celeryev/task*")
        yield channel


def answer(control: Any, command: str, **arguments: object) -> Any:
    """The answer of the one worker."""
    answers: list[Any] = []

    def asks() -> bool:
        answers[:] = control.broadcast(command, arguments=arguments, reply=True, timeout=2, limit=1)
        return bool(answers)

    wait_until(asks, LIMIT_S)
    return next(iter(answers[0].values()))


def test_a_limit_of_a_rate_is_refused_and_orders_go_on(stack: Stack, control: Any) -> None:
    assert "error" in answer(control, "rate_limit", task_name="route_order", rate_limit="1/h")
    order_ids = stack.post_many(6)
    assert {each.statuses[-1] for each in stack.follow_many(order_ids)} == {"confirmed"}
    with redis.Redis.from_url(stack.redis_url) as client:
        assert not client.exists("intake", "settle")


def test_a_queue_that_was_left_and_taken_again_keeps_its_place(stack: Stack, control: Any) -> None:
    asked: dict[str, set[str]] = {}
    for command in ("cancel_consumer", "add_consumer"):
        assert "ok" in answer(control, command, queue="settle")
        asked[command] = next_question(stack.redis_url, "settle" if command[0] == "a" else "intake")
    assert asked == {"cancel_consumer": {"BRPOP intake 1"}, "add_consumer": {QUESTION}}
    assert stack.is_running("worker")


def next_question(url: str, queue: str) -> set[str]:
    """The next BRPOP command of the worker that names this queue."""
    number = int(url.rpartition("/")[2])
    with redis.Redis.from_url(url, socket_timeout=LIMIT_S) as client, client.monitor() as monitor:
        for seen in monitor.listen():
            command = str(seen["command"])
            if seen["db"] == number and command.startswith("BRPOP ") and queue in command:
                return {command}
    return set()


def test_the_events_of_tasks_end_when_nobody_asks_for_them_any_more(
    stack: Stack, control: Any, events: Any
) -> None:
    assert "ok" in answer(control, "enable_events")
    stack.follow(stack.post("AAPL", "buy", "1"))
    wait_until(lambda: is_told(events), LIMIT_S)
    wait_until(lambda: "task_events_off" in stack.logs("worker"), 2 * LIMIT_S, pause_s=0.1)
    while is_told(events):
        pass
    stack.follow(stack.post("AAPL", "buy", "1"))
    assert "ok" in answer(control, "ping")  # earlier events have arrived by now
    assert not is_told(events)


def test_who_watches_the_tasks_sees_one_a_stage_from_start_to_end(
    stack: Stack, control: Any, events: Any
) -> None:
    assert "ok" in answer(control, "enable_events")
    order_id = stack.post("AAPL", "buy", "1")
    told = Told(events, order_id)
    stack.follow(order_id)
    wait_until(lambda: told.ended() == STAGES, LIMIT_S)


class Told:
    """The events of tasks that the workers sent since this was made, of one order alone."""

    def __init__(self, channel: Any, order_id: str) -> None:
        self._channel = channel
        self._order_id = order_id
        self._names: dict[str, str] = {}
        self._kinds: dict[str, list[str]] = {}

    def ended(self) -> list[str]:
        """The names of the tasks that were received, have started and have succeeded."""
        while (message := self._channel.get_message(timeout=0.1)) is not None:
            if message["type"] == "pmessage":
                self._note(json.loads(b64decode(json.loads(message["data"])["body"])))
        whole = {"task-received", "task-started", "task-succeeded"}
        return [name for uuid, name in self._names.items() if whole <= set(self._kinds[uuid])]

    def _note(self, events: Any) -> None:
        for event in events if isinstance(events, list) else [events]:
            self._kinds.setdefault(event["uuid"], []).append(event["type"])
            if event["type"] == "task-received" and self._order_id in event["args"]:
                self._names[event["uuid"]] = event["name"]


def is_told(events: Any) -> bool:
    """Whether an event of a task can be read."""
    while (message := events.get_message(timeout=0.1)) is not None:
        if message["type"] == "pmessage":
            return True
    return False
