"""Recovery finds every order of a group's message, also of one of the release before."""

import json
from typing import Any
from uuid import UUID, uuid4

import pytest

from orderengine.dispatch.app import create_celery
from orderengine.dispatch.waiting import find_waiting, orders_of
from orderengine.execution.chain.handover import Built, orders_shown

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


def message(args: tuple[Any, ...]) -> bytes:
    app = create_celery("redis://127.0.0.1:1/0")
    headers, properties, body, _ = app.amqp.as_task_v2("id", "build_order", args, {})
    whole = {
        "body": json.dumps(body),
        "headers": headers,
        "properties": {**properties, "body_encoding": None},
    }
    return json.dumps(whole).encode()


@pytest.mark.parametrize("count", [1, 2, 5])
def test_every_order_of_a_group_is_found(count: int) -> None:
    group = [document(order_id) for order_id in IDS[:count]]
    found = orders_of(message((group,)))
    assert found == [(str(order_id), 3) for order_id in IDS[:count]]


def test_a_message_for_one_order_is_found_in_its_old_form() -> None:
    for args in ((document(IDS[0]),), (str(IDS[0]), 3, "order")):
        assert orders_of(message(args)) == [(str(IDS[0]), 3)]


class Queue:
    """One queue with one message."""

    def __init__(self, text: bytes) -> None:
        self._messages = [text]

    def lrange(self, _name: str, start: int, end: int) -> list[bytes]:
        return self._messages[start : end + 1]


def test_only_the_orders_at_the_wanted_version_are_waiting() -> None:
    group = [document(IDS[0], 3), document(IDS[1], 4), document(IDS[2], 3)]
    lists = Queue(message((group,)))
    wanted = {IDS[0]: 3, IDS[1]: 3, IDS[2]: 3, IDS[3]: 3}
    assert find_waiting(lists, ("settle",), wanted) == {IDS[0], IDS[2]}


def test_orders_are_found_as_flower_shows_them() -> None:
    group = [Built(IDS[0], 3), Built(IDS[1], 12), Built(IDS[2], 4)]
    text = json.dumps({"headers": {"argsrepr": orders_shown(group)}})
    expected = [(str(IDS[0]), 3), (str(IDS[1]), 12), (str(IDS[2]), 4)]
    assert orders_of(text.encode()) == expected


def test_orders_are_found_in_the_form_of_the_release_before() -> None:
    shown = f"(orderId={IDS[0]}, version=3, attempt=1, orderId={IDS[1]}, version=4, attempt=1)"
    text = json.dumps({"headers": {"argsrepr": shown}})
    expected = [(str(IDS[0]), 3), (str(IDS[1]), 4)]
    assert orders_of(text.encode()) == expected
    assert orders_of(text.replace(": ", ":").encode()) == expected
