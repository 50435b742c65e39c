"""The log lines of a running stack about an order, and Flower's view of it."""

import json
import re
import signal
import urllib.request
from collections.abc import Mapping
from contextlib import closing
from secrets import token_hex

import pytest
import redis

from harness.waiting import wait_until
from orderengine.local.ports import LOOPBACK
from orderengine.local.redis_server import EmbeddedRedis
from tests.e2e.flower import flower_port
from tests.e2e.stack import Document, Stack, next_event

BEGINS_WITH_ORDER = re.compile(r"\((orderId=)?'?[0-9a-f-]{36}'?, (version=)?\d+")
STAGES = {"route", "build", "submit", "confirm"}


@pytest.fixture(scope="module")
def stack_redis_url(own_redis: EmbeddedRedis) -> str:
    return own_redis.url


@pytest.fixture(scope="module")
def stack_environ() -> Mapping[str, str]:
    return {
        "SIM_SETTLEMENT_MS": "900-1100",  # long enough to kill a worker meanwhile
        "SIM_DRIFT_BPS": "20-20",
        "RECOVERY_AFTER_MS": "1500",
        "RECOVERY_INTERVAL_MS": "200",
        "FLOWER_PORT": str(flower_port()),
        "FLOWER_UNAUTHENTICATED_API": "true",
    }


def of_order(stack: Stack, order_id: str) -> list[Document]:
    return [line for line in stack.log_lines("worker") if line.get("order_id") == order_id]


def place(stack: Stack, request_id: str, **more: object) -> tuple[str, str]:
    """Place an order with this request id; returns the order's id, and the answer's request id."""
    order = {"symbol": "AAPL", "side": "buy", "quantity": 1, **more}
    request = urllib.request.Request(  # noqa: S310
        f"{stack.url}/api/orders/execute",
        data=json.dumps(order).encode(),
        headers={"Content-Type": "application/json", "X-Request-Id": request_id},
    )
    with urllib.request.urlopen(request) as answer:  # noqa: S310
        return json.load(answer)["orderId"], answer.headers["X-Request-Id"]


def test_every_line_of_an_order_says_which_attempt_stage_and_request(stack: Stack) -> None:
    request_id = f"req-{token_hex(4)}"
    order_id, answered = place(stack, request_id)
    assert answered == request_id
    assert stack.follow(order_id).statuses[-1] == "confirmed"
    wait_until(lambda: any(line.get("status") == "confirmed" for line in of_order(stack, order_id)))
    lines = of_order(stack, order_id)
    assert {line["stage"] for line in lines} == STAGES
    for line in lines:
        assert (line["attempt"], line["request_id"]) == (1, request_id), line
    (accepted,) = [
        line
        for line in stack.log_lines("web")
        if line.get("event") == "order_accepted" and line["order_id"] == order_id
    ]
    assert (accepted["stage"], accepted["request_id"]) == ("accept", request_id)


def test_later_attempts_keep_the_request_and_tell_their_number(stack: Stack) -> None:
    order_id, _ = place(stack, "req-retried", slippageBps=0)
    assert stack.follow(order_id).statuses[-1] == "failed"
    wait_until(lambda: any(line.get("order_failed") for line in of_order(stack, order_id)))
    lines = of_order(stack, order_id)
    assert {line["attempt"] for line in lines} == {1, 2, 3}
    assert {line["request_id"] for line in lines} == {"req-retried"}
    reasons = [line["reason"] for line in lines if line["event"] == "attempt_failed"]
    assert reasons == ["SLIPPAGE_EXCEEDED"] * 3


def test_an_order_that_was_brought_back_keeps_its_request(stack: Stack) -> None:
    order_id, _ = place(stack, "req-killed")
    with stack.socket(order_id) as client:
        while next_event(client)["status"] != "routing":
            pass
    stack.restart("worker", signal.SIGKILL)
    assert stack.follow(order_id).statuses[-1] == "confirmed"
    wait_until(lambda: any(line.get("status") == "confirmed" for line in of_order(stack, order_id)))
    lines = of_order(stack, order_id)
    assert {"recovery", *STAGES} <= {line["stage"] for line in lines}
    assert {line["request_id"] for line in lines} == {"req-killed"}


def test_a_routing_decision_is_one_line_with_both_quotes(stack: Stack) -> None:
    order_id, _ = place(stack, "not a request id!")
    stack.follow(order_id)
    (line,) = [line for line in of_order(stack, order_id) if line["event"] == "route_chosen"]
    assert {quote["dex"] for quote in line["quotes"]} == {"raydium", "meteora"}
    assert line["dex"] in {"raydium", "meteora"}
    assert line["routeDetail"]
    assert line["request_id"] != "not a request id!"


def tasks_of(order_id: str) -> list[Document]:
    """The tasks of an order, from Flower's API."""
    url = f"http://{LOOPBACK}:{flower_port()}/api/tasks?search={order_id}"
    with urllib.request.urlopen(url, timeout=5) as answer:
        told: dict[str, Document] = json.load(answer)
    return sorted(told.values(), key=lambda task: float(task["received"] or 0))


def watched_by_flower(stack: Stack) -> list[Document]:
    """Place orders until Flower has seen all tasks of one; returns its tasks."""
    seen: list[Document] = []

    def is_seen() -> bool:
        order_id = stack.post("AAPL", "buy", "1")
        stack.follow(order_id)
        try:
            seen[:] = tasks_of(order_id)
        except OSError:
            return False
        return {task["name"] for task in seen} >= {"route_order", "confirm_order"}

    wait_until(is_seen, 40.0)
    return seen


def test_flower_shows_tasks_by_their_orders_and_outlives_worker_and_broker(
    stack: Stack, own_redis: EmbeddedRedis
) -> None:
    stack.start_line("flower")
    tasks = watched_by_flower(stack)
    assert {task["name"] for task in tasks} == {
        "route_order",
        "build_order",
        "submit_order",
        "confirm_order",
    }
    assert all(BEGINS_WITH_ORDER.match(task["args"]) for task in tasks)
    failing = stack.post("AAPL", "buy", "1", slippageBps=0)
    assert stack.follow(failing).statuses[-1] == "failed"
    wait_until(lambda: {task["state"] for task in tasks_of(failing)} == {"SUCCESS"})
    results = [task["result"] for task in tasks_of(failing) if task["name"] == "confirm_order"]
    assert [result.partition(":")[0] for result in results] == ["chain ended"] * 3
    stack.restart("worker")
    assert watched_by_flower(stack)
    own_redis.kill()
    own_redis.start()
    with closing(redis.Redis.from_url(own_redis.url)) as client:
        wait_until(client.ping)
    assert watched_by_flower(stack)
    assert stack.is_running("flower")
