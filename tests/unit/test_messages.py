"""The wire form of events and the cached form of orders."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from orderengine.domain.errors import FailureReason
from orderengine.domain.events import Moved
from orderengine.domain.moves import FailAttempt, RoutingCause, StartRouting
from orderengine.domain.order import Order
from orderengine.stream.messages import (
    OPEN_TTL,
    TERMINAL_TTL,
    UNREADABLE,
    cache_ttl,
    cached_order,
    cached_text,
    cursor_from,
    cursor_message,
    event_from,
    event_text,
    published_from,
    published_text,
    stream_cursor_text,
)
from orderengine.stream.replay import Cursor, Sent
from tests.fakes import FakeOrders
from tests.steps import CONFIRMED, FAIL, Walk


def _all_steps() -> Iterator[Moved]:
    confirmed = Walk(FakeOrders())
    yield confirmed.first
    yield from confirmed.confirm()
    failed = Walk(FakeOrders())
    yield from failed.steps(
        CONFIRMED[0],
        FailAttempt(FailureReason.SLIPPAGE_EXCEEDED, "3 % is more than 1 %", 0.5),
        StartRouting(RoutingCause.RETRY),
        FAIL,
    )


steps = pytest.mark.parametrize(
    "moved", list(_all_steps()), ids=lambda moved: f"{moved.event.seq}-{moved.event.status}"
)


def _without_payload(order: Order) -> Order:
    if order.transaction is None:
        return order
    return replace(order, transaction=replace(order.transaction, payload=b""))


def test_an_event_has_the_documented_wire_form() -> None:
    walk = Walk(FakeOrders())
    event = replace(walk.first.event, data={"symbol": "AAPL"})
    assert event_text(event) == (
        f'{{"orderId":"{walk.order_id}","seq":1,"status":"pending","attempt":1,'
        '"at":"2026-11-22T12:00:00.000000Z","data":{"symbol":"AAPL"}}'
    )


@steps
def test_an_event_survives_the_wire(moved: Moved) -> None:
    assert event_from(event_text(moved.event)) == moved.event
    assert event_from(event_text(moved.event).encode()) == moved.event


@steps
def test_an_event_that_was_read_is_written_byte_for_byte_the_same(moved: Moved) -> None:
    text = event_text(moved.event)
    assert event_text(event_from(text)) == text


@steps
def test_what_is_published_is_the_event_and_whose_order_it_is(moved: Moved) -> None:
    text = published_text(moved)
    assert published_from(text) == (moved.event, moved.order.client_id)
    assert event_from(text) == moved.event, "as a release reads it that knows no clients"
    assert published_from(event_text(moved.event)) == (moved.event, None)
    assert text.startswith(event_text(moved.event)[:-1])


def test_a_client_of_any_name_can_be_published() -> None:
    walk = Walk(FakeOrders(), 'a"},{\u2028')
    assert published_from(published_text(walk.first))[1] == walk.order.client_id


def test_a_cursor_has_the_documented_wire_form() -> None:
    moment = datetime(2026, 11, 24, 23, 39, 40, 4417, UTC)
    assert cursor_message(Cursor(moment)) == '{"cursor":"2026-11-24T23:39:40.004417Z"}'
    during = Cursor(moment, Sent(moment + timedelta(seconds=1), 815), is_replay=True)
    assert cursor_message(during) == (
        '{"cursor":"2026-11-24T23:39:40.004417Z~2026-11-24T23:39:41.004417Z~815","replay":true}'
    )
    assert cursor_from(stream_cursor_text(during)) == Cursor(moment, during.sent)


@steps
def test_an_order_survives_the_cache(moved: Moved) -> None:
    text = cached_text(moved.order)
    assert text.startswith(f"{moved.order.version} {{")
    assert cached_order(text.encode()) == _without_payload(moved.order)


def test_signed_bytes_never_reach_the_cache() -> None:
    walk = Walk(FakeOrders())
    walk.confirm()
    held = cached_order(cached_text(walk.order).encode()).transaction
    assert held is not None
    assert (held.signature, held.payload, held.last_valid_height) == ("5sig", b"", 123_456)


def test_microseconds_are_written_even_when_they_are_zero_and_in_utc() -> None:
    event = Walk(FakeOrders()).first.event
    later = replace(event, occurred_at=event.occurred_at + timedelta(microseconds=120))
    assert json.loads(event_text(later))["at"] == "2026-11-22T12:00:00.000120Z"


def test_text_that_is_no_unicode_still_has_a_wire_form() -> None:
    event = replace(Walk(FakeOrders()).first.event, data={"detail": "\ud800"})
    assert event_text(event).encode("ascii")


@pytest.mark.parametrize(
    "text",
    [b"", b"null", b"[]", b"{}", b'{"orderId":"1"}', b'{"orderId":1}', b"\xef\xbb\xbf", b"\xff"],
)
def test_what_somebody_else_wrote_is_unreadable_and_nothing_worse(text: bytes) -> None:
    for read in (event_from, published_from):
        with pytest.raises(UNREADABLE):
            read(text)
    for held in (text, b"1 " + text):
        with pytest.raises(UNREADABLE):
            cached_order(held)


def test_terminal_states_stay_cached_for_minutes_and_open_ones_for_two_seconds() -> None:
    walk = Walk(FakeOrders())
    assert cache_ttl(walk.order) == OPEN_TTL == timedelta(seconds=2)
    walk.confirm()
    assert cache_ttl(walk.order) == TERMINAL_TTL == timedelta(minutes=1)
