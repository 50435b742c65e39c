"""Limit, stop and sniper orders over HTTP: repeated, waited for, and beyond a limit."""

import time
from typing import Any
from uuid import UUID

import pytest

from orderengine.domain.moves import RoutingCause, StartRouting, Trigger
from orderengine.execution.intake.limits import Limits
from tests.batch_requests import ask as ask_batch
from tests.batch_requests import codes, statuses
from tests.batch_requests import results as results_of
from tests.builders import A_REST
from tests.order_types import BASE, KEY, LIMIT, SNIPER, SOON, ask
from tests.web import Web, rules


@pytest.fixture
def web() -> Web:
    return Web()


def test_a_repeated_order_is_answered_although_its_time_has_passed(web: Web) -> None:
    order = {**LIMIT, "expiresAt": SOON}
    first = ask(web, order, **KEY)
    web.clock.advance(60)
    again = ask(web, order, **KEY)
    assert (again.status_code, again.headers["Idempotency-Replayed"]) == (202, "true")
    assert again.get_json() == first.get_json()
    assert rules(ask(web, order)) == [("expiresAt", "range")]
    assert len(web.orders) == 1


@pytest.mark.parametrize(
    ("first", "again"),
    [
        (LIMIT, {**LIMIT, "limitPrice": "200.00", "timeInForce": "GTC", "type": "LIMIT"}),
        (SNIPER, {**SNIPER, "trigger": {"on": "POOLOPENED", "minLiquidity": 0}}),
        (SNIPER, {**SNIPER, "expiresAt": "2026-11-22T13:00:02.000+01:00"}),
        (BASE, {**BASE, "timeInForce": "FOK"}),
    ],
)
def test_the_same_terms_in_other_words_are_the_same_request(
    web: Web, first: dict[str, Any], again: dict[str, Any]
) -> None:
    assert ask(web, first, **KEY).get_json() == ask(web, again, **KEY).get_json()
    assert len(web.orders) == 1


@pytest.mark.parametrize(
    "changed",
    [{"limitPrice": 201}, {"expiresAt": SOON}, {"slippageBps": 100}, {"timeInForce": "IOC"}],
)
def test_other_terms_are_another_request(web: Web, changed: dict[str, Any]) -> None:
    ask(web, LIMIT, **KEY)
    assert ask(web, {**LIMIT, **changed}, **KEY).get_json()["code"] == "IDEMPOTENCY_KEY_REUSED"


def test_a_repeated_request_has_the_status_of_now_and_is_compared_with_what_was_posted(
    web: Web,
) -> None:
    path = ask(web, LIMIT, **KEY).headers["Location"]
    amended = web.client.patch(path, json={"limitPrice": 190}, headers={"If-Match": '"1"'})
    assert amended.status_code == 200
    again = ask(web, LIMIT, **KEY)
    document = again.get_json()
    assert again.status_code == 202
    assert (document["status"], document["version"], document["limitPrice"]) == (
        "waiting",
        2,
        "190",
    )
    as_amended = ask(web, {**LIMIT, "limitPrice": 190}, **KEY)
    assert as_amended.get_json()["code"] == "IDEMPOTENCY_KEY_REUSED"
    web.client.delete(path)
    assert ask(web, LIMIT, **KEY).get_json()["status"] == "canceled"


def test_a_repeated_batch_has_the_statuses_of_now(web: Web) -> None:
    first = ask_batch(web, [LIMIT, BASE], "k")
    assert [each["order"]["status"] for each in results_of(first)] == ["waiting", "pending"]
    web.client.delete(results_of(first)[0]["order"]["links"]["order"])
    again = ask_batch(web, [LIMIT, BASE], "k")
    assert statuses(again) == [202, 202]
    assert [each["order"]["status"] for each in results_of(again)] == ["canceled", "pending"]


def test_an_order_that_waits_is_not_waited_for(web: Web) -> None:
    assert ask(web, LIMIT, Prefer="wait=10", **KEY).get_json()["status"] == "waiting"
    again = ask(web, LIMIT, Prefer="wait=10", **KEY)
    assert (again.status_code, again.get_json()["status"]) == (202, "waiting")
    assert "Preference-Applied" not in again.headers
    web.client.delete(again.headers["Location"])
    ended = ask(web, LIMIT, Prefer="wait=10", **KEY)
    assert (ended.status_code, ended.get_json()["status"]) == (200, "canceled")
    assert ended.headers["Preference-Applied"] == "wait=10"
    web.hub.close()


def test_an_order_that_started_is_waited_for_until_it_waits_again(
    web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    order_id = UUID(ask(web, LIMIT, **KEY).get_json()["orderId"])
    started = web.orders.move(order_id, 1, Trigger())
    assert started is not None
    answer = ask(web, LIMIT, Prefer="wait=1", **KEY)
    assert (answer.status_code, answer.get_json()["status"]) == (202, "pending")
    assert web.orders.move(order_id, 2, StartRouting(RoutingCause.ORDER)) is not None
    assert web.orders.move(order_id, 3, A_REST) is not None
    # The look at the order comes before its last two steps, and the wait for its end after them.
    monkeypatch.setattr(web.orders, "get", lambda _: started.order)
    began = time.monotonic()
    answer = ask(web, LIMIT, Prefer="wait=10", **KEY)
    assert (answer.status_code, answer.get_json()["status"]) == (202, "pending")
    assert time.monotonic() - began < 9
    web.hub.close()


def test_orders_that_wait_have_a_limit_of_their_own() -> None:
    web = Web(asks_for_keys=True, limits=Limits(max_open_orders=1, max_waiting_orders=2))
    alice, bob = web.key("alice"), web.key("bob")
    assert [ask(web, LIMIT, **alice).status_code for _ in range(2)] == [202, 202]
    full = ask(web, LIMIT, **alice)
    assert (full.status_code, full.get_json()["code"]) == (429, "TOO_MANY_WAITING_ORDERS")
    assert full.headers["Retry-After"] == "1"
    assert ask(web, LIMIT, **bob).status_code == 202
    assert ask(web, BASE, **alice).status_code == 202, "a market order is still possible"
    assert ask(web, BASE, **alice).get_json()["code"] == "TOO_MANY_OPEN_ORDERS"
    assert web.client.delete("/api/orders?all=true", headers=alice).status_code == 200
    web.clock.advance(1)
    assert ask(web, LIMIT, **alice).status_code == 202


def test_the_limits_count_the_orders_of_a_batch_by_kind() -> None:
    web = Web(
        asks_for_keys=True,
        limits=Limits(max_open_orders=2, max_waiting_orders=1),
        max_queued=2,
    )
    web.watched.waiting = {"intake": 0, "settle": 0}
    answer = ask_batch(web, [LIMIT, BASE, LIMIT, BASE, BASE], **web.key())
    assert codes(answer) == [None, None, "TOO_MANY_WAITING_ORDERS", None, "TOO_MANY_OPEN_ORDERS"]


def test_the_value_of_an_order_that_waits_is_limited_too() -> None:
    answer = ask(Web(max_notional=1000), LIMIT)
    assert (answer.status_code, answer.get_json()["code"]) == (422, "NOTIONAL_LIMIT")
