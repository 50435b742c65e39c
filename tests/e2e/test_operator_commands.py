"""An operator's commands to a running worker, which must not harm orders."""

from collections.abc import Iterator
from typing import Any

import pytest
import redis

from harness.waiting import wait_until
from orderengine.dispatch.app import create_celery
from tests.e2e.stack import Stack

LIMIT_S = 60.0
QUESTION = "BRPOP settle intake 1"


@pytest.fixture
def control(stack: Stack) -> Iterator[Any]:
    app = create_celery(stack.redis_url)
    yield app.control
    app.close()


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
    stack: Stack, control: Any
) -> None:
    number = stack.redis_url.rpartition("/")[2]
    with redis.Redis.from_url(stack.redis_url) as client, client.pubsub() as events:
        events.psubscribe(f"/{number}.celeryev/task*")
        assert "ok" in answer(control, "enable_events")
        stack.follow(stack.post("AAPL", "buy", "1"))
        wait_until(lambda: is_told(events), LIMIT_S)
        wait_until(lambda: "task_events_off" in stack.logs("worker"), 2 * LIMIT_S, pause_s=0.1)
        while is_told(events):
            pass
        stack.follow(stack.post("AAPL", "buy", "1"))
        assert "ok" in answer(control, "ping")  # earlier events have arrived by now
        assert not is_told(events)


def is_told(events: Any) -> bool:
    """Whether an event of a task can be read."""
    while (message := events.get_message(timeout=0.1)) is not None:
        if message["type"] == "pmessage":
            return True
    return False
