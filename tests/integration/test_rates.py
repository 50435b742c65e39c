"""Rates in Redis: one count for all processes, and one per process while Redis is down."""

import redis

from orderengine.execution.intake.limits import MemoryRates
from orderengine.redis.breaker import Breaker
from orderengine.redis.client import create_client
from orderengine.stream.messages import rate_key
from orderengine.stream.rates import RedisRates


def rates(url: str) -> RedisRates:
    return RedisRates(create_client(url, 0.5), Breaker(), MemoryRates(lambda: 0.0))


def test_all_processes_count_together_and_forget(redis_url: str, redis_client: redis.Redis) -> None:
    one, other = rates(redis_url), rates(redis_url)
    assert [one.count("key:a"), other.count("key:a"), one.count("key:b")] == [1, 2, 1]
    assert [one.count("key:a", 10), other.count("key:c", 5), one.count("key:c")] == [12, 5, 6]
    assert 0 < int(redis_client.pttl(rate_key("key:c"))) <= 1000
    left_ms = redis_client.pttl(rate_key("key:a"))
    assert isinstance(left_ms, int)
    assert 0 < left_ms <= 1000


def test_without_redis_each_process_counts_for_itself() -> None:
    nowhere = rates("redis://127.0.0.1:1/0")
    assert [nowhere.count("a") for _ in range(3)] == [1, 2, 3]
    assert [nowhere.count("a", 10), nowhere.count("b", 2)] == [13, 2]
