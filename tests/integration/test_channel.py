"""The channel over which a process sends and takes messages: several in one exchange."""

import base64
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
import redis
from kombu import Connection
from kombu.exceptions import OperationalError

from harness.waiting import wait_until
from orderengine.dispatch.dispatcher import CeleryDispatcher
from orderengine.domain.moves import RoutingCause
from orderengine.fastlane.app import create_fast_celery
from orderengine.fastlane.messages import queue_of
from orderengine.fastlane.transport import Channel
from orderengine.redis.breaker import Breaker
from tests.servers import Servers


def test_a_message_of_a_release_before_is_still_read(redis_url: str) -> None:
    """Its body is JSON in base64, and a worker's answer to an operator may hold a time."""
    channel: Any = create_fast_celery(redis_url).connection_for_read().default_channel
    text = '[[{"__type__": "datetime", "__value__": "2026-11-25T00:00:00+00:00"}]]'
    raw: dict[str, Any] = {
        "body": base64.b64encode(text.encode()).decode(),
        "content-type": "application/json",
    }
    raw |= {"content-encoding": "utf-8", "headers": {}}
    raw["properties"] = {"body_encoding": "base64", "delivery_tag": "t"}
    message = channel.Message(raw, channel=channel)
    assert message.decode() == [[datetime(2026, 11, 25, tzinfo=UTC)]]


def test_a_channel_keeps_one_client_and_sends_to_the_queue_of_the_exchange(redis_url: str) -> None:
    with create_fast_celery(redis_url).connection_for_write() as connection:
        channel = connection.default_channel
        assert type(channel) is Channel
        with channel.conn_or_acquire() as first, channel.conn_or_acquire() as second:
            assert first is second
        assert channel._lookup("settle", "settle") == ["settle"]


def test_a_message_that_is_taken_is_noted_nowhere(
    redis_client: redis.Redis, redis_url: str
) -> None:
    create_fast_celery(redis_url).send_task("route_order", queue="intake")
    with create_fast_celery(redis_url).connection_for_read() as connection:
        message = connection.SimpleQueue("intake", no_ack=False).get(timeout=2)
        assert message.headers["task"] == "route_order"
        assert not redis_client.exists("unacked", "unacked_index")


@pytest.mark.usefixtures("redis_client")
def test_a_message_that_an_ending_worker_puts_back_is_taken_again(redis_url: str) -> None:
    """It arrives after the worker has left its queues; the previous release puts it back too."""
    app = create_fast_celery(redis_url)
    CeleryDispatcher(app, Breaker(0.0)).route(uuid4(), 1, RoutingCause.ORDER)
    sent = app.exchange((), ["intake"])
    with app.connection_for_read() as connection:
        _ = connection.default_channel
        connection.transport._deliver(sent, "intake")
    again = app.exchange((), ["intake"])
    assert again is not None
    assert sent is not None
    assert (again["headers"], again["body"]) == (sent["headers"], sent["body"])


def test_an_exchange_sends_and_takes_the_oldest_of_the_first_queue_that_has_any(
    redis_client: redis.Redis, redis_url: str
) -> None:
    app = create_fast_celery(redis_url)
    dispatcher = CeleryDispatcher(app, Breaker(0.0))
    orders = [uuid4() for _ in range(3)]
    for order_id in orders:
        dispatcher.route(order_id, 1, RoutingCause.ORDER)
    first = app.exchange((), ["settle", "intake"])
    assert first is not None
    assert queue_of(first) == "intake"
    assert str(orders[0]) in first["headers"]["argsrepr"]
    dispatcher.route(orders[0], 1, RoutingCause.RETRY)
    second = app.exchange([first], ["settle", "intake"])
    assert second is not None
    assert (queue_of(second), second["headers"]["argsrepr"]) == (
        "settle",
        f"(orderId={orders[0]}, version=1, cause=retry)",
    )
    assert app.exchange([second]) is None
    assert redis_client.llen("intake") == 3
    assert app.exchange((), ["settle"]) == second
    assert app.exchange((), ["settle"]) is None


def test_all_messages_of_a_process_go_over_the_connections_of_one_channel(
    redis_client: redis.Redis, redis_url: str
) -> None:
    def made() -> int:
        return int(redis_client.info("stats")["total_connections_received"])

    app = create_fast_celery(redis_url)
    app.exchange((), ["settle"])
    before = made()
    for _ in range(5):
        app.exchange((), ["settle"])
    assert made() == before


def test_threads_that_send_first_at_the_same_time_share_one_channel(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    app, together = create_fast_celery(redis_url), threading.Barrier(4)
    connections: list[Connection] = []

    def connection_for_write() -> Connection:
        connection: Connection = app.connection_for_read()
        connections.append(connection)
        together.wait()
        return connection

    monkeypatch.setattr(app, "connection_for_write", connection_for_write)
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(app.exchange, [()] * 4, [["settle"]] * 4)) == [None] * 4
    assert [connection.connected for connection in connections].count(True) == 1
    assert len(connections) == 4


def test_a_closed_channel_leaves_no_connection(redis_client: redis.Redis, redis_url: str) -> None:
    def ours() -> set[str]:
        return {client["id"] for client in redis_client.client_list()}

    connection = create_fast_celery(redis_url).connection_for_write()
    channel: Any = connection.default_channel
    before = ours()
    channel.exchange((), ["settle"])
    opened = ours() - before
    connection.release()
    assert len(opened) == 1
    wait_until(lambda: opened.isdisjoint(ours()))


def test_a_channel_that_lost_its_connections_makes_new_ones(redis_url: str) -> None:
    channel: Any = create_fast_celery(redis_url).connection_for_write().default_channel
    for _ in range(2):
        assert channel.exchange((), ["settle"]) is None
        assert channel._commands.pool is channel.pool
        channel._disconnect_pools()


def test_a_broker_that_goes_away_is_told_as_celery_tells_it(
    servers: Servers, redis_url: str
) -> None:
    app = create_fast_celery(redis_url, timeout_s=0.2)
    app.exchange((), ["settle"])
    assert servers.redis is not None
    servers.redis.stop()
    try:
        with pytest.raises(OperationalError):
            app.exchange((), ["settle"])
    finally:
        servers.redis.start()


def test_the_first_exchange_of_a_worker_does_not_wait_for_the_broker(
    servers: Servers, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    monkeypatch.setattr("kombu.utils.functional.sleep", slept.append)
    app = create_fast_celery(redis_url)
    assert servers.redis is not None
    servers.redis.stop()
    try:
        with pytest.raises(OperationalError):
            app.exchange((), ["settle"])
    finally:
        servers.redis.start()
    assert slept == []
    assert app.exchange((), ["settle"]) is None


def test_an_exchange_survives_the_loss_of_its_script(
    redis_client: redis.Redis, redis_url: str
) -> None:
    app = create_fast_celery(redis_url)
    assert app.exchange((), ["settle"]) is None
    redis_client.script_flush()
    assert app.exchange((), ["settle"]) is None


def test_a_queue_that_a_worker_left_and_took_again_keeps_its_place(redis_url: str) -> None:
    app: Any = create_fast_celery(redis_url)
    with app.connection_for_read() as connection:
        consumer = app.amqp.TaskConsumer(connection)
        consumer.consume()
        assert consumer.channel.consumed_queues() == ["settle", "intake"]
        consumer.cancel_by_queue("settle")
        assert consumer.channel.consumed_queues() == ["intake"]
        consumer.add_queue(app.amqp.queues["settle"])
        consumer.consume()
        assert consumer.channel.consumed_queues() == ["settle", "intake"]


def test_what_is_no_message_is_passed_over(redis_client: redis.Redis, redis_url: str) -> None:
    app = create_fast_celery(redis_url)
    app.send_task("route_order", queue="intake")
    for text in ("null", "[]", "7", "{}", "\x00"):
        redis_client.rpush("intake", text)
    taken = app.exchange((), ["settle", "intake"])
    assert taken is not None
    assert taken["headers"]["task"] == "route_order"
    assert redis_client.llen("intake") == 0


def test_a_refusal_is_told_as_an_outage(redis_client: redis.Redis, redis_url: str) -> None:
    app = create_fast_celery(redis_url, timeout_s=5.0)
    app.send_task("route_order", queue="intake")
    redis_client.config_set("min-replicas-to-write", 1)
    try:
        with pytest.raises(OperationalError):
            app.send_task("route_order", queue="intake")
    finally:
        redis_client.config_set("min-replicas-to-write", 0)
    app.send_task("route_order", queue="intake")
    assert redis_client.llen("intake") == 2
