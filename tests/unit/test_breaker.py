"""The circuit breaker between the process and Redis."""

import threading
from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any

import pytest
import structlog.testing

from orderengine.redis.breaker import STEADY_S, Breaker

GONE = ConnectionError("gone")


@dataclass
class Seconds:
    """A monotonic clock that moves only when told."""

    now: float = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
def breaker(seconds: Seconds) -> Breaker:
    return Breaker(skip_s=1.0, clock=seconds)


def test_it_allows_everything_until_something_fails(breaker: Breaker) -> None:
    assert all(breaker.allows() for _ in range(10))


def test_after_a_failure_redis_is_skipped_for_a_second(breaker: Breaker, seconds: Seconds) -> None:
    breaker.failed(GONE)
    assert not breaker.allows()
    seconds.now += 0.999
    assert not breaker.allows()
    seconds.now += 0.001
    assert breaker.allows()


def test_only_one_caller_tries_whether_redis_is_back(breaker: Breaker, seconds: Seconds) -> None:
    breaker.failed(GONE)
    seconds.now += 1.0
    assert [breaker.allows() for _ in range(3)] == [True, False, False]


def test_a_caller_that_never_reports_does_not_close_the_way(
    breaker: Breaker, seconds: Seconds
) -> None:
    breaker.failed(GONE)
    seconds.now += 1.0
    assert breaker.allows()
    seconds.now += 1.0
    assert breaker.allows()


def test_an_answer_ends_the_outage(breaker: Breaker, seconds: Seconds) -> None:
    breaker.failed(GONE)
    seconds.now += 1.0
    assert breaker.allows()
    breaker.succeeded()
    assert all(breaker.allows() for _ in range(10))


def test_an_outage_is_logged_once_however_many_calls_fail(
    breaker: Breaker, seconds: Seconds
) -> None:
    with structlog.testing.capture_logs() as lines:
        for _ in range(5):
            breaker.failed(GONE)
            seconds.now += 1.0
            breaker.succeeded()  # for example a read while writes are refused
        seconds.now += STEADY_S
        breaker.succeeded()
        breaker.succeeded()
        breaker.failed(GONE)
    assert _events(lines) == ["redis_unavailable", "redis_available", "redis_unavailable"]


def test_of_many_threads_one_tries(breaker: Breaker, seconds: Seconds) -> None:
    breaker.failed(GONE)
    seconds.now += 1.0
    start = threading.Barrier(8)
    allowed: list[bool] = []

    def ask() -> None:
        start.wait()
        allowed.append(breaker.allows())

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert allowed.count(True) == 1


def _events(lines: list[MutableMapping[str, Any]]) -> list[str]:
    return [line["event"] for line in lines]
