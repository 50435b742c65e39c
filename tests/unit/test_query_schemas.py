"""The schemas of query strings, and the ids and cursors in them."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderengine.api.validation.cursors import page_cursor_text, place_of
from orderengine.api.validation.fields import parse_order_id
from orderengine.api.validation.inputs import load
from orderengine.api.validation.schemas import (
    EventListSchema,
    OrderListSchema,
    QuoteQuerySchema,
    UpdatesQuerySchema,
)
from orderengine.domain.order import OrderStatus
from orderengine.execution.queries.lists import Position
from orderengine.stream.messages import stream_cursor_text
from orderengine.stream.replay import Cursor, Sent
from tests.fakes import FakeClock, FakeOrders
from tests.web import INSTRUMENTS, refused

ORDER_ID = UUID("7a5ffdcc-5c7f-46ec-bee8-46ec4d08fdae")
CURSOR = page_cursor_text("local", Position(datetime(2026, 11, 24, tzinfo=UTC), ORDER_ID))


def test_the_list_of_orders_is_filtered_and_paged() -> None:
    query = {
        "status": "failed",
        "symbol": "BTC",
        "limit": "100",
        "cursor": CURSOR,
    }
    assert load(OrderListSchema(), query) == {
        "status": OrderStatus.FAILED,
        "symbol": "BTC",
        "limit": 100,
        "cursor": CURSOR,
    }
    assert load(OrderListSchema(), {}) == {"limit": 20}


def test_a_symbol_that_is_no_unicode_text_is_refused() -> None:
    """An in-memory request cannot carry it; `tests/corpus` has the queries that one can."""
    assert refused(OrderListSchema(), {"symbol": "\ud800"}) == [("symbol", "text")]


@pytest.mark.parametrize("symbol", ["XYZ", "BRK B", "A" * 64, "\u00c4\u00df"])
def test_orders_are_listed_by_any_symbol_also_one_that_is_not_traded(symbol: str) -> None:
    assert load(OrderListSchema(), {"symbol": symbol})["symbol"] == symbol


def test_a_quote_is_asked_for_with_three_parameters() -> None:
    query = {"symbol": "AAPL", "side": "buy", "quantity": "10"}
    assert load(QuoteQuerySchema(INSTRUMENTS), query)["quantity"] == 10
    assert refused(QuoteQuerySchema(INSTRUMENTS), {}) == [
        ("symbol", "required"),
        ("side", "required"),
        ("quantity", "required"),
    ]


def test_events_are_asked_for_after_a_number() -> None:
    assert load(EventListSchema(), {}) == {"after": 0}
    assert load(EventListSchema(), {"after": "3"}) == {"after": 3}
    assert refused(EventListSchema(), {"after": "-1"}) == [("after", "range")]
    assert refused(EventListSchema(), {"after": str(2**31)}) == [("after", "range")]


def test_updates_are_asked_for_by_an_order_or_a_cursor() -> None:
    query = {"orderId": str(ORDER_ID), "after": "2147483647"}
    assert load(UpdatesQuerySchema(), query) == {"order_id": ORDER_ID, "after": 2**31 - 1}
    assert load(UpdatesQuerySchema(), {}) == {}
    moment = datetime(2026, 11, 24, 23, 39, 37, 421804, UTC)
    for cursor in (Cursor(moment), Cursor(moment, Sent(moment, 2**62))):
        given = {"cursor": stream_cursor_text(cursor)}
        assert load(UpdatesQuerySchema(), given) == {"cursor": cursor}
    assert refused(UpdatesQuerySchema(), {"after": str(2**31), "since": "1"}) == [
        ("after", "range"),
        ("since", "unknown"),
    ]
    for text in ("", "42", ORDER_ID.hex):
        assert refused(UpdatesQuerySchema(), {"orderId": text}) == [("orderId", "uuid")]


@pytest.mark.parametrize(
    "text",
    [
        *("", "1", "now", "infinity", "2026-11-24", "2026-11-24T23:39:37Z", "20261124T233937Z"),
        *(
            "2026-13-24T23:39:37.421804Z",
            "2026-02-30T23:39:37.421804Z",
            "2026-11-24T25:00:00.000000Z",
        ),
        *(
            "0001-01-01T00:00:00.000000Z",
            "9999-12-31T23:59:60.000000Z",
            "2026-11-24T23:39:37.421804",
        ),
        *("2026-11-24T23:39:37.421804+00:00", "2026-11-24T23:39:37.42180\u0664Z", "b" * 32),
        *("2026-11-24T23:39:37.421804Z\n", " 2026-11-24T23:39:37.421804Z"),
        *("2026-11-24T23:39:37.421804Z~", "2026-11-24T23:39:37.421804Z~1"),
        *(
            "2026-11-24T23:39:37.421804Z~2026-11-24T23:39:37.421804Z",
            "2026-11-24T23:39:37.421804Z~2026-11-24T23:39:37.421804Z~-1",
            "2026-11-24T23:39:37.421804Z~2026-02-30T23:39:37.421804Z~1",
            "2026-11-24T23:39:37.421804Z~2026-11-24T23:39:37.421804Z~" + "9" * 20,
        ),
    ],
)
def test_what_no_stream_has_told_is_no_cursor(text: str) -> None:
    assert refused(UpdatesQuerySchema(), {"cursor": text}) == [("cursor", "cursor")]


@given(
    st.uuids(),
    st.datetimes(datetime(1970, 1, 1), datetime(9999, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
)
def test_a_cursor_holds_its_place(order_id: UUID, created_at: datetime) -> None:
    place = Position(created_at, order_id)
    text = page_cursor_text("local", place)
    assert load(OrderListSchema(), {"cursor": text})["cursor"] == text
    assert place_of(FakeOrders(FakeClock()), "local", text) == place


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        ORDER_ID.hex,
        f"{{{ORDER_ID}}}",
        f"urn:uuid:{ORDER_ID}",
        f"{ORDER_ID}\n",
        f" {ORDER_ID}",
        str(ORDER_ID).replace("7", "\uff17"),
        str(ORDER_ID) + "0",
    ],
)
def test_an_order_id_has_one_form(text: str) -> None:
    assert parse_order_id(text) is None


def test_an_order_id_is_read_in_either_case() -> None:
    assert parse_order_id(str(ORDER_ID)) == parse_order_id(str(ORDER_ID).upper()) == ORDER_ID
