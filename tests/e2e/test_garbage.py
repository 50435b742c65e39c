"""Malformed messages: the worker drops, counts and logs each one once, and keeps working."""

import re
import signal
from collections.abc import Iterator, Mapping, Sequence
from uuid import uuid4

import pytest
import redis

from chaos.garbage import commands, unfit, unreadable
from harness.waiting import wait_until
from orderengine.dispatch.app import create_celery
from tests.e2e.stack import Document, Stack

LIMIT_S = 60.0
DROPPED = re.compile(r"^orderengine_messages_dropped_total\{.*\} (\S+)$", re.MULTILINE)
ORDER_ID = str(uuid4())
GARBAGE = {
    queue: [*unreadable(queue).values(), *unfit(queue, ORDER_ID).values()]
    for queue in ("intake", "settle")
}


@pytest.fixture(scope="module")
def stack_environ() -> Mapping[str, str]:
    return {
        "ORDER_CONCURRENCY": "1",
        "RECOVERY_INTERVAL_MS": "200",  # also tells the counts
        "SIM_QUOTE_LATENCY_MS": "20-30",
        "SIM_SETTLEMENT_MS": "100-200",
    }


@pytest.fixture
def broker(stack_redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(stack_redis_url) as client:
        yield client


def dropped(stack: Stack) -> list[Document]:
    return [line for line in stack.log_lines("worker") if line["event"] == "message_dropped"]


def counted(stack: Stack) -> float:
    return sum(float(number) for number in DROPPED.findall(stack.text("/metrics")))


def assert_dropped(stack: Stack, before: Sequence[Document], count: int) -> None:
    """Assert that `count` more were dropped, logged once and counted, and the worker works."""

    def is_done() -> bool:
        assert stack.is_running("worker"), stack.tail("worker")
        return len(dropped(stack)) >= len(before) + count

    wait_until(is_done, LIMIT_S)
    order_id = stack.post("AAPL", "buy", "1")
    assert stack.follow(order_id).statuses[-1] == "confirmed"
    assert len(dropped(stack)) == len(before) + count
    wait_until(lambda: counted(stack) == len(dropped(stack)), LIMIT_S, pause_s=0.2)
    assert "Unrecoverable" not in stack.logs("worker")


@pytest.mark.parametrize("queue", GARBAGE)
def test_what_a_worker_at_rest_takes_is_dropped(
    stack: Stack, broker: redis.Redis, queue: str
) -> None:
    before = dropped(stack)
    for message in GARBAGE[queue]:
        broker.lpush(queue, message)
    assert_dropped(stack, before, len(GARBAGE[queue]))


@pytest.mark.parametrize("queue", GARBAGE)
def test_what_waits_between_orders_is_dropped(
    stack: Stack, broker: redis.Redis, queue: str
) -> None:
    before = dropped(stack)
    stack.kill("worker", signal.SIGSTOP)
    order_ids = [stack.post("AAPL", "buy", "1")]
    for message in GARBAGE[queue]:
        broker.lpush(queue, message)
    order_ids.append(stack.post("AAPL", "buy", "1"))
    stack.kill("worker", signal.SIGCONT)
    for following in stack.follow_many(order_ids):
        assert following.statuses[-1] == "confirmed"
    assert_dropped(stack, before, len(GARBAGE[queue]))


def test_a_message_that_names_an_order_is_told_with_it(stack: Stack, broker: redis.Redis) -> None:
    before, wrong = dropped(stack), unfit("intake", ORDER_ID).values()
    for message in wrong:
        broker.lpush("intake", message)
    assert_dropped(stack, before, len(wrong))
    assert {line.get("order_id") for line in dropped(stack)[len(before) :]} == {ORDER_ID}


def test_a_command_that_is_none_ends_no_worker(
    stack: Stack, broker: redis.Redis, stack_redis_url: str
) -> None:
    number = stack_redis_url.rpartition("/")[2]
    for message in commands().values():
        # Celery subscribes again after some of them.
        wait_until(lambda: broker.publish(f"/{number}.celery.pidbox", message) >= 1)  # noqa: B023
    with create_celery(stack_redis_url).connection_for_write() as connection:
        control = create_celery(stack_redis_url).control
        wait_until(lambda: bool(control.ping(timeout=2, connection=connection)), LIMIT_S)
    assert_dropped(stack, dropped(stack), 0)
