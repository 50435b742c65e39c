"""Answers show all that their documents hold, and their schemas describe nothing else."""

from decimal import Decimal
from uuid import uuid4

from marshmallow import Schema

from orderengine.api.answers import (
    AcceptedSchema,
    EventSchema,
    InstrumentSchema,
    OrderPageSchema,
    OrderSchema,
    QuoteSchema,
    RouteSchema,
)
from orderengine.api.documents import (
    accepted_document,
    instrument_document,
    order_document,
    page_document,
    quotes_document,
)
from orderengine.domain.documents import Document, event_document, quote_document
from orderengine.domain.side import Side
from orderengine.execution.intake import Accepted
from tests.builders import a_build
from tests.fakes import START, FakeOrders, a_quote
from tests.steps import FAIL, Walk
from tests.web import INSTRUMENTS


def assert_shown_whole(schema: Schema, document: Document) -> None:
    """Fails when a document and its schema have drifted apart, in either direction."""
    assert schema.dump(document) == document
    required = {field.data_key for field in schema.dump_fields.values() if field.required}
    assert required <= document.keys()


def a_confirmed_order() -> Walk:
    walk = Walk(FakeOrders())
    walk.confirm()
    return walk


def test_a_quote_and_its_schema_have_the_same_fields() -> None:
    document = quote_document(a_quote())
    assert_shown_whole(QuoteSchema(), document)
    assert {field.data_key for field in QuoteSchema().dump_fields.values()} == document.keys()


def test_an_order_and_its_schema_have_the_same_fields() -> None:
    confirmed = order_document(a_confirmed_order().order)
    walk = Walk(FakeOrders())
    walk.step(FAIL)
    failed = order_document(walk.order)
    for document in (confirmed, failed):
        assert_shown_whole(OrderSchema(), document)
    names = {field.data_key for field in OrderSchema().dump_fields.values()}
    assert names == confirmed.keys() | failed.keys()


def test_what_is_not_known_yet_is_absent() -> None:
    document = order_document(Walk(FakeOrders()).order)
    assert_shown_whole(OrderSchema(), document)
    assert None not in document.values()
    assert not {"dex", "txHash", "executedPrice", "reason"} & document.keys()


def test_every_other_answer_and_its_schema_have_the_same_fields() -> None:
    walk = a_confirmed_order()
    aapl = INSTRUMENTS.get("AAPL")
    assert_shown_whole(AcceptedSchema(), accepted_document(Accepted.first(walk.first)))
    assert_shown_whole(OrderPageSchema(), page_document([walk.order], uuid4()))
    assert_shown_whole(OrderPageSchema(), page_document([], None))
    assert_shown_whole(
        RouteSchema(), quotes_document("AAPL", Side.BUY, Decimal(10), a_build(START).route)
    )
    assert_shown_whole(InstrumentSchema(), instrument_document(aapl))
    for event in walk.events:
        assert_shown_whole(EventSchema(), event_document(event))
