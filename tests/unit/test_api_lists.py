"""Lists of orders over HTTP: their pages, cursors and filters."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import blake2s
from uuid import UUID, uuid4

import pytest

from orderengine.api.answers.schemas import OrderPageSchema
from orderengine.api.validation.cursors import page_cursor_text
from orderengine.execution.queries.lists import Position
from tests.builders import A_FAIL
from tests.conftest import a_new_order
from tests.steps import FAIL, Walk
from tests.web import Web, rules


@pytest.fixture
def web() -> Web:
    return Web()


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


def test_a_page_is_not_copied_field_by_field(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    """The copy would be a web process's longest computation, and delay the placing of orders."""
    order_id = web.place()

    def copy(*_: object, **__: object) -> None:
        pytest.fail("the document was copied by its schema")

    monkeypatch.setattr(OrderPageSchema, "dump", copy)
    (listed,) = web.client.get("/api/orders").get_json()["orders"]
    assert listed == web.client.get(f"/api/orders/{order_id}").get_json()


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
        lambda cursor: page_cursor_text("another", Position(datetime.now(UTC), uuid4())),
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
