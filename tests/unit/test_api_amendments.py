"""Amendments over HTTP: `If-Match`, and each answer in both orders of each race."""

from typing import Any
from uuid import UUID

import pytest
from werkzeug.test import TestResponse

from orderengine.domain.instruments import Instruments
from orderengine.domain.moves import Trigger
from orderengine.domain.order import OrderStatus
from tests.web import INSTRUMENTS, Web, rules

LIMIT = {"type": "limit", "limitPrice": "200"}
USDC = {**LIMIT, "quantity": None, "quoteQuantity": "2000"}
STOP = {"type": "stop", "stopPrice": "180", "worstPrice": "170", "side": "sell"}
SNIPER = {
    "type": "sniper",
    "trigger": {"on": "liquidityAdded", "minLiquidity": "50000"},
    "worstPrice": "250",
    "expiresAt": "2026-11-22T12:00:10Z",
}


@pytest.fixture
def web() -> Web:
    return Web()


def amend(
    web: Web, order_id: str, changes: object, tag: str | None = '"1"', **headers: str
) -> TestResponse:
    if tag is not None:
        headers["If-Match"] = tag
    return web.client.patch(f"/api/orders/{order_id}", json=changes, headers=headers)


def code(answer: TestResponse) -> tuple[int, str]:
    return answer.status_code, answer.get_json()["code"]


@pytest.mark.parametrize(
    ("terms", "changes", "told"),
    [
        (LIMIT, {"limitPrice": 190.5}, {"limitPrice": "190.5"}),
        (LIMIT, {"limitPrice": "190", "quantity": "3.5"}, {"limitPrice": "190", "quantity": "3.5"}),
        (
            LIMIT,
            {"expiresAt": "2026-11-22T13:00:01+01:00"},
            {"expiresAt": "2026-11-22T12:00:01.000000Z", "timeInForce": "GTD"},
        ),
        (USDC, {"quoteQuantity": "150.5"}, {"quoteQuantity": "150.5"}),
        (STOP, {"stopPrice": 175, "worstPrice": 160}, {"stopPrice": "175", "worstPrice": "160"}),
        (SNIPER, {"worstPrice": 260}, {"worstPrice": "260"}),
        (SNIPER, {"expiresAt": "2026-11-22T12:00:20Z"}, {"timeInForce": "GTD"}),
    ],
)
def test_an_order_that_waits_gets_new_terms_and_keeps_the_others(
    web: Web, terms: dict[str, Any], changes: dict[str, Any], told: dict[str, str]
) -> None:
    order_id = web.place(**terms)
    before = web.client.get(f"/api/orders/{order_id}").get_json()
    answer = amend(web, order_id, changes)
    document = answer.get_json()
    assert (answer.status_code, answer.headers["ETag"]) == (200, '"2"')
    assert {name: document[name] for name in told} == told
    kept = before.keys() - changes.keys() - told.keys() - {"version"}
    assert {name: document[name] for name in kept} == {name: before[name] for name in kept}
    assert document == web.client.get(f"/api/orders/{order_id}").get_json()
    last = web.publisher.published[-1]
    assert (last.event.seq, last.event.status) == (2, OrderStatus.WAITING)
    assert web.dispatcher.sent == []


def test_the_tag_of_an_order_is_its_version(web: Web) -> None:
    order_id = web.place(**LIMIT, clientOrderId="a")
    by_name = "/api/orders/by-client-id?clientOrderId=a"
    for path in (f"/api/orders/{order_id}", by_name, "/api/orders/by-client-id/a"):
        assert web.client.get(path).headers["ETag"] == '"1"'
    amend(web, order_id, {"limitPrice": 190})
    assert web.client.get(by_name).headers["ETag"] == '"2"'


def test_without_a_version_nothing_is_amended(web: Web) -> None:
    order_id = web.place(**LIMIT)
    assert code(amend(web, order_id, {"limitPrice": 190}, None)) == (428, "PRECONDITION_REQUIRED")
    assert len(web.orders.events(UUID(order_id))) == 1


@pytest.mark.parametrize("tag", ["1", "", '"1', "x", '"1" "2"', '"1",', "* , *", '"1 "', '"é"'])
def test_a_malformed_version_is_refused(web: Web, tag: str) -> None:
    answer = amend(web, web.place(**LIMIT), {"limitPrice": 190}, tag)
    assert (answer.status_code, rules(answer)) == (400, [("If-Match", "entity_tag")])


@pytest.mark.parametrize("tag", ['"1"', '"7", "1"', 'W/"1"', "*", '"a,b" , "1"'])
def test_a_version_may_be_one_of_several_or_any(web: Web, tag: str) -> None:
    assert amend(web, web.place(**LIMIT), {"limitPrice": 190}, tag).status_code == 200


@pytest.mark.parametrize("tag", ['"2"', '"0"', '"01"', 'W/"2"', '""'])
def test_another_version_is_refused_with_the_order(web: Web, tag: str) -> None:
    order_id = web.place(**LIMIT)
    answer = amend(web, order_id, {"limitPrice": 190}, tag)
    assert code(answer) == (412, "PRECONDITION_FAILED")
    shown = web.client.get(f"/api/orders/{order_id}").get_json()
    assert answer.get_json()["order"] == shown
    assert (shown["version"], shown["limitPrice"]) == (1, "200")


def test_of_two_amendments_of_one_version_one_is_made(web: Web) -> None:
    order_id = web.place(**LIMIT)
    assert amend(web, order_id, {"limitPrice": 190}).status_code == 200
    late = amend(web, order_id, {"limitPrice": 180})
    assert code(late) == (412, "PRECONDITION_FAILED")
    assert late.get_json()["order"]["limitPrice"] == "190"
    assert amend(web, order_id, {"limitPrice": 180}, '"2"').get_json()["limitPrice"] == "180"


def test_an_order_that_started_can_not_be_amended_and_one_that_was_starts_with_its_new_terms(
    web: Web,
) -> None:
    first, second = web.place(**LIMIT), web.place(**LIMIT)
    assert web.orders.move(UUID(first), 1, Trigger()) is not None
    late = amend(web, first, {"limitPrice": 190})
    assert code(late) == (409, "NOT_WAITING")
    assert late.get_json()["order"]["status"] == "pending"
    assert amend(web, second, {"limitPrice": 190}).status_code == 200
    assert web.orders.move(UUID(second), 1, Trigger()) is None
    moved = web.orders.move(UUID(second), 2, Trigger())
    assert moved is not None
    assert moved.order.limit_price == 190


def test_a_trigger_between_the_look_and_the_amendment_wins(
    web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    order_id = web.place(**LIMIT)
    move = web.orders.move

    def overtaken(found: UUID, version: int, wanted: Any) -> Any:
        monkeypatch.setattr(web.orders, "move", move)
        assert move(found, version, Trigger()) is not None
        return move(found, version, wanted)

    monkeypatch.setattr(web.orders, "move", overtaken)
    answer = amend(web, order_id, {"limitPrice": 190})
    assert code(answer) == (409, "NOT_WAITING")
    assert answer.get_json()["order"]["limitPrice"] == "200"


def test_an_order_that_ended_can_not_be_amended(web: Web) -> None:
    canceled, market = web.place(**LIMIT), web.place()
    web.client.delete(f"/api/orders/{canceled}")
    expiring = web.place(**LIMIT, expiresAt="2026-11-22T12:00:02Z")
    web.clock.advance(2)
    told = ((canceled, '"2"', "canceled"), (market, '"1"', "pending"), (expiring, '"1"', "expired"))
    for order_id, tag, status in told:
        answer = amend(web, order_id, {"quantity": 5}, tag)
        assert code(answer) == (409, "NOT_WAITING")
        assert answer.get_json()["order"]["orderId"] == order_id
        assert status in answer.get_json()["detail"]


@pytest.mark.parametrize(
    ("terms", "changes", "broken"),
    [
        (LIMIT, {"stopPrice": 1}, ("stopPrice", "type")),
        (LIMIT, {"worstPrice": 1}, ("worstPrice", "type")),
        (STOP, {"limitPrice": 1}, ("limitPrice", "type")),
        (SNIPER, {"limitPrice": 1}, ("limitPrice", "type")),
        (LIMIT, {"limitPrice": 0}, ("limitPrice", "positive")),
        (LIMIT, {"limitPrice": None}, ("limitPrice", "type")),
        (LIMIT, {"expiresAt": None, "quantity": 5}, ("expiresAt", "type")),
        (LIMIT, {"quantity": "0.0000001"}, ("quantity", "min")),
        (LIMIT, {"quantity": "1.0000001"}, ("quantity", "step")),
        (LIMIT, {"quantity": 1e6}, ("quantity", "max")),
        (LIMIT, {"expiresAt": "2026-11-22T12:00:00.9Z"}, ("expiresAt", "range")),
        (LIMIT, {"expiresAt": "2027-11-23T12:00:01Z"}, ("expiresAt", "range")),
        (LIMIT, {"quoteQuantity": 100}, ("quoteQuantity", "exclusive")),
        (USDC, {"quantity": 1}, ("quoteQuantity", "exclusive")),
        (USDC, {"quoteQuantity": "0.0000001"}, ("quoteQuantity", "places")),
        (USDC, {"quoteQuantity": "0.000001"}, ("quoteQuantity", "min")),
        (LIMIT, {"side": "sell"}, ("side", "unknown")),
        (LIMIT, {"slippageBps": 1}, ("slippageBps", "unknown")),
        (LIMIT, {"trigger": None}, ("trigger", "unknown")),
        (LIMIT, {}, ("body", "empty")),
    ],
)
def test_new_terms_are_checked_as_those_of_a_new_order(
    web: Web, terms: dict[str, Any], changes: dict[str, Any], broken: tuple[str, str]
) -> None:
    order_id = web.place(**terms)
    answer = amend(web, order_id, changes)
    assert (answer.status_code, rules(answer)) == (400, [broken])
    assert len(web.orders.events(UUID(order_id))) == 1


def test_the_value_is_limited_as_that_of_a_new_order() -> None:
    web = Web(max_notional=10_000)
    order_id = web.place(**LIMIT)
    assert code(amend(web, order_id, {"quantity": 1000})) == (422, "NOTIONAL_LIMIT")


def test_an_order_whose_instrument_is_gone_can_not_be_amended(
    web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    order_id = web.place(**LIMIT)
    monkeypatch.setattr("tests.web.INSTRUMENTS", Instruments([INSTRUMENTS.get("SOL")]))
    after = Web(clock=web.clock)
    after.orders = web.orders
    assert rules(amend(after, order_id, {"limitPrice": 190})) == [("symbol", "known")]


@pytest.mark.parametrize("body", ["", "[]", "{", '{"limitPrice":1,"limitPrice":2}'])
def test_the_body_is_strict_json(web: Web, body: str) -> None:
    headers = {"If-Match": '"1"', "Content-Type": "application/json"}
    path = f"/api/orders/{web.place(**LIMIT)}"
    answer = web.client.patch(path, data=body, headers=headers)
    assert code(answer) == (400, "INVALID_JSON")
    answer = web.client.patch(path, data="x=1", headers={"If-Match": '"1"'})
    assert code(answer) == (415, "UNSUPPORTED_MEDIA_TYPE")


def test_another_clients_order_is_not_found() -> None:
    web = Web(asks_for_keys=True)
    order = {"symbol": "AAPL", "side": "buy", "quantity": 10, **LIMIT}
    placed = web.client.post("/api/orders/execute", json=order, headers=web.key("alice"))
    order_id = placed.get_json()["orderId"]
    for asked in (order_id, "00000000-0000-4000-8000-000000000000", "nonsense"):
        answer = amend(web, asked, {"limitPrice": 1}, **web.key("eve"))
        assert code(answer) == (404, "ORDER_NOT_FOUND")
    assert amend(web, order_id, {"limitPrice": 1}).status_code == 401
