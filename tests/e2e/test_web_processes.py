"""Two web processes behind one port: each of them reports the figures of both."""

import os
import signal
from collections.abc import Iterator, Mapping

import psutil
import pytest
from sqlalchemy import Engine, text

from harness.waiting import wait_until
from orderengine.bootstrap.common import WEB_CONNECTIONS
from tests.e2e.metrics import told_by
from tests.e2e.stack import Stack

PROCESSES = 2
ORDERS = 20
ACCEPTED = "orderengine_orders_accepted_total"


@pytest.fixture(scope="module")
def stack_environ() -> Mapping[str, str]:
    return {"WEB_CONCURRENCY": str(PROCESSES), "SIM_SETTLEMENT_MS": "0-0"}


def web_processes(stack: Stack) -> list[int]:
    return [child.pid for child in psutil.Process(stack.pid("web")).children()]


def asked_often(stack: Stack) -> Iterator[float]:
    """The counter, read over enough connections that both processes have answered."""
    for _ in range(20):
        yield told_by(stack)[ACCEPTED]


def test_each_process_tells_the_orders_of_both(stack: Stack, stack_database: Engine) -> None:
    stack.post_many(ORDERS)
    assert set(asked_often(stack)) == {ORDERS}
    asked = text("SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE :name")

    def is_within() -> bool:
        # A connection that was replaced is counted until its backend has ended.
        with stack_database.connect() as connection:
            open_now = connection.execute(asked, {"name": "orderengine-web%"}).scalar_one()
        return 0 < int(open_now) <= WEB_CONNECTIONS

    wait_until(is_within)


def test_a_process_that_is_killed_takes_no_count_with_it(stack: Stack) -> None:
    before = told_by(stack)[ACCEPTED]
    victim = web_processes(stack)[0]
    os.kill(victim, signal.SIGKILL)

    def is_replaced() -> bool:
        running = web_processes(stack)
        return victim not in running and len(running) == PROCESSES and stack.is_ready()

    wait_until(is_replaced, 30.0)
    stack.post_many(1)
    assert set(asked_often(stack)) == {before + 1}


def test_open_sockets_of_both_are_added_up(stack: Stack) -> None:
    (order_id,) = stack.post_many(1)
    stack.kill("worker", signal.SIGSTOP)
    try:
        (waiting,) = stack.post_many(1)
        with stack.socket(waiting), stack.socket(waiting), stack.socket(waiting):
            wait_until(lambda: told_by(stack)["orderengine_open_sockets"] == 3, 15.0)
        wait_until(lambda: told_by(stack)["orderengine_open_sockets"] == 0, 15.0)
    finally:
        stack.kill("worker", signal.SIGCONT)
    assert stack.follow(order_id).statuses[-1] == "confirmed"
