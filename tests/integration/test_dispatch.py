"""The dispatcher's messages in the broker, and its time limit when the broker is down."""

import base64
import json
import os
import signal
import time
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import redis
from celery import Celery
from celery.app.trace import build_tracer

from harness.waiting import stretched
from orderengine.dispatch.app import create_celery
from orderengine.dispatch.chain import order_chain
from orderengine.dispatch.dispatcher import CeleryDispatcher, attempt_backoff
from orderengine.domain.errors import DispatchUnavailable
from orderengine.domain.moves import RoutingCause
from orderengine.execution.chain.handover import Built
from orderengine.local.redis_server import EmbeddedRedis
from orderengine.redis.breaker import Breaker
from tests.servers import Servers

BOUND_S = 3.0
PATIENT_S = 2.0
SHORT_S = 0.4


def a_dispatcher(url: str, skip_s: float = 0.0, timeout_s: float = PATIENT_S) -> CeleryDispatcher:
    app = create_celery(url, timeout_s=timeout_s)
    return CeleryDispatcher(app, Breaker(skip_s))


def messages(client: redis.Redis, queue: str) -> list[dict[str, object]]:
    return [json.loads(raw) for raw in client.lrange(queue, 0, -1)]


def chained(message: dict[str, object]) -> list[str]:
    body, properties = str(message["body"]), message["properties"]
    assert isinstance(properties, dict)
    if properties["body_encoding"] == "base64":
        body = base64.b64decode(body).decode()
    _, _, embed = json.loads(body)
    return [str(step["task"]) for step in reversed(embed["chain"] or [])]


@pytest.mark.parametrize(
    ("cause", "queue"),
    [
        (RoutingCause.ORDER, "intake"),
        (RoutingCause.RETRY, "settle"),
        (RoutingCause.RECOVERY, "settle"),
        (RoutingCause.QUOTE_EXPIRED, "settle"),
    ],
)
def test_only_new_orders_wait_in_the_intake_queue(
    redis_client: redis.Redis, redis_url: str, cause: RoutingCause, queue: str
) -> None:
    a_dispatcher(redis_url).route(uuid4(), 1, cause)
    other = {"intake": "settle", "settle": "intake"}[queue]
    (message,) = messages(redis_client, queue)
    assert messages(redis_client, other) == []
    headers = message["headers"]
    assert isinstance(headers, dict)
    assert headers["task"] == "route_order"
    assert chained(message) == ["build_order", "submit_order", "confirm_order"]


@pytest.mark.parametrize("again", [False, True])
def test_the_first_message_is_that_of_celery_without_ids_for_results(
    redis_client: redis.Redis, redis_url: str, *, again: bool
) -> None:
    order_id = uuid4()
    a_dispatcher(redis_url).route(order_id, 1, RoutingCause.ORDER, again=again)
    app = create_celery(redis_url)
    stages = order_chain(app, str(order_id), 1, RoutingCause.ORDER, again=again)
    stages.tasks[0]["options"] = {"queue": "intake"}  # what Flower shows is left to Celery
    stages.apply_async()
    theirs, ours = (told(message) for message in messages(redis_client, "intake"))
    assert ours == theirs


def told(message: dict[str, Any]) -> dict[str, Any]:
    """What a message says, without what is made anew for each."""
    headers, properties = message["headers"], message["properties"]
    arguments, named, embed = json.loads(base64.b64decode(message["body"]))
    for name in ("id", "root_id", "origin", "ignore_result"):
        del headers[name]
    steps = [(step["task"], step["options"].get("queue")) for step in embed.pop("chain")]
    kinds = {name: message[name] for name in ("content-type", "content-encoding")}
    where = properties["delivery_info"], properties["body_encoding"]
    return {**headers, **embed, **kinds, "all": (arguments, named, steps, where)}


def test_built_orders_go_straight_to_the_stage_that_signs_and_then_to_confirmation(
    redis_client: redis.Redis, redis_url: str
) -> None:
    a_dispatcher(redis_url).submit_all([[Built(uuid4(), 4), Built(uuid4(), 4)]])
    (message,) = messages(redis_client, "settle")
    headers = message["headers"]
    assert isinstance(headers, dict)
    assert headers["task"] == "submit_order"
    assert chained(message) == ["confirm_order"]


def test_a_delay_becomes_a_countdown(redis_client: redis.Redis, redis_url: str) -> None:
    a_dispatcher(redis_url).route(uuid4(), 3, RoutingCause.RETRY, delay_s=1.5)
    (message,) = messages(redis_client, "settle")
    headers = message["headers"]
    assert isinstance(headers, dict)
    assert headers["eta"] is not None


def test_a_broker_that_refuses_is_told_at_once() -> None:
    started = time.monotonic()
    with pytest.raises(DispatchUnavailable):
        a_dispatcher("redis://127.0.0.1:1/0").route(uuid4(), 1, RoutingCause.ORDER)
    assert time.monotonic() - started < stretched(BOUND_S)


def test_a_frozen_broker_costs_one_short_wait_and_then_none(
    servers: Servers, redis_client: redis.Redis, redis_url: str
) -> None:
    dispatcher = a_dispatcher(redis_url, skip_s=30.0, timeout_s=SHORT_S)
    dispatcher.route(uuid4(), 1, RoutingCause.ORDER)
    assert servers.redis is not None
    pid = servers.redis.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        started = time.monotonic()
        with pytest.raises(DispatchUnavailable):
            dispatcher.route(uuid4(), 1, RoutingCause.ORDER)
        first = time.monotonic() - started
        started = time.monotonic()
        with pytest.raises(DispatchUnavailable):
            dispatcher.route(uuid4(), 1, RoutingCause.ORDER)
        second = time.monotonic() - started
    finally:
        os.kill(pid, signal.SIGCONT)
    assert first < stretched(BOUND_S)
    assert second < stretched(SHORT_S), "it waited once more"


def test_a_broker_that_comes_back_is_used_again(servers: Servers, redis_url: str) -> None:
    dispatcher = a_dispatcher(redis_url)
    assert servers.redis is not None
    servers.redis.stop()
    with pytest.raises(DispatchUnavailable):
        dispatcher.ping()
    servers.redis.start()
    dispatcher.ping()
    dispatcher.route(uuid4(), 1, RoutingCause.ORDER)


@pytest.mark.parametrize(("attempt", "nominal_ms"), [(1, 500), (2, 1000), (3, 2000), (12, 30_000)])
def test_the_backoff_of_attempts_doubles_and_half_of_it_is_jitter(
    attempt: int, nominal_ms: int
) -> None:
    delays = {attempt_backoff(500)(attempt) * 1000 for _ in range(200)}
    assert nominal_ms / 2 <= min(delays)
    assert max(delays) <= nominal_ms
    assert len(delays) > 20


def test_no_backoff_is_no_delay() -> None:
    assert attempt_backoff(0)(1) == 0.0


def test_a_stage_sends_the_next_one_with_the_rest_of_the_chain_and_once_more_if_refused(
    redis_client: redis.Redis, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = create_celery(redis_url, timeout_s=PATIENT_S)

    @app.task(name="build_order", shared=False)
    def build_order() -> str:
        return "handed on"

    @app.task(name="submit_order", shared=False)
    def submit_order(_built: str) -> None:
        """Registered, as in a worker: Celery sends it by another way than a name."""

    refusals = [redis.exceptions.ReadOnlyError("READONLY a replica")]
    send = Celery.send_task

    def refused_first(*args: Any, **options: Any) -> Any:
        if refusals:
            raise refusals.pop()
        return send(*args, **options)

    monkeypatch.setattr(Celery, "send_task", refused_first)

    tracer = build_tracer("build_order", build_order, app=app)
    stages = order_chain(app, str(uuid4()), 1, RoutingCause.ORDER).tasks
    request = {"chain": list(reversed(stages[2:])), "id": "t", "root_id": "r"}
    tracer("t", [], {}, {**request, "ignore_result": True})
    (message,) = messages(redis_client, "settle")
    headers = message["headers"]
    assert isinstance(headers, dict)
    assert (headers["task"], headers["root_id"]) == ("submit_order", "r")
    assert chained(message) == ["confirm_order"]


def test_celery_reads_a_message_that_was_not_written_by_it(
    redis_client: redis.Redis, redis_url: str
) -> None:
    order_id = uuid4()
    a_dispatcher(redis_url).route_all({order_id: 7}, RoutingCause.ORDER)
    assert redis_client.llen("intake") == 1
    with create_celery(redis_url).connection_for_read() as connection:
        message = connection.SimpleQueue("intake", no_ack=True).get(timeout=2)
    arguments, named, embedded = message.decode()
    assert (arguments, named) == ([str(order_id), 7, "order"], {})
    stages = [step["task"] for step in reversed(embedded["chain"])]
    assert stages == ["build_order", "submit_order", "confirm_order"]


def test_a_message_that_is_taken_is_noted_nowhere(
    redis_client: redis.Redis, redis_url: str
) -> None:
    app = create_celery(redis_url)
    a_dispatcher(redis_url).route(uuid4(), 1, RoutingCause.ORDER)
    with app.connection_for_read() as connection:
        message = connection.SimpleQueue("intake", no_ack=False).get(timeout=2)
        assert message.headers["task"] == "route_order"
        assert not redis_client.exists("unacked", "unacked_index")


def test_a_message_that_an_ending_worker_puts_back_is_taken_again(
    redis_client: redis.Redis, redis_url: str
) -> None:
    """It arrives after the worker has left its queues."""
    a_dispatcher(redis_url).route(uuid4(), 1, RoutingCause.ORDER)
    sent = json.loads(str(redis_client.rpop("intake")))
    with create_celery(redis_url).connection_for_read() as connection:
        _ = connection.default_channel
        connection.transport._deliver(sent, "intake")
    with create_celery(redis_url).connection_for_read() as connection:
        again = connection.SimpleQueue("intake", no_ack=True).get(timeout=2)
        assert again.headers == sent["headers"]
        stages = [step["task"] for step in reversed(again.decode()[2]["chain"])]
        assert stages == ["build_order", "submit_order", "confirm_order"]


def test_messages_go_over_connections_that_are_kept(tmp_path: Path) -> None:
    # A server of its own: no other test's thread connects to it again and counts here.
    with (
        EmbeddedRedis(tmp_path, durable=False) as server,
        redis.Redis.from_url(server.url, decode_responses=True) as client,
    ):

        def made() -> int:
            return int(client.info("stats")["total_connections_received"])

        dispatcher = a_dispatcher(server.url)
        dispatcher.route(uuid4(), 1, RoutingCause.ORDER)
        dispatcher.ping()
        before = made()
        for _ in range(5):
            dispatcher.route(uuid4(), 1, RoutingCause.ORDER)
            dispatcher.ping()
        assert made() == before


def test_a_worker_that_sends_does_not_wait_for_a_broker_that_is_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slept: list[float] = []
    monkeypatch.setattr("kombu.utils.functional.sleep", slept.append)
    dispatcher = CeleryDispatcher(create_celery("redis://127.0.0.1:1/0"), Breaker(0.0))
    with pytest.raises(DispatchUnavailable):
        dispatcher.route(uuid4(), 1, RoutingCause.ORDER)
    assert sum(slept) == 0.0


def test_only_the_messages_of_named_orders_at_named_versions_are_taken_away(
    redis_client: redis.Redis, redis_url: str
) -> None:
    app = create_celery(redis_url, timeout_s=PATIENT_S)
    ids = [uuid4() for _ in range(8)]
    for order_id in ids:
        app.send_chain(order_chain(app, str(order_id), 3, RoutingCause.ORDER))
    app.take_back([(ids[0], 3), (ids[1], 2), (ids[2], 3), (ids[7], 3)])
    left = [ids[1], *ids[3:7]]
    assert [shown_id(each) for each in messages(redis_client, "intake")] == left[::-1]
    app.take_back([(ids[6], 3)])
    assert len(messages(redis_client, "intake")) == len(left), "it is not among the next ones"


def shown_id(message: dict[str, Any]) -> UUID:
    return UUID(message["headers"]["argsrepr"].split("'")[1])


def test_a_broker_that_is_away_keeps_its_messages() -> None:
    create_celery("redis://127.0.0.1:1/0", timeout_s=SHORT_S).take_back([(uuid4(), 1)])
