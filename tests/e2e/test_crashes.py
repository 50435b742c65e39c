"""Whichever process dies, an order ends once and is executed at most once."""

import signal
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack

import pytest
import redis
from sqlalchemy import Engine

from harness.waiting import stretched, wait_until
from orderengine.local.redis_server import EmbeddedRedis
from tests.e2e.ledger import executions, open_orders, switch_network
from tests.e2e.metrics import told_by
from tests.e2e.stack import Following, Stack, next_event, rest
from tests.integration.streams import frozen

STAGES = {"pending", "routing", "building", "submitted"}


@pytest.fixture(scope="module")
def stack_redis_url(own_redis: EmbeddedRedis) -> str:
    return own_redis.url


@pytest.fixture(scope="module")
def stack_environ() -> Mapping[str, str]:
    # Few slots and slow settlement: orders stay in each stage until the test has seen them there.
    return {
        "ORDER_CONCURRENCY": "3",
        "SIM_QUOTE_LATENCY_MS": "400-400",
        "SIM_SETTLEMENT_MS": "3000-3000",
        "RECOVERY_AFTER_MS": "1500",
        "RECOVERY_INTERVAL_MS": "200",
    }


def assert_each_executed_once(
    streams: Sequence[Following], order_ids: Sequence[str], database: Engine
) -> None:
    """Assert that all are confirmed, no stream has a gap, and the network's ledger agrees."""
    for order_id, stream in zip(order_ids, streams, strict=True):
        assert stream.seqs == list(range(1, len(stream.seqs) + 1)), order_id
        assert (stream.statuses[-1], stream.code) == ("confirmed", 1000), order_id
    executed = executions(database)
    assert [executed[order_id] for order_id in order_ids] == [1] * len(order_ids)


def test_a_web_process_that_goes_down_says_so_and_its_clients_miss_nothing(
    stack: Stack,
) -> None:
    order_ids = stack.post_many(6)
    with ExitStack() as sockets:
        clients = [sockets.enter_context(stack.socket(order_id)) for order_id in order_ids]
        seen = [[next_event(client), next_event(client)] for client in clients]
        stack.kill("web", signal.SIGTERM)
        cut = [rest(client) for client in clients]
    assert stack.wait("web", timeout_s=5.0) == "exit code 0"
    stack.restart("web")
    for order_id, first, then in zip(order_ids, seen, cut, strict=True):
        assert then.code == 1012
        before = [event["seq"] for event in first] + then.seqs
        last = stack.follow(order_id, after=before[-1])
        assert before + last.seqs == list(range(1, last.seqs[-1] + 1))
        assert last.statuses[-1] == "confirmed"
        assert last.code == 1000


def test_orders_are_accepted_while_redis_does_not_answer_and_finish_when_it_does(
    stack: Stack, own_redis: EmbeddedRedis, stack_database: Engine
) -> None:
    postponed = stack.logs("worker").count("recovery_postponed")
    order_ids = []
    with frozen(own_redis):
        for _ in range(3):
            started = time.monotonic()
            order_ids.append(stack.post("AAPL", "buy", "1"))
            assert time.monotonic() - started < stretched(1.0)
        assert stack.order(order_ids[0])["status"] == "pending"
        assert stack.get("/readyz")["degraded"] == ["redis", "worker"]
        wait_until(lambda: told_by(stack)['orderengine_up{dependency="redis"}'] == 0)
        wait_until(lambda: stack.logs("worker").count("recovery_postponed") > postponed)
    assert_each_executed_once(stack.follow_many(order_ids), order_ids, stack_database)


def test_redis_loses_everything_in_mid_flight_and_no_order_is_lost(
    stack: Stack, own_redis: EmbeddedRedis, stack_database: Engine
) -> None:
    order_ids = stack.post_many(25)
    with stack.following(order_ids) as following:
        wait_until(lambda: open_orders(stack_database).keys() >= {"pending", "submitted"})
        with redis.Redis.from_url(own_redis.url) as client:
            client.flushall()
        assert open_orders(stack_database)["pending"] > 0
        flushed = time.monotonic()
        streams = [each.result() for each in following]
    assert time.monotonic() - flushed < stretched(25.0)
    assert_each_executed_once(streams, order_ids, stack_database)


def test_a_worker_is_killed_with_orders_in_every_stage_and_each_is_executed_once(
    stack: Stack, stack_database: Engine
) -> None:
    order_ids = stack.post_many(4)
    wait_until(lambda: open_orders(stack_database) == {"submitted": 4})
    # Without the network nothing can be signed, so that orders stay `building`.
    switch_network(stack_database, up=False)
    order_ids += stack.post_many(26)
    with stack.following(order_ids) as following:
        wait_until(lambda: open_orders(stack_database).keys() == STAGES)
        stack.kill("worker", signal.SIGKILL)
        assert stack.wait("worker") == "signal SIGKILL"
        assert open_orders(stack_database).keys() == STAGES
        switch_network(stack_database, up=True)
        stack.restart("worker")
        streams = [each.result() for each in following]
    assert_each_executed_once(streams, order_ids, stack_database)


def test_no_log_and_no_answer_tells_a_password(stack: Stack) -> None:
    stack.post("AAPL", "buy", "1")
    assert stack.leaked_passwords() == []
