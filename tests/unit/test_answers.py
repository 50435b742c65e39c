"""Answers show every field of their documents, and their schemas describe nothing else."""

from dataclasses import replace
from uuid import uuid4

from marshmallow import Schema

from orderengine.api.answers.documents import (
    accepted_document,
    instrument_document,
    page_document,
    quotes_document,
)
from orderengine.api.answers.schemas import (
    EventSchema,
    ExecutedLegSchema,
    InstrumentSchema,
    OrderPageSchema,
    OrderSchema,
    QuoteSchema,
    RouteSchema,
)
from orderengine.domain.documents import (
    event_document,
    fill_leg_document,
    order_document,
    quote_document,
)
from orderengine.domain.fields import Document
from orderengine.domain.routing import RouteRequest
from orderengine.domain.side import Side
from orderengine.execution.intake.accept import Accepted
from orderengine.execution.queries.lists import Position
from tests.builders import A_FILL_LEG, a_build, a_full_order
from tests.conftest import a_new_order
from tests.fakes import START, FakeOrders, a_quote
from tests.steps import FAIL, Walk
from tests.web import INSTRUMENTS

TEN = 10_000_000


def assert_shown_whole(schema: Schema, document: Document) -> None:
    """Fails if a document and its schema differ, in either direction."""
    assert schema.dump(document) == document
    required = {field.data_key for field in schema.dump_fields.values() if field.required}
    assert required <= document.keys()


def a_confirmed_order() -> Walk:
    walk = Walk(FakeOrders())
    walk.confirm()
    return walk


def test_a_quote_and_its_schema_have_the_same_fields() -> None:
    """Only a quote of a live network has a slot."""
    buy = quote_document(a_quote(side=Side.BUY))
    sell = quote_document(replace(a_quote(side=Side.SELL), slot=7))
    for document in (buy, sell):
        assert_shown_whole(QuoteSchema(), document)
    names = {field.data_key for field in QuoteSchema().dump_fields.values()}
    assert names == buy.keys() | sell.keys()
    assert buy.keys() - sell.keys() == {"maxIn"}


def test_an_executed_leg_and_its_schema_have_the_same_fields() -> None:
    document = fill_leg_document(A_FILL_LEG)
    assert_shown_whole(ExecutedLegSchema(), document)


def test_an_order_and_its_schema_have_the_same_fields() -> None:
    walk = Walk(FakeOrders())
    walk.step(FAIL)
    full = order_document(a_full_order())
    for document in (full, order_document(a_confirmed_order().order), order_document(walk.order)):
        assert_shown_whole(OrderSchema(), document)
    names = {field.data_key for field in OrderSchema().dump_fields.values()}
    assert names == full.keys() | {"links"}


def test_what_is_not_known_yet_is_absent() -> None:
    document = order_document(Walk(FakeOrders()).order)
    assert_shown_whole(OrderSchema(), document)
    assert None not in document.values()
    assert not {"dex", "txHash", "executedPrice", "reason"} & document.keys()


def test_every_other_answer_and_its_schema_have_the_same_fields() -> None:
    walk = a_confirmed_order()
    aapl = INSTRUMENTS.get("AAPL")
    assert_shown_whole(OrderSchema(), accepted_document(Accepted.new(walk.first), a_new_order()))
    assert_shown_whole(
        OrderPageSchema(),
        page_document([walk.order], "local", Position(walk.order.created_at, uuid4())),
    )
    assert_shown_whole(OrderPageSchema(), page_document([], "local", None))
    assert_shown_whole(
        RouteSchema(), quotes_document(RouteRequest(aapl, Side.BUY, TEN, 100), a_build(START).route)
    )
    assert_shown_whole(InstrumentSchema(), instrument_document(aapl))
    for event in walk.events:
        assert_shown_whole(EventSchema(), event_document(event))


def test_the_first_service_s_fields_stand_at_the_top_of_the_events_that_bring_them() -> None:
    told = [event_document(event) for event in a_confirmed_order().events]
    top = [(each.get("dex"), each.get("price"), each.get("txHash")) for each in told]
    built, signed, confirmed = (each["data"] for each in told[2:])
    assert top == [
        (None, None, None),
        (None, None, None),
        (built["dex"], built["quotedPrice"], None),
        (None, None, signed["txHash"]),
        (confirmed["dex"], confirmed["executedPrice"], confirmed["txHash"]),
    ]
