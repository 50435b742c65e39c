"""Recovery finds every order of a group's message, in either lane's form."""

import json
from typing import Any
from uuid import UUID, uuid4

import pytest

from orderengine.bootstrap.lanes import create_celery
from orderengine.dispatch.waiting import find_waiting, orders_of
from orderengine.fastlane.transport import told_arguments

IDS = [uuid4() for _ in range(5)]


def document(order_id: UUID, version: int = 3) -> dict[str, Any]:
    return {
        "orderId": str(order_id),
        "version": version,
        "signature": "5" * 88,
        "route": {"quotes": ["x" * 900]},
        "attempt": 1,
        "dex": "raydium+meteora",
    }


def message(args: tuple[Any, ...], *, fast_lane: bool) -> bytes:
    app = create_celery("redis://127.0.0.1:1/0", fast_lane=fast_lane)
    headers, properties, body, _ = app.amqp.as_task_v2("id", "build_order", args, {})
    whole = {
        "body": json.dumps(body),
        "headers": headers,
        "properties": {**properties, "body_encoding": None},
    }
    return json.dumps(whole).encode()


@pytest.mark.parametrize("fast_lane", [True, False])
@pytest.mark.parametrize("count", [1, 2, 5])
def test_every_order_of_a_group_is_found(count: int, *, fast_lane: bool) -> None:
    group = [document(order_id) for order_id in IDS[:count]]
    found = orders_of(message((group,), fast_lane=fast_lane))
    assert found == [(str(order_id), 3) for order_id in IDS[:count]]


@pytest.mark.parametrize("fast_lane", [True, False])
def test_a_message_for_one_order_is_found_in_its_old_form(*, fast_lane: bool) -> None:
    for args in ((document(IDS[0]),), (str(IDS[0]), 3, "order")):
        assert orders_of(message(args, fast_lane=fast_lane)) == [(str(IDS[0]), 3)]


class Queue:
    """One queue with one message."""

    def __init__(self, text: bytes) -> None:
        self._messages = [text]

    def lrange(self, _name: str, start: int, end: int) -> list[bytes]:
        return self._messages[start : end + 1]


@pytest.mark.parametrize("fast_lane", [True, False])
def test_only_the_orders_at_the_wanted_version_are_waiting(*, fast_lane: bool) -> None:
    group = [document(IDS[0], 3), document(IDS[1], 4), document(IDS[2], 3)]
    lists = Queue(message((group,), fast_lane=fast_lane))
    wanted = {IDS[0]: 3, IDS[1]: 3, IDS[2]: 3, IDS[3]: 3}
    assert find_waiting(lists, ("settle",), wanted) == {IDS[0], IDS[2]}


def test_flower_shows_each_order_of_a_group_the_first_one_first() -> None:
    told = told_arguments(([document(IDS[0]), document(IDS[1])],))
    assert told.startswith(f"(orderId={IDS[0]}, version=3, attempt=1, ")
    assert f", orderId={IDS[1]}, version=3, " in told
    assert "quotes" not in told
