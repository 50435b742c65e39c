"""Cancels over HTTP: each answer, and both orders of each race that the answer tells."""

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

import pytest
from werkzeug.test import TestResponse

from orderengine.domain.moves import Fail, Move, Trigger
from orderengine.domain.order import OrderStatus
from orderengine.execution.operations.counters import CounterName, Sample
from orderengine.execution.waiting.cancel import Outcome
from orderengine.execution.waiting.endings import CanceledPart
from tests.builders import A_FAIL
from tests.steps import CONFIRMED, Walk
from tests.web import Web, rules

LIMIT = {"type": "limit", "limitPrice": "200"}
NO_ORDER = "/api/orders/00000000-0000-4000-8000-000000000000"


@pytest.fixture
def web() -> Web:
    return Web()


def path_of(order_id: object) -> str:
    return f"/api/orders/{order_id}"


def walk(web: Web, moves: Sequence[Move]) -> Walk:
    walk = Walk(web.orders)
    walk.steps(*moves)
    return walk


def told(answer: TestResponse) -> tuple[int, str]:
    document = answer.get_json()
    return answer.status_code, document["status"]


def test_an_order_that_waits_is_canceled(web: Web) -> None:
    order_id = web.place(**LIMIT)
    answer = web.client.delete(path_of(order_id))
    assert told(answer) == (200, "canceled")
    assert answer.headers["ETag"] == '"2"'
    assert answer.get_json() == web.client.get(path_of(order_id)).get_json()
    last = web.publisher.published[-1]
    assert (str(last.order.order_id), last.event.status) == (order_id, OrderStatus.CANCELED)


@pytest.mark.parametrize("moves", range(3))
def test_an_order_without_a_signed_transaction_is_canceled(web: Web, moves: int) -> None:
    placed = walk(web, CONFIRMED[:moves])
    assert told(web.client.delete(path_of(placed.order_id))) == (200, "canceled")


def test_a_submitted_order_is_asked_to_be_canceled(web: Web) -> None:
    placed = walk(web, CONFIRMED[:3])
    answer = web.client.delete(path_of(placed.order_id))
    assert told(answer) == (202, "submitted")
    assert answer.get_json()["cancelRequestedAt"] == "2026-11-22T12:00:00.000000Z"
    assert answer.headers["ETag"] == '"5"'


def test_an_order_that_landed_first_is_confirmed_and_the_answer_has_it_whole(web: Web) -> None:
    placed = walk(web, CONFIRMED)
    answer = web.client.delete(path_of(placed.order_id))
    document = answer.get_json()
    assert (answer.status_code, document["code"], rules(answer)) == (409, "TOO_LATE", [])
    assert document["order"] == web.client.get(path_of(placed.order_id)).get_json()
    assert "confirmed" in document["detail"]


def test_an_order_that_landed_after_the_request_tells_that_it_was_too_late(web: Web) -> None:
    placed = walk(web, CONFIRMED[:3])
    assert web.client.delete(path_of(placed.order_id)).status_code == 202
    moved = web.orders.move(placed.order_id, 4, CONFIRMED[3])
    assert moved is not None
    assert moved.event.data["cancelTooLate"] is True
    assert web.client.delete(path_of(placed.order_id)).get_json()["code"] == "TOO_LATE"


def test_a_failed_and_an_expired_order_are_too_late(web: Web) -> None:
    failed = walk(web, [A_FAIL])
    expiring = web.place(**LIMIT, expiresAt="2026-11-22T12:00:02Z")
    web.clock.advance(3)
    assert web.orders.expire_due(10)
    for order_id, status in ((failed.order_id, "failed"), (expiring, "expired")):
        document = web.client.delete(path_of(order_id)).get_json()
        assert (document["code"], document["order"]["status"]) == ("TOO_LATE", status)


@pytest.mark.parametrize(("moves", "status"), [(0, 200), (3, 202), (4, 409)])
def test_a_repeated_cancel_gets_the_same_answer_and_changes_nothing(
    web: Web, moves: int, status: int
) -> None:
    placed = walk(web, CONFIRMED[:moves])
    first, again = (web.client.delete(path_of(placed.order_id)) for _ in range(2))
    assert (first.status_code, again.status_code) == (status, status)
    assert first.data == again.data
    assert len(web.orders.events(placed.order_id)) == moves + 1 + (status != 409)


def test_a_cancel_beats_a_trigger_and_a_trigger_leaves_it_cancelable(web: Web) -> None:
    first, second = (UUID(web.place(**LIMIT)) for _ in range(2))
    assert told(web.client.delete(path_of(first))) == (200, "canceled")
    assert web.orders.move(first, 1, Trigger()) is None
    assert web.orders.move(second, 1, Trigger()) is not None
    assert told(web.client.delete(path_of(second))) == (200, "canceled")
    assert web.orders.move(second, 2, CONFIRMED[0]) is None


def test_a_cancel_between_two_steps_leaves_the_next_one_without_effect(web: Web) -> None:
    placed = walk(web, CONFIRMED[:2])
    assert told(web.client.delete(path_of(placed.order_id))) == (200, "canceled")
    assert web.orders.move(placed.order_id, placed.order.version, CONFIRMED[2]) is None


def test_a_requested_order_is_not_tried_again(web: Web) -> None:
    placed = walk(web, CONFIRMED[:3])
    web.client.delete(path_of(placed.order_id))
    assert web.orders.move(placed.order_id, 5, Fail(A_FAIL.reason, A_FAIL.detail)) is None
    assert told(web.client.delete(path_of(placed.order_id))) == (202, "submitted")


def test_an_order_is_canceled_by_its_name(web: Web) -> None:
    for name in ("mine", "events"):
        web.place(**LIMIT, clientOrderId=name)
    query = web.client.delete("/api/orders/by-client-id?clientOrderId=mine")
    path = web.client.delete("/api/orders/by-client-id/events")
    assert [told(each) for each in (query, path)] == [(200, "canceled")] * 2
    assert rules(web.client.delete("/api/orders/by-client-id")) == [("clientOrderId", "required")]
    for unknown in ("?clientOrderId=other", "/other", "/%20"):
        answer = web.client.delete(f"/api/orders/by-client-id{unknown}")
        assert (answer.status_code, answer.get_json()["code"]) == (404, "ORDER_NOT_FOUND")
    told_name = web.client.delete("/api/orders/by-client-id/other").get_json()["detail"]
    assert told_name == "there is no order with this clientOrderId"


@pytest.mark.parametrize("path", [NO_ORDER, "/api/orders/nonsense", "/api/orders/%00"])
def test_an_unknown_order_is_not_found(web: Web, path: str) -> None:
    answer = web.client.delete(path)
    assert (answer.status_code, answer.get_json()["code"]) == (404, "ORDER_NOT_FOUND")


def test_another_clients_orders_are_not_found_and_not_counted() -> None:
    web = Web(asks_for_keys=True)
    alice, eve = web.key("alice"), web.key("eve")
    order = {"symbol": "AAPL", "side": "buy", "quantity": 10, "clientOrderId": "a", **LIMIT}
    path = web.client.post("/api/orders/execute", json=order, headers=alice).headers["Location"]
    for asked in (path, "/api/orders/by-client-id?clientOrderId=a", "/api/orders/by-client-id/a"):
        assert web.client.delete(asked, headers=eve).status_code == 404
    nothing = {"canceled": 0, "requested": 0, "tooLate": 0, "refused": 0}
    assert web.client.delete("/api/orders?all=true", headers=eve).get_json() == nothing
    assert web.client.get(path, headers=alice).get_json()["status"] == "waiting"
    assert web.client.delete(path).status_code == 401


def test_all_orders_are_canceled_or_those_of_a_symbol(web: Web) -> None:
    kept = web.place(**LIMIT, symbol="SOL")
    placed = [web.place(**LIMIT), web.place()]
    submitted = walk(web, CONFIRMED[:3])
    walk(web, CONFIRMED)
    answer = web.client.delete("/api/orders?symbol=aapl")
    assert answer.status_code == 200
    assert answer.get_json() == {"canceled": 2, "requested": 1, "tooLate": 0, "refused": 0}
    statuses = [web.client.get(path_of(each)).get_json()["status"] for each in placed]
    assert statuses == ["canceled", "canceled"]
    assert web.client.get(path_of(submitted.order_id)).get_json()["status"] == "submitted"
    assert web.client.get(path_of(kept)).get_json()["status"] == "waiting"
    again = web.client.delete("/api/orders?all=TRUE").get_json()
    assert again == {"canceled": 1, "requested": 1, "tooLate": 0, "refused": 0}


def test_orders_that_end_before_their_turn_and_damaged_ones_are_counted(
    web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    def overtaken(*_: object) -> CanceledPart:
        return CanceledPart(moved=[], requested_before=0, too_late=3, last=None, refused=2)

    monkeypatch.setattr(web.orders, "cancel_all", overtaken)
    counts = web.client.delete("/api/orders?all=true").get_json()
    assert counts == {"canceled": 0, "requested": 0, "tooLate": 3, "refused": 2}


@pytest.mark.parametrize(
    ("query", "broken"),
    [
        ("", ("symbol", "combination")),
        ("?", ("symbol", "combination")),
        ("?symbol=AAPL&all=true", ("symbol", "combination")),
        ("?all=false", ("all", "one_of")),
        ("?all=", ("all", "one_of")),
        ("?all=1", ("all", "one_of")),
        ("?symbol=", ("symbol", "text")),
        ("?all=true&all=true", ("all", "repeated")),
        ("?all=true&status=open", ("status", "unknown")),
        ("?all=true&Symbol=AAPL", ("Symbol", "unknown")),
    ],
)
def test_what_is_to_be_canceled_must_be_clear(
    web: Web, query: str, broken: tuple[str, str]
) -> None:
    order_id = web.place(**LIMIT)
    answer = web.client.delete(f"/api/orders{query}")
    assert (answer.status_code, rules(answer)) == (400, [broken])
    assert web.client.get(path_of(order_id)).get_json()["status"] == "waiting"


def test_orders_of_an_instrument_that_is_gone_are_canceled_as_well(web: Web) -> None:
    gone = walk(web, [])
    web.orders._orders[gone.order_id] = replace(gone.order, symbol="GONE")
    counts = web.client.delete("/api/orders?symbol=GONE").get_json()
    assert counts == {"canceled": 1, "requested": 0, "tooLate": 0, "refused": 0}


def test_cancels_are_counted_by_outcome(web: Web) -> None:
    waiting, submitted, confirmed = (
        web.place(**LIMIT),
        walk(web, CONFIRMED[:3]),
        walk(web, CONFIRMED),
    )
    for order_id in (waiting, submitted.order_id, confirmed.order_id):
        web.client.delete(path_of(order_id))
    web.place(**LIMIT)
    web.client.delete("/api/orders?all=true")
    counted = [web.metrics.counts()[Sample(CounterName.CANCELS, outcome)] for outcome in Outcome]
    assert counted == [2, 2, 1, 0]
    told = web.client.get("/metrics").text
    assert 'orderengine_cancels_total{outcome="too_late"} 1.0' in told


def test_the_store_being_away_is_told(web: Web) -> None:
    order_id = web.place(**LIMIT)
    web.orders.down = True
    for path in (path_of(order_id), "/api/orders?all=true"):
        answer = web.client.delete(path)
        assert (answer.status_code, answer.get_json()["code"]) == (503, "STORAGE_UNAVAILABLE")
