"""Orders over HTTP: accepting them, and reading orders and events."""

from decimal import Decimal
from uuid import UUID

import pytest
from structlog.testing import capture_logs

from orderengine.domain.errors import StorageCause, StorageUnavailable
from orderengine.domain.moves import RoutingCause
from orderengine.domain.side import Side
from orderengine.stream.messages import event_text
from tests.fakes import Dispatched
from tests.steps import FAIL, Walk
from tests.web import Web

NEW = {
    "symbol": "AAPL",
    "side": "buy",
    "quantity": "10",
    "slippageBps": 100,
    "maxLegs": 1,
    "type": "market",
    "timeInForce": "IOC",
    "status": "pending",
    "attempt": 1,
    "version": 1,
    "createdAt": "2026-11-22T12:00:00.000000Z",
    "updatedAt": "2026-11-22T12:00:00.000000Z",
    "failedAttempts": [],
}
"""A new order as the API shows it, without its id and its links."""


@pytest.fixture
def web() -> Web:
    return Web()


def test_an_order_is_accepted_stored_published_and_dispatched(web: Web) -> None:
    answer = web.client.post(
        "/api/orders/execute", json={"symbol": "AAPL", "side": "buy", "quantity": 10}
    )
    document = answer.get_json()
    order_id = UUID(document["orderId"])
    path = f"/api/orders/{order_id}"
    assert answer.status_code == 202
    assert answer.headers["Location"] == path
    assert answer.headers["Cache-Control"] == "no-store"
    assert document == {
        **NEW,
        "orderId": str(order_id),
        "links": {
            "order": path,
            "events": f"{path}/events",
            "updates": f"/ws/orders?orderId={order_id}",
        },
    }
    stored = web.orders.get(order_id)
    assert stored is not None
    assert (stored.symbol, stored.side, stored.quantity) == ("AAPL", Side.BUY, Decimal(10))
    assert (stored.client_id, stored.slippage_tolerance_bps) == ("local", 100)
    assert [moved.order for moved in web.publisher.published] == [stored]
    assert web.dispatcher.sent == [Dispatched("route", order_id, 1, RoutingCause.ORDER)]


@pytest.mark.parametrize("content_type", ["application/json", "Application/JSON; charset=UTF-8"])
def test_an_order_is_read_exactly_as_written(web: Web, content_type: str) -> None:
    body = '{"slippageBps":0,"quantity":"0.100000","side":"sell","symbol":"SOL"}'
    answer = web.post(body, content_type)
    shown = web.client.get(answer.headers["Location"]).get_json()
    assert (shown["quantity"], shown["side"], shown["slippageBps"]) == ("0.1", "sell", 0)


def test_the_broker_being_away_does_not_refuse_an_order(web: Web) -> None:
    web.dispatcher.down = True
    with capture_logs() as logs:
        order_id = web.place()
    assert web.orders.get(UUID(order_id)) is not None
    assert "dispatch_unavailable" in [line["event"] for line in logs]


def test_a_store_that_takes_no_writes_is_told_with_its_cause(
    web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        error = StorageUnavailable("no connection")
        error.cause = StorageCause.NO_CONNECTION_LEFT
        raise error

    monkeypatch.setattr(web.orders, "accept", refuse)
    answer = web.post('{"symbol":"AAPL","side":"buy","quantity":10}')
    assert (answer.status_code, answer.get_json()["code"]) == (503, "STORAGE_UNAVAILABLE")
    assert "max_connections" in answer.get_json()["detail"]
    assert answer.headers["Retry-After"] == "1"


def test_the_store_being_away_refuses_an_order_for_now(web: Web) -> None:
    web.orders.down = True
    answer = web.post('{"symbol":"AAPL","side":"buy","quantity":10}')
    assert (answer.status_code, answer.get_json()["code"]) == (503, "STORAGE_UNAVAILABLE")
    assert answer.headers["Retry-After"] == "1"
    assert not web.publisher.published
    assert not web.dispatcher.sent


def test_a_new_order_is_shown_without_what_is_not_known_yet(web: Web) -> None:
    order_id = web.place()
    answer = web.client.get(f"/api/orders/{order_id}")
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.get_json() == {**NEW, "orderId": order_id}


def test_a_confirmed_order_shows_what_was_quoted_and_what_was_executed(web: Web) -> None:
    walk = Walk(web.orders)
    walk.confirm()
    shown = web.client.get(f"/api/orders/{walk.order_id}").get_json()
    assert shown["status"] == "confirmed"
    assert [quote["dex"] for quote in shown["quotes"]] == ["raydium", "meteora"]
    told = {name: shown[name] for name in ("dex", "quotedPrice", "limitAmount", "txHash")}
    assert told == {
        "dex": "raydium",
        "quotedPrice": "230",
        "limitAmount": "2323000000",
        "txHash": "5sig",
    }
    executed = ("executedPrice", "slippagePct", "marketImpactBps", "fee", "quoteAmount")
    assert [shown[name] for name in executed] == [
        "230.1",
        "0.043478",
        "3.2",
        "5.7525",
        "2301000000",
    ]


def test_a_failed_order_shows_why(web: Web) -> None:
    walk = Walk(web.orders)
    walk.step(FAIL)
    shown = web.client.get(f"/api/orders/{walk.order_id}").get_json()
    why = {"reason": "INSUFFICIENT_LIQUIDITY", "detail": FAIL.detail}
    assert shown["status"] == "failed"
    assert {name: shown[name] for name in why} == why
    assert shown["failedAttempts"] == [{"attempt": 1, **why}]


def test_the_cache_answers_before_the_store(web: Web) -> None:
    walk = Walk(web.orders)
    web.cache.orders[walk.order_id] = walk.order
    web.orders.down = True
    assert web.client.get(f"/api/orders/{walk.order_id}").status_code == 200


def test_events_are_listed_as_the_socket_sends_them(web: Web) -> None:
    walk = Walk(web.orders)
    walk.confirm()
    path = f"/api/orders/{walk.order_id}/events"
    answer = web.client.get(path)
    texts = ",".join(map(event_text, walk.events))
    assert answer.text.strip() == f'{{"events":[{texts}]}}', "byte for byte as on the socket"
    events = answer.get_json()["events"]
    assert [event["seq"] for event in events] == [1, 2, 3, 4, 5]
    assert events[0] == {
        "orderId": str(walk.order_id),
        "seq": 1,
        "status": "pending",
        "attempt": 1,
        "at": "2026-11-22T12:00:00.000000Z",
        "data": {
            "symbol": "AAPL",
            "side": "buy",
            "quantity": "10",
            "slippageBps": 100,
            "maxLegs": 1,
            "type": "market",
            "timeInForce": "IOC",
        },
    }
    later = web.client.get(path, query_string={"after": 3}).get_json()["events"]
    assert later == events[3:]
    assert web.client.get(path, query_string={"after": 5}).get_json() == {"events": []}


NO_ORDERS = [
    *(
        "00000000-0000-4000-8000-000000000000",
        "nonsense",
        "executes",
        "Execute",
        "0" * 32,
        "%00",
        "execute%0a",
        "%ff",
        "..",
    ),
    *("a" * 3000, "'--"),
]


@pytest.mark.parametrize(
    "path",
    [each + rest for each in NO_ORDERS for rest in ("", "/events", "/events?after=7")]
    + ["execute/events"],
)
def test_an_unknown_id_and_a_malformed_one_are_not_found_alike(web: Web, path: str) -> None:
    answer = web.client.get(f"/api/orders/{path}")
    assert (answer.status_code, answer.get_json()["code"]) == (404, "ORDER_NOT_FOUND")
