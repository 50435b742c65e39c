"""The dispatcher's messages in the broker, and its time limit when the broker is down."""

import base64
import json
import os
import signal
import time
from typing import Any
from uuid import uuid4

import pytest
import redis
from celery import Celery
from celery.app.trace import build_tracer

from orderengine.bootstrap.lanes import create_celery
from orderengine.dispatch.chain import order_chain
from orderengine.dispatch.dispatcher import CeleryDispatcher, attempt_backoff
from orderengine.domain.errors import DispatchUnavailable
from orderengine.domain.moves import RoutingCause
from orderengine.fastlane.held import holding
from orderengine.fastlane.transport import LeanAMQP
from orderengine.redis.breaker import Breaker
from tests.servers import Servers

BOUND_S = 3.0
PATIENT_S = 2.0
SHORT_S = 0.4


def a_dispatcher(
    url: str, skip_s: float = 0.0, timeout_s: float = PATIENT_S, *, fast_lane: bool = True
) -> CeleryDispatcher:
    app = create_celery(url, timeout_s=timeout_s, fast_lane=fast_lane)
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
@pytest.mark.parametrize("fast_lane", [True, False])
def test_only_new_orders_wait_in_the_intake_queue(
    redis_client: redis.Redis, redis_url: str, cause: RoutingCause, queue: str, *, fast_lane: bool
) -> None:
    a_dispatcher(redis_url, fast_lane=fast_lane).route(uuid4(), 1, cause)
    other = {"intake": "settle", "settle": "intake"}[queue]
    (message,) = messages(redis_client, queue)
    assert messages(redis_client, other) == []
    headers = message["headers"]
    assert isinstance(headers, dict)
    assert headers["task"] == "route_order"
    assert chained(message) == ["build_order", "submit_order", "confirm_order"]


def test_the_short_way_sends_what_celery_sends(redis_client: redis.Redis, redis_url: str) -> None:
    app = create_celery(redis_url, timeout_s=PATIENT_S)
    options: dict[str, Any] = {
        "queue": "settle",
        "task_id": "t",
        "root_id": "r",
        "parent_id": "p",
        "retries": 1,
    }
    chain = [app.signature("confirm_order", options={"queue": "settle"})]
    app.send_task("build_order", ({"orderId": "é"},), chain=chain, **options)
    Celery.send_task(app, "build_order", ({"orderId": "é"},), chain=chain, **options)
    celerys, ours = map(comparable, messages(redis_client, "settle"))
    assert ours == celerys


def test_the_short_way_to_the_next_stage_sends_what_a_signature_sends(
    redis_client: redis.Redis, redis_url: str
) -> None:
    app = create_celery(redis_url, timeout_s=PATIENT_S)

    @app.task(name="submit_order", shared=False, max_retries=None)
    def submit_order(_handed: object, _more: str, *, once: bool) -> None:
        """Registered as in a worker, so that a signature takes options from the task."""

    rest = [app.signature("confirm_order", options={"queue": "settle"})]
    handed = {"orderId": "7", "version": 3, "attempt": 1}
    put_off = {"queue": "settle", "countdown": 9, "expires": 19, "task_id": "t"}
    step = app.signature("submit_order", args=("more",), kwargs={"once": True}, options=put_off)
    told: dict[str, Any] = {"chain": rest, "parent_id": "p", "root_id": "r", "priority": None}
    LeanAMQP(app)._retry_publish(step.apply_async, (handed,), **told)
    step.apply_async((handed,), **told)
    celerys, ours = map(comparable, messages(redis_client, "settle"))
    assert ours == celerys
    assert ours["body"][:2] == [[handed, "more"], {"once": True}]


def test_the_short_way_sends_the_stages_of_celerys_chain(
    redis_client: redis.Redis, redis_url: str
) -> None:
    app = create_celery(redis_url, timeout_s=PATIENT_S)
    stages = order_chain(app, str(uuid4()), 7, RoutingCause.RETRY, again=True)
    app.send_chain(stages, countdown=9, root_id="r")
    stages.apply_async(countdown=9, root_id="r")
    celerys, ours = map(comparable, messages(redis_client, "settle"))
    for message in (celerys, ours):
        del message["headers"]["id"], message["properties"]["correlation_id"]
        for step in message["body"][2]["chain"]:
            step["options"] = {"queue": step["options"]["queue"]}  # Celery's have IDs of results
    assert ours == celerys


def comparable(message: dict[str, Any]) -> dict[str, Any]:
    """A message without fields that differ each time, or that only matter with results."""
    headers, properties = dict(message["headers"]), dict(message["properties"])
    for name in ("eta", "expires"):
        headers[name] = headers[name] is not None
    del headers["ignore_result"], properties["delivery_tag"], properties["reply_to"]
    body = json.loads(str(message["body"]))
    return {**message, "headers": headers, "properties": properties, "body": body}


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
    assert time.monotonic() - started < BOUND_S


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
    assert first < BOUND_S
    assert second < SHORT_S, "it waited once more"


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


def test_the_next_stage_of_a_chain_is_held_and_nothing_else(
    redis_client: redis.Redis, redis_url: str
) -> None:
    app = create_celery(redis_url)

    @app.task(name="first_stage", shared=False)
    def first_stage() -> str:
        app.send_task("another", queue="settle")
        return "handed on"

    tracer = build_tracer("first_stage", first_stage, app=app)
    rest = [app.signature("second_stage", options={"queue": "settle"})]
    with holding() as held:
        ended = tracer("t", [], {}, {"chain": rest, "id": "t", "ignore_result": True})
    assert ended.info is None
    assert [message["headers"]["task"] for message in held] == ["second_stage"]
    (sent,) = messages(redis_client, "settle")
    headers = sent["headers"]
    assert isinstance(headers, dict)
    assert headers["task"] == "another"
