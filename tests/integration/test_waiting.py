"""Recovery reads the broker's queues, whatever messages they contain."""

import json
from collections.abc import Sequence
from itertools import count
from uuid import UUID, uuid4

import pytest
import redis
from celery import Celery

from orderengine.dispatch.app import create_celery
from orderengine.dispatch.dispatcher import CeleryDispatcher
from orderengine.dispatch.waiting import READ_AT_ONCE, find_waiting, orders_of
from orderengine.domain.errors import QueuesTooLong
from orderengine.domain.moves import RoutingCause
from orderengine.redis.breaker import Breaker

QUEUES = ("settle", "intake")
GARBAGE = (
    b"",
    b"null",
    b"[]",
    b"7",
    b"\xff\xfe",
    b'{"body": null}',
    b'{"body": "x", "properties": {"body_encoding": "base64"}}',
    b'{"body": "[[]]", "properties": {"body_encoding": null}}',
    b'{"body": "[[7, 8]]", "properties": {"body_encoding": null}}',
    b'{"headers": {"argsrepr": "(orderId=',
    b'{"headers": {"argsrepr": "(orderId=b09f26f7-04bd-4c6a-9634-de855a0a4962, version=")',
)


@pytest.fixture
def dispatcher(redis_client: redis.Redis, redis_url: str) -> CeleryDispatcher:
    return CeleryDispatcher(create_celery(redis_url, timeout_s=2.0), Breaker(0.0))


@pytest.mark.parametrize("garbage", GARBAGE)
def test_a_message_that_is_none_is_about_no_order(garbage: bytes) -> None:
    assert orders_of(garbage) == []


def test_messages_are_found_among_others(
    dispatcher: CeleryDispatcher, redis_client: redis.Redis
) -> None:
    first, last, lost = uuid4(), uuid4(), uuid4()
    dispatcher.route(first, 1, RoutingCause.ORDER)
    for queue in QUEUES:
        redis_client.lpush(queue, *GARBAGE * 50)
    dispatcher.route(last, 1, RoutingCause.ORDER)
    assert dispatcher.waiting({first: 1, last: 1, lost: 1}) == {first, last}


@pytest.mark.parametrize("handed", [False, True])
def test_messages_in_celerys_own_form_are_found(
    dispatcher: CeleryDispatcher, redis_client: redis.Redis, redis_url: str, *, handed: bool
) -> None:
    order_id = uuid4()
    document = {"orderId": str(order_id), "version": 3, "route": {"quotes": ["x" * 3000]}}
    args = (document,) if handed else (str(order_id), 3, "order")
    Celery(broker=redis_url).send_task("a_stage", args=args, queue="settle")
    assert dispatcher.waiting({order_id: 3}) == {order_id}
    assert dispatcher.waiting({order_id: 4}) == set()
    (raw,) = redis_client.lrange("settle", 0, -1)
    message = json.loads(raw)
    for told in ("", "..."):
        message["headers"]["argsrepr"] = told
        assert orders_of(json.dumps(message).encode()) == [(str(order_id), 3)]


class Growing:
    """A queue that gets a new message, and loses its oldest, each time that it is read."""

    def __init__(self, messages: Sequence[bytes]) -> None:
        self._messages = list(messages)

    def lrange(self, _name: str, start: int, end: int) -> Sequence[bytes]:
        read = self._messages[start : end + 1]
        self._messages.insert(0, b"new")
        self._messages.pop()
        return read


def message_of(order_id: UUID) -> bytes:
    return b'{"headers": {"argsrepr": "(orderId=%s, version=1)"}}' % str(order_id).encode()


def test_no_message_is_passed_over_while_others_come_and_go() -> None:
    ids = [uuid4() for _ in range(3 * READ_AT_ONCE)]
    taken = 3  # lost before the fourth answer
    lists = Growing([message_of(each) for each in ids])
    found = find_waiting(lists, ("intake",), dict.fromkeys(ids, 1))
    assert found >= set(ids[:-taken])


def test_a_look_that_takes_too_long_is_given_up() -> None:
    clock = count()
    with pytest.raises(QueuesTooLong, match="too many messages"):
        find_waiting(Growing([b""] * 10), QUEUES, {uuid4(): 1}, lambda: float(next(clock)))
