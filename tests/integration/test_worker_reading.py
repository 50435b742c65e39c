"""A consumer with checked reading takes proper messages from a queue full of garbage."""

import json
from typing import Any
from uuid import uuid4

import redis
from structlog.testing import capture_logs

from chaos.garbage import NOTHING, envelope, unreadable
from orderengine.dispatch.app import create_celery
from orderengine.worker.reading import TAKE, checked_by


def test_kombu_sees_no_answer_that_it_cannot_read(
    redis_client: redis.Redis, redis_url: str
) -> None:
    proper = envelope("intake", [[str(uuid4()), 1, "order"], {}, NOTHING])
    for text in (*unreadable("intake").values(), json.dumps(proper).encode()):
        redis_client.lpush("intake", text)
    taken: list[Any] = []
    app: Any = create_celery(redis_url)
    with app.connection_for_read() as connection:
        channel = connection.default_channel
        channel.client.set_response_callback(TAKE, checked_by(channel, lambda _: False))
        with app.amqp.TaskConsumer(channel, on_message=taken.append, no_ack=True), capture_logs():
            while not taken or taken[-1].headers != proper["headers"]:
                connection.drain_events(timeout=5)
    assert redis_client.llen("intake") == 0
    assert len(taken) > 1  # those whose body alone is wrong, which Celery drops


def test_a_queue_that_a_worker_left_and_took_again_keeps_its_place(redis_url: str) -> None:
    app: Any = create_celery(redis_url)
    with app.connection_for_read() as connection:
        consumer = app.amqp.TaskConsumer(connection)

        def consumed() -> list[str]:
            queues: list[str] = consumer.channel._queue_cycle.consume(2)
            return queues

        consumer.consume()
        assert consumed() == ["settle", "intake"]
        consumer.cancel_by_queue("settle")
        assert consumed() == ["intake"]
        consumer.add_queue(app.amqp.queues["settle"])
        consumer.consume()
        assert consumed() == ["settle", "intake"]
