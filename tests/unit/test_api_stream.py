"""Order updates as Server-Sent Events."""

import json
from collections.abc import Iterator
from uuid import UUID, uuid4

import pytest
from werkzeug.test import TestResponse

from harness.waiting import wait_until
from orderengine.api.updates.entrance import EXTENSION
from orderengine.execution.intake.limits import Limits
from tests.steps import CONFIRMED
from tests.web import Web, rules


@pytest.fixture
def web() -> Iterator[Web]:
    web = Web()
    yield web
    web.hub.close()


def finish(web: Web, order_id: str) -> None:
    version = 1
    for move in CONFIRMED:
        moved = web.orders.move(UUID(order_id), version, move)
        assert moved is not None
        version = moved.order.version


def stream(web: Web, order_id: str, after: str = "", **headers: str) -> TestResponse:
    return web.client.get(f"/api/orders/{order_id}/stream{after}", headers=headers)


def frames(answer: TestResponse) -> list[dict[str, str]]:
    """The frames of a stream that has ended, by their fields."""
    blocks = [block for block in answer.text.split("\n\n") if block]
    return [dict(line.split(": ", 1) for line in block.split("\n")) for block in blocks]


def test_every_status_comes_once_in_order_and_then_the_end(web: Web) -> None:
    order_id = web.place()
    finish(web, order_id)
    answer = stream(web, order_id)
    assert answer.status_code == 200
    assert answer.content_type == "text/event-stream; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-store"
    first, *events = frames(answer)
    assert first == {"retry": "1000"}
    assert [each["id"] for each in events] == ["1", "2", "3", "4", "5"]
    told = [json.loads(each["data"]) for each in events]
    assert told == web.client.get(f"/api/orders/{order_id}/events").get_json()["events"]


def test_it_goes_on_while_the_order_does(web: Web) -> None:
    order_id = web.place()
    answer = stream(web, order_id)
    parts = iter(answer.response)
    assert next(parts) == b"retry: 1000\n\n"
    assert b'"pending"' in next(parts)
    finish(web, order_id)
    assert [b'"seq":%d,' % seq in next(parts) for seq in (2, 3, 4, 5)] == [True] * 4
    assert next(parts, None) is None
    answer.close()


@pytest.mark.parametrize(
    ("after", "headers"),
    [
        ("?after=3", {}),
        ("", {"Last-Event-ID": "3"}),
        ("?after=1", {"Last-Event-ID": "3"}),
        ("?after=3", {"Last-Event-ID": ""}),
    ],
)
def test_who_comes_back_gets_the_rest(web: Web, after: str, headers: dict[str, str]) -> None:
    order_id = web.place()
    finish(web, order_id)
    _, *events = frames(stream(web, order_id, after, **headers))
    assert [each["id"] for each in events] == ["4", "5"]


def test_who_has_all_is_told_not_to_come_back(web: Web) -> None:
    order_id = web.place()
    finish(web, order_id)
    answer = stream(web, order_id, **{"Last-Event-ID": "5"})
    assert (answer.status_code, answer.data) == (204, b"")


@pytest.mark.parametrize("given", ["x", "-1", "1.5", "9" * 20, "\u0663", "1 2"])
def test_an_event_id_that_is_none_is_refused(web: Web, given: str) -> None:
    answer = stream(web, web.place(), **{"Last-Event-ID": given})
    assert answer.status_code == 400
    assert rules(answer) == [("Last-Event-ID", "integer")]


def test_a_slot_is_held_until_the_stream_is_closed() -> None:
    web = Web(limits=Limits(max_sockets_per_client=1))
    updates = web.app.extensions[EXTENSION]
    order_id = web.place()
    answer = stream(web, order_id)
    assert updates.open == 1
    refused = stream(web, order_id)
    assert (refused.status_code, refused.get_json()["code"]) == (429, "TOO_MANY_CLIENT_SOCKETS")
    answer.close()
    wait_until(lambda: updates.open == web.hub.followers == 0)
    web.hub.close()


def test_a_stream_ends_when_its_key_is_revoked_or_the_server_goes_down() -> None:
    web = Web(asks_for_keys=True)
    alice = web.key("alice")
    posted = web.client.post(
        "/api/orders/execute",
        json={"symbol": "AAPL", "side": "buy", "quantity": 10},
        headers=alice,
    )
    order_id = posted.get_json()["orderId"]
    answer = stream(web, order_id, **alice)
    web.keys.revoke(web.keys.all()[0].key_id)
    web.clock.advance(3.0)
    assert [each["id"] for each in frames(answer) if "id" in each] == ["1"]
    other = Web()
    other.app.extensions[EXTENSION].draining = lambda: True
    assert len(frames(stream(other, other.place()))) <= 2
    for each in (web, other):
        each.hub.close()


def test_the_stream_of_another_clients_order_is_as_good_as_none() -> None:
    web = Web(asks_for_keys=True)
    posted = web.client.post(
        "/api/orders/execute",
        json={"symbol": "AAPL", "side": "buy", "quantity": 10},
        headers=web.key("alice"),
    )
    bob = web.key("bob")
    for order_id in (posted.get_json()["orderId"], str(uuid4()), "nothing"):
        assert stream(web, order_id, **bob).status_code == 404
