"""Redis answers with an error: no worker ends, and each works again without a restart."""

import signal
from collections.abc import Iterator, Mapping

import pytest

from chaos.refusals import REFUSALS, Administrator
from harness.waiting import wait_until
from orderengine.local.redis_server import EmbeddedRedis
from tests.e2e.stack import Stack

LIMIT_S = 60.0
# One for each way in which a worker meets the error; `make chaos-quick` tries all of them.
WHILE_IT_WORKS = ("a demotion", "no right to take", "a full disk")
WHEN_IT_STARTS = ("no memory", "another password")
WAITS = "worker_waits_for_broker"
GOES_ON = "worker_resumed"


@pytest.fixture(scope="module")
def stack_environ() -> Mapping[str, str]:
    return {
        "SIM_QUOTE_LATENCY_MS": "20-30",
        "SIM_SETTLEMENT_MS": "100-200",
        "RECOVERY_AFTER_MS": "1500",
        "RECOVERY_INTERVAL_MS": "200",
    }


@pytest.fixture(scope="module")
def stack_redis_url(own_redis: EmbeddedRedis) -> str:
    return own_redis.url


@pytest.fixture(scope="module")
def admin(own_redis: EmbeddedRedis, stack: Stack) -> Iterator[Administrator]:
    del stack
    administrator = Administrator(own_redis)
    with administrator.client:
        yield administrator


def causes(stack: Stack) -> list[str]:
    return [line["cause"] for line in stack.log_lines("worker") if line["event"] == WAITS]


def tells(stack: Stack, cause: str, before: int) -> bool:
    assert stack.is_running("worker"), stack.tail("worker")
    return cause in causes(stack)[before:]


@pytest.mark.parametrize("name", WHILE_IT_WORKS)
def test_a_worker_waits_until_redis_does_as_it_is_asked(
    stack: Stack, admin: Administrator, name: str
) -> None:
    refusal = REFUSALS[name]
    before, went_on = len(causes(stack)), stack.logs("worker").count(GOES_ON)
    with refusal.by(admin):
        wait_until(lambda: tells(stack, refusal.cause, before), LIMIT_S)
        order_id = stack.post("AAPL", "buy", "1")
    assert stack.follow(order_id).statuses[-1] == "confirmed"
    wait_until(lambda: stack.logs("worker").count(GOES_ON) > went_on, LIMIT_S)
    assert stack.is_running("worker")
    told = causes(stack)[before:]
    assert len(told) == len(set(told)), "each cause is told once"


@pytest.mark.parametrize("name", WHEN_IT_STARTS)
def test_a_worker_that_starts_waits_too(stack: Stack, admin: Administrator, name: str) -> None:
    refusal = REFUSALS[name]
    stack.kill("worker")
    stack.wait("worker")
    before = len(causes(stack))
    with refusal.by(admin):
        stack.start_line("worker")
        wait_until(lambda: tells(stack, refusal.cause, before), LIMIT_S)
        order_id = stack.post("AAPL", "buy", "1")
    assert stack.follow(order_id).statuses[-1] == "confirmed"
    assert stack.is_running("worker")


def test_a_worker_that_waits_ends_when_it_is_told_to(stack: Stack, admin: Administrator) -> None:
    before = len(causes(stack))
    with REFUSALS["a demotion"].by(admin):
        wait_until(lambda: tells(stack, "read_only_replica", before), LIMIT_S)
        stack.kill("worker", signal.SIGTERM)
        assert stack.wait("worker") == "exit code 0"
    stack.restart("worker")
