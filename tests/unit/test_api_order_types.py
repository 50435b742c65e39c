"""Limit, stop and sniper orders over HTTP: what they take, and how they are accepted."""

from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from werkzeug.test import TestResponse

from orderengine.domain.order import OrderStatus
from orderengine.domain.texts import time_text
from tests.batch_requests import ask as ask_batch
from tests.batch_requests import codes
from tests.order_types import BASE, KEY, LIMIT, SNIPER, SOON, ask
from tests.web import Web, rules

STOP = {**BASE, "side": "sell", "type": "stop", "stopPrice": "180"}


@pytest.fixture
def web() -> Web:
    return Web()


def shown(web: Web, answer: TestResponse) -> dict[str, Any]:
    found: dict[str, Any] = web.client.get(answer.headers["Location"]).get_json()
    return found


@pytest.mark.parametrize(
    ("order", "terms"),
    [
        (LIMIT, {"type": "limit", "limitPrice": "200", "timeInForce": "GTC"}),
        (
            {**LIMIT, "expiresAt": "2026-11-22T14:00:00.5+02:00", "slippageBps": 50},
            {"timeInForce": "GTD", "expiresAt": "2026-11-22T12:00:00.500000Z", "slippageBps": 50},
        ),
        (STOP, {"type": "stop", "stopPrice": "180", "timeInForce": "GTC", "slippageBps": 100}),
        (
            {**STOP, "worstPrice": "170", "timeInForce": "gtd", "expiresAt": SOON},
            {"timeInForce": "GTD", "expiresAt": "2026-11-22T12:00:02.000000Z", "slippageBps": 100},
        ),
        (
            SNIPER,
            {
                "type": "sniper",
                "trigger": {"on": "poolOpened", "minLiquidity": "0"},
                "worstPrice": "250",
                "timeInForce": "GTD",
            },
        ),
        (
            {**SNIPER, "trigger": {"on": "LIQUIDITYADDED", "minLiquidity": 5e4}},
            {"trigger": {"on": "liquidityAdded", "minLiquidity": "50000"}},
        ),
    ],
)
def test_an_order_waits_with_its_terms_and_is_not_dispatched(
    web: Web, order: dict[str, Any], terms: dict[str, Any]
) -> None:
    web.clock.advance(-1)
    answer = ask(web, order)
    document = answer.get_json()
    assert (answer.status_code, document["status"]) == (202, "waiting")
    assert {name: document[name] for name in terms} == terms
    told = ("slippageBps", "limitPrice", "stopPrice", "trigger", "worstPrice", "expiresAt")
    absent = {name for name in told if name not in order and name not in terms}
    assert absent.isdisjoint(document)
    assert web.dispatcher.sent == []
    (moved,) = web.publisher.published
    assert moved.event.status is OrderStatus.WAITING
    assert {name: document[name] for name in moved.event.data} == moved.event.data
    document.pop("links")
    assert shown(web, answer) == document


@pytest.mark.parametrize(
    ("order", "in_force"),
    [
        (BASE, "IOC"),
        ({**BASE, "type": "market", "timeInForce": "FOK"}, "IOC"),
        ({**BASE, "expiresAt": SOON}, "GTD"),
        ({**LIMIT, "timeInForce": "IOC"}, "IOC"),
    ],
)
def test_an_order_that_does_not_wait_starts_at_once(
    web: Web, order: dict[str, Any], in_force: str
) -> None:
    document = ask(web, order).get_json()
    assert (document["status"], document["timeInForce"]) == ("pending", in_force)
    assert len(web.dispatcher.sent) == 1


@pytest.mark.parametrize(
    ("order", "broken"),
    [
        ({**BASE, "limitPrice": 1}, ("limitPrice", "type")),
        ({**BASE, "stopPrice": 1}, ("stopPrice", "type")),
        ({**BASE, "trigger": {"on": "poolOpened"}}, ("trigger", "type")),
        ({**BASE, "timeInForce": "GTC"}, ("timeInForce", "choice")),
        ({**BASE, "timeInForce": "GTD"}, ("expiresAt", "required")),
        ({**BASE, "timeInForce": "IOC", "expiresAt": SOON}, ("expiresAt", "type")),
        ({**BASE, "type": "limit"}, ("limitPrice", "required")),
        ({**LIMIT, "limitPrice": None}, ("limitPrice", "required")),
        ({**LIMIT, "worstPrice": 1}, ("worstPrice", "type")),
        ({**LIMIT, "stopPrice": 1}, ("stopPrice", "type")),
        ({**LIMIT, "timeInForce": "FOK"}, ("timeInForce", "choice")),
        ({**LIMIT, "timeInForce": "GTC", "expiresAt": SOON}, ("expiresAt", "type")),
        ({**BASE, "type": "stop"}, ("stopPrice", "required")),
        ({**STOP, "limitPrice": 1}, ("limitPrice", "type")),
        ({**STOP, "timeInForce": "IOC"}, ("timeInForce", "choice")),
        ({**SNIPER, "trigger": None}, ("trigger", "required")),
        ({**SNIPER, "worstPrice": None}, ("worstPrice", "required")),
        ({**SNIPER, "expiresAt": None}, ("expiresAt", "required")),
        ({**SNIPER, "slippageBps": 1}, ("slippageBps", "type")),
        ({**SNIPER, "timeInForce": "GTC"}, ("timeInForce", "choice")),
        ({**SNIPER, "trigger": {"on": "liquidityAdded"}}, ("trigger.minLiquidity", "required")),
    ],
)
def test_a_field_that_its_type_does_not_allow_is_named_with_the_type(
    web: Web, order: dict[str, Any], broken: tuple[str, str]
) -> None:
    answer = ask(web, order)
    assert (answer.status_code, rules(answer)) == (400, [broken])
    if not broken[0].startswith("trigger."):
        assert f"{order.get('type', 'market')} order" in answer.get_json()["detail"]
    assert len(web.orders) == 0


@pytest.mark.parametrize(
    ("trigger", "broken"),
    [
        ("poolOpened", [("trigger", "type")]),
        ({}, [("trigger.on", "required")]),
        ({"on": None}, [("trigger.on", "required")]),
        ({"on": "never"}, [("trigger.on", "one_of")]),
        (
            {"on": 1, "minLiquidity": "x"},
            [("trigger.on", "type"), ("trigger.minLiquidity", "decimal")],
        ),
        ({"on": "poolOpened", "minLiquidity": -1}, [("trigger.minLiquidity", "positive")]),
        ({"on": "liquidityAdded", "minLiquidity": 0}, [("trigger.minLiquidity", "required")]),
        ({"on": "poolOpened", "pool": 1}, [("trigger.pool", "unknown")]),
    ],
)
def test_a_trigger_is_refused_by_the_name_of_its_member(
    web: Web, trigger: object, broken: list[tuple[str, str]]
) -> None:
    assert rules(ask(web, {**SNIPER, "trigger": trigger})) == broken


@pytest.mark.parametrize("name", ["limitPrice", "stopPrice", "trigger", "timeInForce", "expiresAt"])
def test_null_is_absent(web: Web, name: str) -> None:
    plain, with_null = ask(web, BASE).get_json(), ask(web, {**BASE, name: None}).get_json()
    for each in (plain, with_null):
        del each["orderId"], each["links"]
    assert plain == with_null


@pytest.mark.parametrize(
    ("ahead", "is_accepted"),
    [
        (timedelta(seconds=1), True),
        (timedelta(seconds=1) - timedelta(microseconds=1), False),
        (timedelta(0), False),
        (timedelta(days=-1), False),
        (timedelta(days=366), True),
        (timedelta(days=366, microseconds=1), False),
    ],
)
def test_an_order_expires_between_a_second_and_a_year_from_now(
    web: Web, ahead: timedelta, is_accepted: bool
) -> None:
    answer = ask(web, {**LIMIT, "expiresAt": time_text(web.clock.now() + ahead)})
    if is_accepted:
        assert answer.status_code == 202
    else:
        assert rules(answer) == [("expiresAt", "range")]
        assert len(web.orders) == 0


def test_an_instrument_that_does_not_trade_yet_may_be_waited_for(web: Web) -> None:
    web.prices.openings["AAPL"] = web.clock.now() + timedelta(minutes=1)
    for order in (BASE, {**LIMIT, "timeInForce": "IOC"}):
        answer = ask(web, order)
        assert (answer.status_code, answer.get_json()["code"]) == (409, "NOT_OPEN")
    assert [ask(web, each).status_code for each in (LIMIT, STOP, SNIPER)] == [202] * 3


@pytest.mark.parametrize(
    ("side", "reached", "beyond", "ahead"),
    [("buy", "229.4", "229.3", "229.5"), ("sell", "229.4", "229.5", "229.3")],
)
def test_a_stop_whose_price_is_reached_is_refused(
    web: Web, side: str, reached: str, beyond: str, ahead: str
) -> None:
    stop = {**STOP, "side": side}
    for price in (reached, beyond):
        answer = ask(web, {**stop, "stopPrice": price})
        assert (answer.status_code, answer.get_json()["code"]) == (409, "WOULD_TRIGGER")
    assert codes(ask_batch(web, [{**stop, "stopPrice": reached}])) == ["WOULD_TRIGGER"]
    accepted = ask(web, {**stop, "stopPrice": ahead}, **KEY)
    assert accepted.status_code == 202
    path, version = accepted.headers["Location"], {"If-Match": '"1"'}
    moved = web.client.patch(path, json={"stopPrice": reached}, headers=version)
    assert moved.get_json()["code"] == "WOULD_TRIGGER"
    web.prices.factor = Decimal(ahead) / Decimal(reached)
    assert ask(web, stop | {"stopPrice": ahead}).status_code == 409
    again = ask(web, {**stop, "stopPrice": ahead}, **KEY)
    assert (again.status_code, again.headers["Idempotency-Replayed"]) == (202, "true")


def test_a_stored_order_has_the_decimals_of_its_instrument(web: Web) -> None:
    waiting, started = (ask(web, each).get_json()["orderId"] for each in (LIMIT, BASE))
    stored = [web.orders.get(UUID(each)) for each in (waiting, started)]
    assert [each and each.base_decimals for each in stored] == [6, None]
