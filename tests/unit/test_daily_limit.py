"""The limit per client and day, as clients meet it."""

from decimal import Decimal
from uuid import UUID

import pytest
from werkzeug.test import TestResponse

from orderengine.domain.daily import DailyCharge
from tests.batch_requests import BAD, ORDER, ask, codes, results, statuses
from tests.builders import A_FAIL
from tests.web import Web

KEY = "8e03978e-40d5-43e8-bc93-6894a57f9324"
LIMIT = {"type": "limit", "limitPrice": "100", "quantity": "10", "symbol": "AAPL", "side": "buy"}


@pytest.fixture
def web() -> Web:
    return Web(max_daily_notional=5000)  # 10 AAPL are worth 2294 at their listed price


def post(web: Web, key: str | None = None, **changed: object) -> TestResponse:
    order = {"symbol": "AAPL", "side": "buy", "quantity": "10", **changed}
    headers = {"Idempotency-Key": key} if key else {}
    return web.client.post("/api/orders/execute", json=order, headers=headers)


def test_both_sides_count_until_the_day_is_spent(web: Web) -> None:
    assert post(web).status_code == 202
    assert post(web, side="sell").status_code == 202
    refused = post(web, KEY)
    assert (refused.status_code, refused.get_json()["code"]) == (403, "DAILY_LIMIT")
    assert refused.get_json()["detail"] == (
        "orders of this client have taken 4588.00 of 5000 USDC of this day (UTC), and this one is"
        " worth 2294.00"
    )
    assert len(web.orders) == len(web.dispatcher.sent) == 2
    assert post(web, KEY, quantity="1").status_code == 202, "the refusal left the key free"
    metrics = web.client.get("/metrics").text
    assert 'orderengine_orders_refused_total{code="DAILY_LIMIT"} 1.0' in metrics


def test_the_last_unit_of_a_day_may_be_taken(web: Web) -> None:
    usdc = {"quantity": None, "quoteQuantity": "2500"}
    for _ in range(2):
        body = {name: value for name, value in usdc.items() if value}
        answer = web.client.post(
            "/api/orders/execute", json={"symbol": "AAPL", "side": "sell", **body}
        )
        assert answer.status_code == 202, answer.text
    assert post(web, quantity="0.0001").status_code == 403


def test_each_client_has_a_day_of_its_own_and_each_day_begins_anew() -> None:
    web = Web(max_daily_notional=3000, asks_for_keys=True)
    alice, bob = web.key("alice"), web.key("bob")
    order = {"symbol": "AAPL", "side": "buy", "quantity": "10"}

    def status(headers: dict[str, str]) -> int:
        return web.client.post("/api/orders/execute", json=order, headers=headers).status_code

    assert [status(alice), status(alice), status(bob)] == [202, 403, 202]
    web.clock.advance(86_400)
    assert [status(alice), status(alice)] == [202, 403]


def test_an_order_without_a_fill_gives_its_part_of_the_day_back(web: Web) -> None:
    order_id = UUID(post(web).get_json()["orderId"])
    second = post(web).get_json()["orderId"]
    assert post(web).status_code == 403
    assert web.orders.give_up(order_id, 1, A_FAIL)
    assert [post(web).status_code for _ in range(2)] == [202, 403]
    assert web.client.delete(f"/api/orders/{second}").status_code == 200
    assert [post(web).status_code for _ in range(2)] == [202, 403]


def test_a_repeated_request_gets_its_answer_however_full_the_day_is(web: Web) -> None:
    first = post(web, KEY)
    post(web)
    assert post(web, "another").status_code == 403
    again = post(web, KEY)
    assert (again.status_code, again.data) == (202, first.data)
    assert again.headers["Idempotency-Replayed"] == "true"


def test_an_order_that_waits_takes_nothing_yet(web: Web) -> None:
    for _ in range(5):
        assert web.client.post("/api/orders/execute", json=LIMIT).status_code == 202
    assert post(web).status_code == 202


def test_a_batch_is_counted_order_by_order(web: Web) -> None:
    small = {**ORDER, "quantity": "1"}
    answer = ask(web, [ORDER, BAD, ORDER, ORDER, small])
    assert statuses(answer) == [202, 400, 202, 403, 202]
    assert codes(answer)[3] == "DAILY_LIMIT"
    assert "retryAfter" not in results(answer)[3]


def test_a_batch_is_cut_to_what_others_leave_of_the_day(
    web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = web.orders.days.charged

    def late(clients: list[str]) -> object:
        found = look(clients)
        if web.orders.days.reads == 2:  # after the looks at the two orders, before they are stored
            web.orders.days._taken[web.orders.days._today(), "local"] = Decimal(2500)
        return found

    monkeypatch.setattr(web.orders.days, "charged", late)
    answer = ask(web, [ORDER, ORDER])
    assert statuses(answer) == [202, 403]
    assert "have taken 4794.00 of 5000 USDC" in results(answer)[1]["problem"]["detail"]


def test_an_order_that_comes_at_the_same_time_as_the_last_one_is_told_so(
    web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web.orders.days, "charged", lambda _: {})
    assert [post(web).status_code for _ in range(3)] == [202, 202, 403]
    assert len(web.orders) == 2


def test_without_a_limit_no_one_looks_at_the_day() -> None:
    web = Web()
    assert post(web).status_code == 202
    assert web.orders.days.reads == 0


def test_tokens_are_charged_at_their_price_rounded_up() -> None:
    assert DailyCharge.of(Decimal("0.0001"), None, Decimal("0.0000487"), 5).usdc == Decimal("1e-6")
    assert DailyCharge.of(None, Decimal("12.5"), Decimal(0), 5).usdc == Decimal("12.5")
