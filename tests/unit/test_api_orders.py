"""Orders over HTTP: taking them in, and reading what became of them."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from hashlib import blake2s
from uuid import UUID, uuid4

import pytest
from structlog.testing import capture_logs

from orderengine.api.cursors import cursor_text
from orderengine.domain.errors import StorageCause, StorageUnavailable
from orderengine.domain.moves import RoutingCause
from orderengine.domain.side import Side
from orderengine.execution.lists import Position
from orderengine.stream.messages import event_text
from tests.builders import A_FAIL
from tests.conftest import a_new_order
from tests.fakes import Dispatched
from tests.steps import FAIL, Walk
from tests.web import Web, rules


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
        "orderId": str(order_id),
        "symbol": "AAPL",
        "side": "buy",
        "quantity": "10",
        "slippageBps": 100,
        "maxLegs": 1,
        "status": "pending",
        "attempt": 1,
        "version": 1,
        "createdAt": "2026-11-22T12:00:00.000000Z",
        "updatedAt": "2026-11-22T12:00:00.000000Z",
        "failedAttempts": [],
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
    assert answer.get_json() == {
        "orderId": order_id,
        "symbol": "AAPL",
        "side": "buy",
        "quantity": "10",
        "slippageBps": 100,
        "maxLegs": 1,
        "status": "pending",
        "attempt": 1,
        "version": 1,
        "createdAt": "2026-11-22T12:00:00.000000Z",
        "updatedAt": "2026-11-22T12:00:00.000000Z",
        "failedAttempts": [],
    }


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


def test_orders_are_listed_newest_first_page_by_page(web: Web) -> None:
    placed = []
    for _ in range(5):
        placed.append(web.place())
        web.clock.advance(1)
    found: list[str] = []
    query: dict[str, str] = {"limit": "2"}
    while True:
        page = web.client.get("/api/orders", query_string=query).get_json()
        found += [order["orderId"] for order in page["orders"]]
        if page["nextCursor"] is None:
            break
        query["cursor"] = page["nextCursor"]
    assert found == placed[::-1]


def test_a_cursor_goes_on_from_its_place_whatever_became_of_the_order(web: Web) -> None:
    placed = []
    for _ in range(3):
        placed.append(web.place())
        web.clock.advance(1)
    query = {"limit": "1", "status": "pending"}
    cursor = web.client.get("/api/orders", query_string=query).get_json()["nextCursor"]
    last = UUID(placed[-1])

    def next_page(cursor: str) -> list[str]:
        page = web.client.get("/api/orders", query_string={**query, "cursor": cursor}).get_json()
        return [order["orderId"] for order in page["orders"]]

    assert web.orders.give_up(last, 1, A_FAIL)
    of_the_release_before = last.hex
    assert next_page(cursor) == next_page(of_the_release_before) == [placed[1]]
    web.orders.forget(last)
    assert next_page(cursor) == [placed[1]]


@pytest.mark.parametrize(
    "change",
    [
        lambda cursor: uuid4().hex,
        lambda cursor: cursor[:-1] + ("0" if cursor[-1] != "0" else "1"),
        lambda cursor: "f" + cursor[1:],
        lambda cursor: cursor_text("another", Position(datetime.now(UTC), uuid4())),
        lambda cursor: beyond_all_times(),
    ],
)
def test_a_cursor_that_no_page_had_is_refused(web: Web, change: Callable[[str], str]) -> None:
    web.place()
    web.place()
    cursor = web.client.get("/api/orders?limit=1").get_json()["nextCursor"]
    answer = web.client.get(f"/api/orders?cursor={change(cursor)}")
    assert (answer.status_code, rules(answer)) == (400, [("cursor", "cursor")])
    assert "cursor must be the nextCursor of an answer" in answer.get_json()["detail"]


def beyond_all_times() -> str:
    place = f"{2**64 - 1:016x}{uuid4().hex}"
    return place + blake2s(f"local:{place}".encode(), digest_size=4).hexdigest()


def test_orders_are_filtered_by_status_and_symbol(web: Web) -> None:
    walk = Walk(web.orders)
    walk.step(FAIL)
    bitcoin = web.place(symbol="BTC", quantity=1)

    def listed(**query: str) -> list[str]:
        orders = web.client.get("/api/orders", query_string=query).get_json()["orders"]
        return [order["orderId"] for order in orders]

    assert listed(status="failed") == [str(walk.order_id)]
    assert listed(symbol="BTC") == [bitcoin]
    assert listed(symbol="BTC", status="failed") == []


def test_orders_of_an_instrument_that_is_no_longer_traded_are_listed(web: Web) -> None:
    gone = replace(a_new_order(), symbol="GONE")
    web.orders.accept(gone)
    web.place()
    orders = web.client.get("/api/orders?symbol=GONE").get_json()["orders"]
    assert [order["orderId"] for order in orders] == [str(gone.order_id)]


@pytest.mark.parametrize(
    ("query", "field", "rule"),
    [
        ("limit=1&limit=1", "limit", "repeated"),
        ("bogus=1&bogus=2", "bogus", "repeated"),
        ("bogus=1", "bogus", "unknown"),
        ("status=", "status", "one_of"),
        ("limit=0", "limit", "range"),
        ("limit=%EF%BC%91", "limit", "integer"),
        ("cursor=abc", "cursor", "cursor"),
        ("symbol=", "symbol", "text"),
        ("symbol=%00", "symbol", "text"),
        ("%00%1b=1", "\\x00\\x1b", "unknown"),
    ],
)
def test_a_query_that_is_not_understood_is_refused(
    web: Web, query: str, field: str, rule: str
) -> None:
    answer = web.client.get(f"/api/orders?{query}")
    assert answer.status_code == 400
    assert rules(answer) == [(field, rule)]
