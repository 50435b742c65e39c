"""A worker with ten slots: quoting holds a slot, waiting for settlement does not."""

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta

import pytest

from harness.waiting import wait_until
from orderengine.worker.pool import threads_for
from tests.e2e.stack import Following, Stack
from tests.e2e.timing import Span, at, logged_at, most_at_once

SLOTS = 10
THREADS = threads_for(SLOTS)
ORDERS = 25
MESSAGES = 2
"""Those of an order: its first, and the one for the first look at the network, which is put off."""
TASK_ENDED = re.compile(r"Task \w+\[[^]]+\] succeeded in (?P<ran_s>[\d.]+)s")


@pytest.fixture(scope="module")
def stack_environ() -> Mapping[str, str]:
    return {
        "SIM_QUOTE_LATENCY_MS": "600-600",  # a busy machine is slow to start ten; 1,000 is too late
        "SIM_SETTLEMENT_MS": "6000-6000",
        "LOG_LEVEL": "DEBUG",  # logs how long each task ran
    }


@pytest.fixture(scope="module")
def burst(stack: Stack) -> list[Following]:
    """More orders than twice the slots, all at once."""
    return stack.follow_many(stack.post_many(ORDERS))


def test_a_burst_of_orders_is_confirmed(burst: list[Following]) -> None:
    assert {(stream.statuses[-1], stream.code) for stream in burst} == {("confirmed", 1000)}


def test_ten_orders_are_quoted_at_the_same_time_and_never_more(
    stack: Stack, burst: list[Following]
) -> None:
    spans = list(_quoting(stack))
    assert len(spans) == len(burst)
    assert most_at_once(spans) == SLOTS


def test_the_worker_has_a_few_more_tasks_than_slots_at_the_same_time(
    stack: Stack, burst: list[Following]
) -> None:
    # The last task logs its end after its order's last event.
    wait_until(lambda: len(list(_running(stack))) >= MESSAGES * len(burst))
    spans = list(_running(stack))
    assert SLOTS <= most_at_once(spans) <= THREADS


def test_an_order_that_was_quoted_is_built_before_a_message_of_a_new_one_is_taken(
    burst: list[Following],
) -> None:
    spans = [(at(stream.events[1]), at(stream.events[2])) for stream in burst]
    assert SLOTS <= most_at_once(spans) <= THREADS, "those whose messages were taken go on"


def test_orders_that_wait_for_their_settlement_hold_no_slot(burst: list[Following]) -> None:
    assert most_at_once((at(s.events[3]), at(s.events[4])) for s in burst) == ORDERS
    last_submitted = max(at(stream.events[3]) for stream in burst)
    assert last_submitted < min(at(stream.events[4]) for stream in burst)


def _quoting(stack: Stack) -> Iterator[Span]:
    """The span of each route task, from its first log line to its last."""
    lines = [line for line in stack.log_lines("worker") if "order_id" in line]
    began = {line["order_id"]: logged_at(line) for line in lines if line.get("status") == "routing"}
    for line in lines:
        if line["event"] == "route_chosen":
            yield began[line["order_id"]], logged_at(line)


def _running(stack: Stack) -> Iterator[Span]:
    """The span of each message's task that returned, with the stages that it ran inline."""
    for line in stack.log_lines("worker"):
        match = TASK_ENDED.match(line["event"])
        if match:
            ended = logged_at(line)
            yield ended - timedelta(seconds=float(match["ran_s"])), ended
