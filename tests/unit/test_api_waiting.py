"""`Prefer: wait=N`, and a client's own names for orders."""

import threading
from collections.abc import Iterator, Mapping
from uuid import UUID

import pytest
from werkzeug.test import TestResponse

from orderengine.api.updates.prefer_wait import HeldAnswers
from orderengine.domain.errors import StorageUnavailable
from tests.steps import CONFIRMED
from tests.web import Web, rules

ORDER = {"symbol": "AAPL", "side": "buy", "quantity": 10}


@pytest.fixture
def web() -> Iterator[Web]:
    web = Web()
    yield web
    web.hub.close()


def ask(web: Web, prefer: str, **more: object) -> TestResponse:
    return web.client.post(
        "/api/orders/execute", json={**ORDER, **more}, headers={"Prefer": prefer}
    )


def walk_at_once(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run each order to its end as soon as its chain starts."""

    def run(versions: Mapping[UUID, int], *_: object) -> None:
        for order_id, version in versions.items():
            for number, move in enumerate(CONFIRMED):
                assert web.orders.move(order_id, version + number, move) is not None

    monkeypatch.setattr(web.dispatcher, "route_all", run)


def test_an_order_that_ends_in_time_is_the_answer(
    web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    walk_at_once(web, monkeypatch)
    answer = ask(web, "wait=5")
    assert answer.status_code == 200
    assert answer.headers["Preference-Applied"] == "wait=5"
    document = answer.get_json()
    assert document["status"] == "confirmed"
    assert answer.headers["Location"] == f"/api/orders/{document['orderId']}"
    assert document.pop("links")["order"] == answer.headers["Location"]
    assert document == web.client.get(answer.headers["Location"]).get_json()
    assert web.hub.followers == 0


def test_an_order_that_does_not_end_in_time_is_accepted(web: Web) -> None:
    answer = ask(web, "wait=1")
    assert answer.status_code == 202
    assert "Preference-Applied" not in answer.headers
    assert answer.get_json()["status"] == "pending"
    assert web.hub.followers == 0


def test_a_replayed_request_waits_for_the_order_of_the_first(
    web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    walk_at_once(web, monkeypatch)
    headers = {"Idempotency-Key": "k-1", "Prefer": "respond-async, wait=5"}
    first, again = (
        web.client.post("/api/orders/execute", json=ORDER, headers=headers) for _ in range(2)
    )
    assert (first.status_code, again.status_code) == (200, 200)
    assert first.data == again.data
    assert again.headers["Idempotency-Replayed"] == "true"
    assert len(web.orders) == 1


def test_more_than_ten_seconds_are_not_granted(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    walk_at_once(web, monkeypatch)
    assert ask(web, "wait=9999").headers["Preference-Applied"] == "wait=10"


@pytest.mark.parametrize("prefer", ["", "respond-async", "return=minimal", "waiting=1", "wait=0"])
def test_who_does_not_wish_to_wait_does_not(web: Web, prefer: str) -> None:
    assert ask(web, prefer).status_code == 202


@pytest.mark.parametrize("prefer", ["wait", "wait=", "wait=-1", "wait=1.5", "wait=x", "wait=99999"])
def test_a_wait_that_is_none_is_refused_and_orders_nothing(web: Web, prefer: str) -> None:
    answer = ask(web, prefer)
    assert (answer.status_code, rules(answer)) == (400, [("Prefer", "wait")])
    assert len(web.orders) == 0


def test_the_answer_is_202_when_the_end_can_not_be_read(
    web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    walk_at_once(web, monkeypatch)

    def lose(_: UUID) -> None:
        raise StorageUnavailable("PostgreSQL is down")

    monkeypatch.setattr(web.orders, "get", lose)
    assert ask(web, "wait=5").status_code == 202


def test_no_more_than_a_bounded_number_waits(web: Web) -> None:
    limit = 8
    waits = HeldAnswers(web.orders, web.hub, limit)
    order_id = UUID(web.place())
    threads = [
        threading.Thread(target=waits.wait_for_end, args=(order_id, 1.0)) for _ in range(limit)
    ]
    for thread in threads:
        thread.start()
    while web.hub.followers < limit:
        assert any(thread.is_alive() for thread in threads)
    assert waits.wait_for_end(order_id, 60.0) is None
    for thread in threads:
        thread.join()
    assert web.hub.followers == 0


def test_an_order_is_found_by_its_clients_name(web: Web) -> None:
    order_id = web.place(clientOrderId="bot-1.A_b")
    found = web.client.get("/api/orders/by-client-id/bot-1.A_b").get_json()
    assert (found["orderId"], found["clientOrderId"]) == (order_id, "bot-1.A_b")
    (event,) = web.client.get(f"/api/orders/{order_id}/events").get_json()["events"]
    assert event["data"]["clientOrderId"] == "bot-1.A_b"
    for other in ("bot-1", "events", "execute", "%00", "é", "a" * 65, "a%2Fb"):
        assert web.client.get(f"/api/orders/by-client-id/{other}").status_code == 404


@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "k-1"}])
def test_a_name_that_is_taken_is_refused_and_leads_to_its_order(
    web: Web, headers: dict[str, str]
) -> None:
    order_id = web.place(clientOrderId="a")
    again = web.client.post(
        "/api/orders/execute", json={**ORDER, "clientOrderId": "a"}, headers=headers
    )
    assert (again.status_code, again.get_json()["code"]) == (409, "CLIENT_ORDER_ID_TAKEN")
    assert order_id in again.get_json()["detail"]
    assert again.headers["Location"] == f"/api/orders/{order_id}"
    assert len(web.orders) == len(web.dispatcher.sent) == 1


def test_the_same_request_with_the_same_key_is_no_duplicate(web: Web) -> None:
    headers = {"Idempotency-Key": "k-1"}
    body = {**ORDER, "clientOrderId": "a"}
    first, again = (
        web.client.post("/api/orders/execute", json=body, headers=headers) for _ in range(2)
    )
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.data == again.data


def test_names_are_each_clients_own() -> None:
    web = Web(asks_for_keys=True)
    alice, bob = web.key("alice"), web.key("bob")
    body = {**ORDER, "clientOrderId": "a"}
    for headers in (alice, bob):
        assert web.client.post("/api/orders/execute", json=body, headers=headers).status_code == 202
    path = "/api/orders/by-client-id/a"
    orders = [web.client.get(path, headers=each).get_json()["orderId"] for each in (alice, bob)]
    assert orders[0] != orders[1]
    assert web.client.get(path, headers=web.key("eve")).status_code == 404


@pytest.mark.parametrize("name", ["", " ", "a b", "é", "a" * 65, "a/b", "a\n", ".", "..", 1, ["a"]])
def test_a_name_that_breaks_the_rule_is_refused(web: Web, name: object) -> None:
    answer = web.client.post("/api/orders/execute", json={**ORDER, "clientOrderId": name})
    assert answer.status_code == 400
    assert rules(answer)[0][0] == "clientOrderId"
    assert len(web.orders) == 0
