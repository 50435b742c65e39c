"""The contract of every Dispatcher and every Clock: in memory, and on Celery and PostgreSQL."""

import json
from base64 import b64decode
from datetime import UTC
from uuid import uuid4

import pytest
import redis
from structlog.contextvars import bound_contextvars

from orderengine.dispatch.app import create_celery
from orderengine.dispatch.dispatcher import CeleryDispatcher
from orderengine.dispatch.names import request_id_of
from orderengine.dispatch.waiting import orders_of
from orderengine.domain.errors import DispatchUnavailable
from orderengine.domain.moves import RoutingCause
from orderengine.domain.side import Side
from orderengine.execution.chain.handover import Built, Submitted
from orderengine.execution.ports import Clock, Dispatcher
from orderengine.redis.breaker import Breaker
from orderengine.storage.clock import DatabaseClock
from tests.builders import TRANSACTION, a_build
from tests.fakes import START, FakeClock, FakeDispatcher

NOWHERE = "redis://127.0.0.1:1/0"


def on_celery(url: str) -> CeleryDispatcher:
    return CeleryDispatcher(create_celery(url, timeout_s=2.0), Breaker(0.0))


def a_handover() -> Submitted:
    price = a_build(START).route.price
    return Submitted(uuid4(), 4, TRANSACTION.signature, Side.BUY, 6, "raydium", price)


@pytest.fixture(params=["fake", "celery"])
def dispatcher(request: pytest.FixtureRequest) -> Dispatcher:
    if request.param == "fake":
        return FakeDispatcher()
    return on_celery(request.getfixturevalue("redis_url"))


@pytest.fixture(params=["fake", "celery"])
def lost_dispatcher(request: pytest.FixtureRequest) -> Dispatcher:
    return FakeDispatcher(down=True) if request.param == "fake" else on_celery(NOWHERE)


@pytest.fixture(params=["fake", "postgresql"])
def any_clock(request: pytest.FixtureRequest) -> Clock:
    if request.param == "fake":
        return FakeClock()
    return DatabaseClock(request.getfixturevalue("database"))


def test_work_is_taken_while_the_broker_is_there(dispatcher: Dispatcher) -> None:
    dispatcher.ping()
    for cause in RoutingCause:
        dispatcher.route(uuid4(), 1, cause, delay_s=0.5)
    dispatcher.confirm(a_handover())


def test_a_lost_broker_is_told_by_every_call(lost_dispatcher: Dispatcher) -> None:
    with pytest.raises(DispatchUnavailable):
        lost_dispatcher.ping()
    with pytest.raises(DispatchUnavailable):
        lost_dispatcher.route(uuid4(), 1, RoutingCause.ORDER)
    with pytest.raises(DispatchUnavailable):
        lost_dispatcher.route_all({uuid4(): 1, uuid4(): 1}, RoutingCause.ORDER)
    with pytest.raises(DispatchUnavailable):
        lost_dispatcher.submit_all([[Built(uuid4(), 4)]])
    with pytest.raises(DispatchUnavailable):
        lost_dispatcher.confirm(a_handover())
    with pytest.raises(DispatchUnavailable):
        lost_dispatcher.waiting({uuid4(): 1})


def test_what_waits_is_known_by_order_and_version(
    dispatcher: Dispatcher, redis_client: redis.Redis
) -> None:
    handover, routed, lost = a_handover(), uuid4(), uuid4()
    dispatcher.confirm(handover)
    for cause in RoutingCause:
        dispatcher.route(routed, 12, cause)
    known = {handover.order_id: handover.version, routed: 12, lost: 1}
    assert dispatcher.waiting(known) == {handover.order_id, routed}
    later = {handover.order_id: handover.version + 1, routed: 1}
    assert dispatcher.waiting(later) == set()
    assert dispatcher.waiting({}) == set()


def test_the_chains_of_a_batch_are_sent_in_one_exchange_and_taken_in_its_order(
    dispatcher: Dispatcher, redis_client: redis.Redis
) -> None:
    wanted = {uuid4(): 1 for _ in range(100)}
    dispatcher.route_all(wanted, RoutingCause.ORDER)
    assert dispatcher.waiting(wanted) == wanted.keys()
    if isinstance(dispatcher, CeleryDispatcher):
        queued = redis_client.lrange("intake", 0, -1)
        taken = [order for text in reversed(queued) for order in orders_of(str(text).encode())]
        assert taken == [(str(order_id), 1) for order_id in wanted]


def test_built_groups_are_sent_in_one_exchange_and_each_order_is_known_to_wait(
    dispatcher: Dispatcher, redis_client: redis.Redis
) -> None:
    group, alone = [Built(uuid4(), 4) for _ in range(10)], Built(uuid4(), 4)
    dispatcher.submit_all([group, [alone]])
    wanted = {each.order_id: each.version for each in [*group, alone]}
    assert dispatcher.waiting(wanted) == wanted.keys()
    assert dispatcher.waiting(dict.fromkeys(wanted, 3)) == set()
    if isinstance(dispatcher, CeleryDispatcher):
        queued = map(json.loads, reversed(redis_client.lrange("settle", 0, -1)))
        assert [message["headers"]["task"] for message in queued] == ["submit_order"] * 2


@pytest.mark.parametrize("cause", RoutingCause)
def test_a_message_of_a_batch_is_that_which_celery_sends_for_a_single_order(
    redis_client: redis.Redis, redis_url: str, cause: RoutingCause
) -> None:
    order_id, sender = uuid4(), on_celery(redis_url)
    with bound_contextvars(request_id="r-1"):
        sender.route(order_id, 1, cause)
        sender.route_all({order_id: 1}, cause)
    sent = redis_client.lrange("intake", 0, -1) + redis_client.lrange("settle", 0, -1)
    batched, single = map(json.loads, sent)
    assert json.loads(b64decode(batched.pop("body"))) == json.loads(b64decode(single.pop("body")))
    assert without(batched["headers"], OF_A_MESSAGE) == without(single["headers"], OF_A_MESSAGE)
    assert batched["headers"]["id"] == batched["properties"]["correlation_id"]
    ours, theirs = batched.pop("properties"), single.pop("properties")
    # Celery repeats here what it sends in the headers.
    assert ours.keys() == theirs.keys() - {"argsrepr", "kwargsrepr"}
    assert without(ours, OF_A_MESSAGE) == without(theirs, {*OF_A_MESSAGE, "argsrepr", "kwargsrepr"})
    assert batched.keys() == single.keys()
    assert without(batched, {"headers"}) == without(single, {"headers"})


OF_A_MESSAGE = {"id", "origin", "correlation_id", "delivery_tag", "reply_to"}
"""Made anew for each message, or naming its sender."""


def without(document: dict[str, object], names: set[str]) -> dict[str, object]:
    return {name: value for name, value in document.items() if name not in names}


def test_each_message_of_a_batch_has_an_id_of_its_own(
    redis_client: redis.Redis, redis_url: str
) -> None:
    on_celery(redis_url).route_all({uuid4(): 1 for _ in range(3)}, RoutingCause.ORDER)
    sent = [json.loads(text) for text in redis_client.lrange("intake", 0, -1)]
    heads = [message["headers"] for message in sent]
    assert len({head["id"] for head in heads}) == 3
    assert [head["root_id"] for head in heads] == [head["id"] for head in heads]
    assert len({message["properties"]["delivery_tag"] for message in sent}) == 3


def test_each_chain_of_a_batch_names_the_request_of_its_order(
    redis_client: redis.Redis, redis_url: str
) -> None:
    first, second, unknown = (uuid4() for _ in range(3))
    requests = {first: "r-1", second: "r-2", unknown: None}
    with bound_contextvars(request_id="r-3"):
        on_celery(redis_url).route_all(dict.fromkeys(requests, 1), RoutingCause.ORDER, requests)
    heads = [json.loads(text)["headers"] for text in reversed(redis_client.lrange("intake", 0, -1))]
    assert [request_id_of(head["root_id"]) for head in heads] == ["r-1", "r-2", None]


def test_a_clock_tells_aware_utc_and_never_goes_back(any_clock: Clock) -> None:
    times = [any_clock.now() for _ in range(100)]
    assert times == sorted(times)
    assert {time.tzinfo for time in times} == {UTC}
