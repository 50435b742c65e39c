"""The Idempotency-Key of a batch: its orders are placed once, even if the first answer got lost."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from orderengine.domain.errors import IdempotencyConflict, StorageUnavailable
from orderengine.domain.events import Moved
from orderengine.domain.instruments import Instruments
from orderengine.domain.order import NewOrder
from orderengine.execution.intake.batch import BatchKey, Denied
from orderengine.execution.intake.limits import Limits
from tests.batch_requests import BAD, ORDER, PATH, ask, batches, codes, results, statuses
from tests.conftest import a_new_order
from tests.web import INSTRUMENTS, Web, rules


@pytest.fixture
def web() -> Web:
    return Web()


def test_a_repeated_batch_gets_the_same_answer_and_is_told_so(web: Web) -> None:
    web.orders.accept(replace(a_new_order(), client_order_id="taken"))
    batch = [ORDER, BAD, {**ORDER, "clientOrderId": "taken"}, {**ORDER, "clientOrderId": "a"}]
    first, again = ask(web, batch, "k"), ask(web, batch, "k")
    assert statuses(first) == [202, 400, 409, 202]
    assert first.get_json() == again.get_json()
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert len(web.orders) == 3
    assert len(web.dispatcher.sent) == 2


def test_another_spelling_is_the_same_batch_and_another_order_is_not(web: Web) -> None:
    first = ask(web, [ORDER, BAD], "k")
    spelled = '{"orders" : [{"quantity":10, "side":"buy","symbol":"AAPL"},' + json.dumps(BAD) + "]}"
    headers = {"Idempotency-Key": "k", "Content-Type": "application/json"}
    again = web.client.post(PATH, data=spelled, headers=headers)
    assert again.get_json() == first.get_json()
    for other in ([ORDER], [BAD, ORDER], [{**ORDER, "quantity": 11}, BAD], [ORDER, BAD, BAD]):
        answer = ask(web, other, "k")
        assert (answer.status_code, answer.get_json()["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert len(web.orders) == 1


def test_a_key_stands_for_an_order_or_for_a_batch(web: Web) -> None:
    ask(web, [ORDER], "batch")
    alone = web.client.post("/api/orders/execute", json=ORDER, headers={"Idempotency-Key": "batch"})
    assert alone.get_json()["code"] == "IDEMPOTENCY_KEY_REUSED"
    web.client.post("/api/orders/execute", json=ORDER, headers={"Idempotency-Key": "order"})
    assert ask(web, [ORDER], "order").get_json()["code"] == "IDEMPOTENCY_KEY_REUSED"


def test_a_batch_without_an_accepted_order_does_not_use_its_key_up(web: Web) -> None:
    assert statuses(ask(web, [BAD, {}], "k")) == [400, 400]
    again = ask(web, [ORDER], "k")
    assert statuses(again) == [202]
    assert "Idempotency-Replayed" not in again.headers


@pytest.mark.parametrize("key", ["", "a b", "k" * 256])
def test_a_key_that_breaks_the_rule_is_refused_by_its_name(web: Web, key: str) -> None:
    assert rules(ask(web, [ORDER], key)) == [("Idempotency-Key", "visible_ascii")]


def test_a_batch_whose_answer_was_lost_is_never_placed_twice(
    web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = batches(web).accept_all

    def store_and_lose(orders: Sequence[NewOrder | Denied], key: BatchKey) -> list[Moved]:
        stored(orders, key)
        raise StorageUnavailable("the answer to COMMIT was lost")

    batch = [ORDER, BAD, ORDER]
    with monkeypatch.context() as patch:
        patch.setattr(batches(web), "accept_all", store_and_lose)
        lost = ask(web, batch, "k")
    assert (lost.status_code, lost.get_json()["code"]) == (503, "STORAGE_UNAVAILABLE")
    assert len(web.orders) == 2
    answer = ask(web, batch, "k")
    assert statuses(answer) == [202, 400, 202]
    assert answer.headers["Idempotency-Replayed"] == "true"
    assert len(web.orders) == 2


def test_a_batch_that_is_being_stored_is_a_conflict_for_now(
    web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise IdempotencyConflict("under way")

    monkeypatch.setattr(batches(web), "accept_all", refuse)
    answer = ask(web, [ORDER], "k")
    assert (answer.status_code, answer.get_json()["code"]) == (409, "IDEMPOTENCY_CONFLICT")
    assert answer.headers["Retry-After"] == "1"


def test_a_repeated_batch_is_answered_whatever_has_changed_since(
    web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = ask(web, [ORDER, BAD], "k")
    monkeypatch.setattr("tests.web.INSTRUMENTS", Instruments([INSTRUMENTS.get("SOL")]))
    after = Web(limits=Limits(orders_disabled=True))
    after.orders = web.orders
    ports = after.app.extensions["orderengine"]
    after.app.extensions["orderengine"] = replace(ports, batches=batches(web))
    assert ask(after, [ORDER, BAD], "k").get_json() == first.get_json()
    assert codes(ask(after, [ORDER], "another")) == ["VALIDATION_FAILED"]


def test_a_repeat_that_overtakes_its_first_request_gets_its_answer() -> None:
    web = Web(limits=Limits(max_open_orders=2))
    first = ask(web, [ORDER, ORDER], "k")
    ports = web.app.extensions["orderengine"]

    class NotYetSeen:
        looks = 0

        def __getattr__(self, name: str) -> Any:
            return getattr(ports.batches, name)

        def batch_before(self, client_id: str, key: str) -> Any:
            self.looks += 1
            return None if self.looks == 1 else ports.batches.batch_before(client_id, key)

    web.app.extensions["orderengine"] = replace(ports, batches=NotYetSeen())
    assert ask(web, [ORDER, ORDER], "k").get_json() == first.get_json()
    assert codes(ask(web, [ORDER], "another")) == ["TOO_MANY_OPEN_ORDERS"]


def test_a_repeated_batch_is_one_request() -> None:
    web = Web(asks_for_keys=True, limits=Limits(rate_per_key=50))
    key = web.key()
    first = ask(web, [ORDER] * 40, "k", **key)
    again = ask(web, [ORDER] * 40, "k", **key)
    assert again.get_json() == first.get_json()
    assert again.headers["RateLimit-Remaining"] == "9"


def test_each_client_owns_its_orders_and_its_keys() -> None:
    web = Web(asks_for_keys=True)
    alice, bob = web.key("alice"), web.key("bob")
    first = results(ask(web, [ORDER], "k", **alice))[0]["order"]["orderId"]
    other = results(ask(web, [ORDER], "k", **bob))[0]["order"]["orderId"]
    assert first != other
    assert web.client.get(f"/api/orders/{first}", headers=bob).status_code == 404
    assert web.client.get(f"/api/orders/{first}", headers=alice).status_code == 200
