"""A field is declared once: here is what must follow from the declaration, and what must not."""

import dataclasses
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Annotated, Any, ClassVar

import pytest

from orderengine.api.answers.fields import AnswerSchema
from orderengine.api.answers.schemas import EventSchema, OrderSchema
from orderengine.api.validation.schemas import OrderRequestSchema
from orderengine.domain.codec import document_of, record_of, value_from
from orderengine.domain.documents import order_document
from orderengine.domain.events import OrderEvent
from orderengine.domain.fields import FLAT, BaseUnits, Part, Seen, Told, members, shown
from orderengine.domain.order import NewOrder, Order
from orderengine.execution.operations.archive import EVENT_COLUMNS, ORDER_COLUMNS
from orderengine.storage.archive import SqlArchive  # noqa: F401 - refuses what has no column
from orderengine.storage.columns import row_values, stored
from orderengine.storage.sql import ACCEPT, GET
from orderengine.storage.tables import order_events, orders
from orderengine.stream.messages import cached_order, cached_text
from tests.builders import TRANSACTION, a_full_order
from tests.conftest import a_new_order

SET_BY_THE_ENGINE = {
    *("order_id", "client_id", "request_id", "base_decimals", "base_mint", "placed_on", "daily"),
}
"""Fields of a new order that no request has."""
IN_ANOTHER = {"trigger_on", "min_liquidity"}
"""Fields that clients see as members of another one."""
UNSEEN_BY_CLIENTS = {
    *("client_id", "request_id", "recoveries", "base_decimals", "base_mint", "placed_on", "daily"),
    *("first_attempt", "times_rested", "paid_rests", "trigger_on", "min_liquidity"),
}
"""Fields of an order that no answer, message or schema has."""
WITHOUT_COLUMN = {"transaction", "daily"}
"""Fields of an order with rows of their own."""
UNEXPORTED = {
    *("request_id", "base_decimals", "base_mint", "placed_on", "daily"),
    *("route", "transaction", "fill", "failed_attempts"),
}
"""Fields of an order without a column of an export; nested ones have columns for some members."""
ONLY_IN_THE_ROW = {"request_id", "base_decimals", "base_mint", "placed_on", "daily"}
"""Fields of an order that the cache leaves out."""

FIELDS = [each.name for each in dataclasses.fields(Order)]


def names_of(schema: type[AnswerSchema]) -> set[str]:
    return {str(field.data_key) for field in schema().dump_fields.values()}


def told_as(field: str) -> list[str]:
    """The names under which clients see a field, or its members."""
    return [each.name for each in shown(Order) if each.path.split(".")[0] == field]


def test_the_full_order_has_a_value_in_every_field() -> None:
    order = a_full_order()
    unset = [
        each.name
        for each in dataclasses.fields(Order)
        if getattr(order, each.name) in (None, each.default)
    ]
    assert unset == []


@pytest.mark.parametrize("field", FIELDS)
def test_a_field_of_an_order_is_answered_and_described(field: str) -> None:
    names = told_as(field)
    assert (names == []) == (field in UNSEEN_BY_CLIENTS)
    assert set(names) <= names_of(OrderSchema)
    assert set(names) <= order_document(a_full_order()).keys()


@pytest.mark.parametrize("field", FIELDS)
def test_a_field_of_an_order_is_stored_and_read(field: str) -> None:
    (member,) = (each for each in members(Order) if each.path == field)
    assert (member.column is None) == (field in WITHOUT_COLUMN)
    if member.column is not None:
        assert member.column in orders.columns
        assert f"o.{member.column}," in GET.sql


@pytest.mark.parametrize("field", [each.name for each in dataclasses.fields(NewOrder)])
def test_a_field_of_a_new_order_is_asked_for_and_written(field: str) -> None:
    asked = OrderRequestSchema().load_fields
    unasked = SET_BY_THE_ENGINE | IN_ANOTHER
    assert (field not in asked) == (field in unasked)
    (member,) = (each for each in members(NewOrder) if each.path == field)
    if field not in WITHOUT_COLUMN:
        assert member.column in row_values(NewOrder)(a_new_order())
        assert f":{member.column}" in ACCEPT.sql
    if field not in unasked:
        assert asked[field].data_key == member.name
        assert member.name in a_full_order().data


@pytest.mark.parametrize("field", FIELDS)
def test_a_field_of_an_order_is_exported(field: str) -> None:
    (member,) = (each for each in members(Order) if each.path == field)
    assert (member.name not in ORDER_COLUMNS) == (field in UNEXPORTED)


def test_an_export_begins_with_the_columns_of_the_first_release() -> None:
    assert ORDER_COLUMNS[:7] == (
        *("orderId", "clientId", "clientOrderId", "symbol", "side", "quantity", "slippageBps"),
    )
    assert len(set(ORDER_COLUMNS)) == len(ORDER_COLUMNS)


def test_the_cache_keeps_every_field_that_is_not_for_the_row_alone() -> None:
    order = a_full_order()
    kept = cached_order(cached_text(order).encode())
    differing = {name for name in FIELDS if getattr(kept, name) != getattr(order, name)}
    assert differing == ONLY_IN_THE_ROW | {"transaction"}
    assert kept.transaction == replace(TRANSACTION, payload=b"")


def test_a_field_of_an_event_is_answered_described_stored_and_exported() -> None:
    fields = [each for each in members(OrderEvent) if not each.is_part]
    assert {each.name for each in fields} <= names_of(EventSchema)
    assert [each.name for each in fields] == list(EVENT_COLUMNS)
    assert {each.column for each in stored(OrderEvent)} == set(order_events.columns.keys())


@dataclass(frozen=True)
class Inner:
    amount: BaseUnits
    secret: Annotated[str, Told(seen=Seen.ENGINE)] = ""


@dataclass(frozen=True)
class Outer:
    own_name: str
    late: Annotated[Decimal | None, Told("Known later.")] = None
    double: ClassVar[Part] = Part("inner.amount", "The same again.")
    inner: Annotated[Inner | None, FLAT] = None
    inners: Annotated[tuple[Inner, ...], Told(name="all")] = ()
    hidden: Annotated[int, Told(seen=Seen.OPERATORS)] = 0


def values() -> Iterator[Outer]:
    yield Outer("a")
    yield Outer("a", Decimal("1.50"), Inner(2**60), (Inner(1), Inner(2)), 7)


def test_clients_see_a_value_flat_and_without_what_is_not_known() -> None:
    empty, full = map(document_of(Outer), values())
    assert empty == {"ownName": "a", "all": []}
    assert full == {
        "ownName": "a",
        "late": "1.5",
        "double": str(2**60),
        "amount": str(2**60),
        "all": [{"amount": "1"}, {"amount": "2"}],
    }
    assert list(full) == [each.name for each in shown(Outer)]


def test_a_record_has_every_field_but_those_of_the_row_alone_and_is_read_back() -> None:
    empty, full = map(record_of(Outer), values())
    assert empty == {"ownName": "a", "late": None, "inner": None, "all": [], "hidden": 0}
    assert full["inner"] == {"amount": str(2**60)}
    for value, record in zip(values(), (empty, full), strict=True):
        assert value_from(Outer)(record) == value


@pytest.mark.parametrize("record", [{}, {"ownName": "a"}, {"ownName": "a", "late": "x"}])
def test_another_document_is_refused(record: dict[str, Any]) -> None:
    with pytest.raises((ArithmeticError, KeyError)):
        value_from(Outer)(record)


def test_a_value_that_no_document_could_give_back_is_refused_at_once() -> None:
    @dataclass
    class Lossy:
        kept: str
        lost: Annotated[str, Told(seen=Seen.ENGINE)]

    with pytest.raises(TypeError, match=r"no document has Lossy\.lost"):
        value_from(Lossy)


def test_a_traceback_shows_the_line_that_was_made_of_a_declaration() -> None:
    try:
        value_from(Outer)({"ownName": "a", "late": "x"})
    except ArithmeticError as error:
        lines = [frame.line for frame in traceback.extract_tb(error.__traceback__)]
        assert any("late=" in (line or "") for line in lines)
    else:
        pytest.fail("it was read")
