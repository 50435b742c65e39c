"""Limits on a client's open orders and on waiting orders, and the switch that stops new ones."""

from dataclasses import replace

import pytest
from werkzeug.test import TestResponse

from orderengine.execution.intake.limits import Limits, OrderLimit, QueueLimit
from tests.fakes import FakeClock
from tests.steps import CONFIRMED, Walk
from tests.web import Web

ORDER = {"symbol": "AAPL", "side": "buy", "quantity": 10}


def code(answer: TestResponse) -> tuple[int, str]:
    return answer.status_code, answer.get_json()["code"]


def test_a_client_has_so_many_open_orders_and_another_one_when_one_has_ended() -> None:
    web = Web(asks_for_keys=True, limits=Limits(max_open_orders=2))
    alice, bob = web.key("alice"), web.key("bob")

    def ask(headers: dict[str, str]) -> TestResponse:
        return web.client.post("/api/orders/execute", json=ORDER, headers=headers)

    assert [ask(alice).status_code for _ in range(2)] == [202, 202]
    assert code(ask(alice)) == (429, "TOO_MANY_OPEN_ORDERS")
    assert ask(bob).status_code == 202
    moved = next(each for each in web.publisher.published if each.order.client_id == "alice")
    version = 1
    for move in CONFIRMED:
        stepped = web.orders.move(moved.order.order_id, version, move)
        assert stepped is not None
        version = stepped.order.version
    web.clock.advance(1)
    assert [ask(alice).status_code for _ in range(2)] == [202, 429]
    assert len(web.orders) == 4


def test_open_orders_are_counted_once_a_second() -> None:
    web, clock = Web(), FakeClock()
    for _ in range(3):
        Walk(web.orders)
    limit = OrderLimit(web.orders.count_open, 5, lambda: clock.seconds)

    def accept() -> bool:
        has_room = limit.allows("local")
        if has_room:
            limit.accepted("local")
        return has_room

    assert [accept() for _ in range(4)] == [True, True, False, False]
    web.orders.down = True
    assert not limit.allows("local")


def test_only_what_was_accepted_counts_as_open() -> None:
    web = Web(asks_for_keys=True, limits=Limits(max_open_orders=40), max_notional=10_000)
    alice = web.key("alice")
    named = {**alice, "Idempotency-Key": "once"}

    def ask(headers: dict[str, str], **changed: object) -> int:
        answer = web.client.post("/api/orders/execute", json={**ORDER, **changed}, headers=headers)
        return answer.status_code

    assert [ask(named) for _ in range(50)] == [202] * 50, "one order, and replays"
    assert [ask(named, quantity=2) for _ in range(50)] == [422] * 50, "the key of another order"
    assert [ask(alice, quantity=1000) for _ in range(50)] == [422] * 50, "worth too much"
    name = {"clientOrderId": "mine"}
    assert [ask(alice, **name) for _ in range(50)] == [202, *[409] * 49]
    assert [ask(alice) for _ in range(40)] == [202] * 38 + [429] * 2
    assert len(web.orders) == 40


def test_beyond_the_limit_no_order_is_taken_until_workers_have_taken_some() -> None:
    web = Web(max_queued=3)
    web.watched.waiting = {"settle": 1, "intake": 0}
    first = {"Idempotency-Key": "first"}

    def ask(**headers: str) -> TestResponse:
        return web.client.post("/api/orders/execute", json=ORDER, headers=headers)

    assert [ask(**first).status_code, ask().status_code] == [202, 202]
    full = ask()
    assert code(full) == (503, "QUEUE_FULL")
    assert full.headers["Retry-After"] == "1"
    assert full.content_type == "application/problem+json"
    assert (len(web.orders), len(web.dispatcher.sent)) == (2, 2)
    again = ask(**first)
    assert (again.status_code, again.headers["Idempotency-Replayed"]) == (202, "true")
    web.watched.waiting = {"settle": 0, "intake": 2}
    assert ask().status_code == 503, "it is looked at once a second"
    web.clock.advance(1)
    assert [ask().status_code for _ in range(2)] == [202, 503]


def test_neither_refusals_nor_replays_count_as_waiting() -> None:
    web = Web(max_queued=10)
    named = {"Idempotency-Key": "once"}
    for _ in range(20):
        assert web.client.post("/api/orders/execute", json=ORDER, headers=named).status_code == 202
        assert web.client.post("/api/orders/execute", json={}).status_code == 400
    for _ in range(9):
        web.place()
    assert web.client.post("/api/orders/execute", json=ORDER).status_code == 503


@pytest.mark.parametrize(("limit", "waiting"), [(0, {"intake": 10**6}), (1, None)])
def test_orders_are_taken_without_a_limit_and_while_redis_is_away(
    limit: int, waiting: dict[str, int] | None
) -> None:
    web = Web(max_queued=limit)
    web.watched.waiting = waiting
    for _ in range(5):
        web.place()


def test_the_queues_are_asked_once_a_second_however_many_orders_come() -> None:
    clock, asked = FakeClock(), []

    def queued() -> dict[str, int]:
        asked.append(clock.seconds)
        return {"intake": 0}

    limit = QueueLimit(queued, 1000, lambda: clock.seconds)
    for _ in range(30):
        assert limit.has_room()
        clock.advance(0.1)
    assert len(asked) == 3


def test_new_orders_can_be_switched_off_while_reading_goes_on() -> None:
    web = Web(limits=Limits(orders_disabled=True))
    answer = web.client.post("/api/orders/execute", json=ORDER)
    assert code(answer) == (503, "ORDERS_DISABLED")
    assert answer.headers["Retry-After"] == "1"
    assert len(web.orders) == 0
    assert web.client.get("/api/orders").status_code == 200
    assert web.client.get("/readyz").status_code == 200


def test_who_asks_again_is_told_of_its_order_whatever_the_limits_are_by_now() -> None:
    web = Web(asks_for_keys=True, limits=Limits(max_open_orders=1))
    named = {**web.key("alice"), "Idempotency-Key": "once"}

    def ask() -> TestResponse:
        return web.client.post("/api/orders/execute", json=ORDER, headers=named)

    first = ask()
    full = ask()
    ports = web.app.extensions["orderengine"]
    disabled_now = Limits(orders_disabled=True)
    web.app.extensions["orderengine"] = replace(ports, limits=disabled_now)
    disabled = ask()
    for again in (full, disabled):
        assert again.status_code == first.status_code == 202
        assert again.get_json() == first.get_json()
        assert again.headers["Idempotency-Replayed"] == "true"
    assert len(web.orders) == 1
