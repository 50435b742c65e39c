"""The publisher, the cache, the heartbeat and their client on a real server."""

import time

import pytest
import redis
import structlog.testing

from harness.waiting import stretched, wait_until
from orderengine.execution.operations.counters import CounterName, Sample
from orderengine.local.redis_server import EmbeddedRedis
from orderengine.redis.breaker import Breaker
from orderengine.redis.client import create_client
from orderengine.stream.cache import RedisOrderCache
from orderengine.stream.heartbeat import Heartbeat
from orderengine.stream.messages import EVENTS_CHANNEL, order_key, published_text
from orderengine.stream.publisher import RedisEventPublisher
from tests.integration.streams import Stream, StreamFactory, frozen, make_stream, own_redis, stream
from tests.steps import FAIL, Walk

__all__ = ["make_stream", "own_redis", "stream"]


def test_terminal_states_are_cached_for_a_minute_and_open_ones_are_not(
    stream: Stream,
) -> None:
    walk = stream.walk()
    key = order_key(walk.order_id)

    def kept_ms() -> int:
        stream.publish(walk.first)  # again, in case its two seconds passed before the look
        return int(stream.client.pttl(key))

    wait_until(lambda: 0 < kept_ms() <= 2_000)
    stream.publish(walk.step(FAIL), walk.first)
    assert 50_000 < stream.client.pttl(key) <= 60_000


def test_what_the_cache_cannot_read_counts_as_not_cached(stream: Stream) -> None:
    walk = stream.walk()
    for held in ("", "1", "1 {}", '2 {"orderId":"x"}', b"\xff\xfe"):
        stream.client.set(order_key(walk.order_id), held)
        assert stream.cache.get(walk.order_id) is None
    stream.publish(walk.step(FAIL))
    assert stream.cache.get(walk.order_id) == walk.order


def calls(stream: Stream, command: str) -> int:
    """How often the server has run a command."""
    stats = stream.client.info("commandstats")
    assert isinstance(stats, dict)
    return int(stats.get(f"cmdstat_{command}", {}).get("calls", 0))


def test_one_command_publishes_and_caches(stream: Stream) -> None:
    stream.walk()
    stream.client.script_flush()
    before = calls(stream, "evalsha"), calls(stream, "eval")
    stream.walk()
    stream.walk()
    sent = calls(stream, "evalsha") - before[0], calls(stream, "eval") - before[1]
    assert sent == (2, 1)  # the first call loads the script


def test_a_dead_redis_costs_one_time_out_and_one_line_in_the_log(
    make_stream: StreamFactory, own_redis: EmbeddedRedis
) -> None:
    stream = make_stream(own_redis.url)
    walk = stream.walk()
    own_redis.kill()
    stream.breaker = Breaker(skip_s=60)
    publisher = RedisEventPublisher(stream.client, stream.breaker, stream.metrics)
    cache = RedisOrderCache(stream.client, stream.breaker)
    began = time.monotonic()
    with structlog.testing.capture_logs() as lines:
        for _ in range(1_000):
            publisher.publish(walk.first)
            assert cache.get(walk.order_id) is None
    assert time.monotonic() - began < stretched(2)
    assert [line["event"] for line in lines] == ["redis_unavailable"]
    assert stream.metrics.counts() == {Sample(CounterName.PUBLISH_FAILURES): 1_000}


def test_a_frozen_redis_is_given_up_in_time(
    make_stream: StreamFactory, own_redis: EmbeddedRedis
) -> None:
    stream = make_stream(own_redis.url, timeout_s=0.5)
    walk = stream.walk()
    with frozen(own_redis):
        began = time.monotonic()
        stream.publish(walk.first)
        assert time.monotonic() - began < stretched(1.5)


def test_connections_that_the_server_closed_cost_no_event(
    make_stream: StreamFactory, own_redis: EmbeddedRedis
) -> None:
    stream = make_stream(own_redis.url)
    walk = stream.walk()
    own_redis.kill()
    own_redis.start()
    stream.publish(walk.step(FAIL))
    assert stream.cache.get(walk.order_id) == walk.order


def test_a_command_that_fails_is_sent_once(redis_url: str) -> None:
    client = create_client(redis_url, 0.2)
    name = "tests-blocked"
    client.delete(name)
    began = time.monotonic()
    with pytest.raises(redis.TimeoutError):
        client.blpop([name], timeout=5)
    assert time.monotonic() - began < stretched(1)
    client.close()


def test_workers_are_alive_for_as_long_as_their_heart_beats(redis_url: str) -> None:
    client = create_client(redis_url, 1)
    heartbeat = Heartbeat(client)
    client.flushall()
    assert not heartbeat.is_alive()
    heartbeat.beat()
    assert heartbeat.is_alive()
    assert 0 < client.pttl("orderengine:worker:heartbeat") <= 5_000
    client.close()


def test_no_redis_is_no_heartbeat_and_no_error() -> None:
    heartbeat = Heartbeat(create_client("redis://127.0.0.1:1/0", 0.1))
    heartbeat.beat()
    assert heartbeat.is_alive() is False


def test_a_rediss_url_makes_connections_with_tls() -> None:
    client = create_client("rediss://:secret@redis.example:6380/0?ssl_cert_reqs=required", 0.2)
    assert client.connection_pool.connection_class is redis.SSLConnection
    connection = client.connection_pool.make_connection()
    assert isinstance(connection, redis.SSLConnection)
    assert (connection.retry.get_retries(), connection.socket_timeout) == (0, 0.2)


def test_a_redis_without_memory_still_carries_events(stream: Stream) -> None:
    listener = stream.client.pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call]
    listener.subscribe(EVENTS_CHANNEL)
    listener.get_message(timeout=1.0)
    stream.client.config_set("maxmemory", "1mb")
    try:
        with pytest.raises(redis.RedisError, match="memory"):
            stream.client.set("key", 1)
        walk = stream.walk()
    finally:
        stream.client.config_set("maxmemory", "0")
    heard = listener.get_message(timeout=2.0)
    listener.close()
    assert heard is not None
    assert heard["data"].decode() == published_text(walk.first)
    assert not stream.client.exists(order_key(walk.order_id))


def test_many_steps_are_published_in_their_order_by_one_command(stream: Stream) -> None:
    walks = [Walk(stream.orders) for _ in range(3)]
    steps = [walk.first for walk in walks] + [walks[1].step(FAIL)]
    listener = stream.client.pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call]
    listener.subscribe(EVENTS_CHANNEL)
    listener.get_message(timeout=5)
    before = calls(stream, "publish"), calls(stream, "evalsha")
    stream.publisher.publish_all(steps)
    heard: list[str] = []
    while len(heard) < len(steps):
        message = listener.get_message(timeout=5)
        if message is not None:
            heard.append(message["data"].decode())
    assert heard == [published_text(each) for each in steps]
    sent = calls(stream, "publish") - before[0], calls(stream, "evalsha") - before[1]
    assert sent == (4, 1)
    assert [stream.cache.get(walk.order_id) for walk in walks] == [walk.order for walk in walks]
    assert 50_000 < stream.client.pttl(order_key(walks[1].order_id)) <= 60_000
    listener.close()


def test_what_many_lose_is_counted_for_each(
    make_stream: StreamFactory, own_redis: EmbeddedRedis
) -> None:
    stream = make_stream(own_redis.url)
    steps = [Walk(stream.orders).first for _ in range(3)]
    stream.publisher.publish_all([])
    own_redis.kill()
    stream.publisher.publish_all(steps)
    stream.publisher.publish_all(steps)
    assert stream.metrics.counts() == {Sample(CounterName.PUBLISH_FAILURES): 6}
