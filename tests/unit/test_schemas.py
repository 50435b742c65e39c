"""The schema of an order: the values that it reads exactly, and what its refusals tell.

`tests/corpus` has the values that it refuses.
"""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderengine.api.answers.problems import Refused
from orderengine.api.validation.inputs import load
from orderengine.api.validation.schemas import OrderRequestSchema
from orderengine.api.validation.strict_json import JsonNumber, parse_object
from orderengine.domain.instruments import Instruments
from orderengine.domain.side import Side
from orderengine.domain.terms import OrderType, TimeInForce
from tests.web import INSTRUMENTS, refused

VALID = {"symbol": "AAPL", "side": "buy", "quantity": "10"}


def an_order(**changed: Any) -> dict[str, Any]:
    return {**VALID, **changed}


def order_schema() -> OrderRequestSchema:
    return OrderRequestSchema(INSTRUMENTS)


def test_an_order_is_read_with_the_default_tolerance() -> None:
    assert load(order_schema(), VALID) == {
        "symbol": "AAPL",
        "side": Side.BUY,
        "quantity": Decimal(10),
        "slippage_tolerance_bps": 100,
        "max_legs": 1,
        "type": OrderType.MARKET,
        "time_in_force": TimeInForce.IOC,
    }


def test_a_worst_price_is_read_exactly_and_need_not_be_given() -> None:
    exact = "0.3333333333333333333333333333"[:28]
    assert load(order_schema(), an_order(worstPrice=exact))["worst_price"] == Decimal(exact)
    assert "worst_price" not in load(order_schema(), VALID)


@pytest.mark.parametrize(
    ("given_quantity", "plain"),
    [
        (JsonNumber("10"), "10"),
        (JsonNumber("0.5"), "0.5"),
        (JsonNumber("1e2"), "100"),
        (JsonNumber("1E+2"), "100"),
        (JsonNumber("25e-2"), "0.25"),
        (JsonNumber("0.1"), "0.1"),
        ("10", "10"),
        ("0.000101", "0.000101"),
        ("10.500000000000000000000000000000", "10.5"),
        ("99999.999999", "99999.999999"),
    ],
)
def test_a_quantity_is_read_exactly(given_quantity: object, plain: str) -> None:
    quantity = load(order_schema(), an_order(quantity=given_quantity))["quantity"]
    assert str(quantity) == plain


@pytest.mark.parametrize(("literal", "bps"), [("0", 0), ("1", 1), ("10000", 10_000)])
def test_a_tolerance_is_an_integer_in_bps(literal: str, bps: int) -> None:
    order = load(order_schema(), an_order(slippageBps=JsonNumber(literal)))
    assert order["slippage_tolerance_bps"] == bps


@pytest.mark.parametrize("symbol", ["aapl", "Aapl", "AAPL"])
@pytest.mark.parametrize("side", ["buy", "BUY", "Buy"])
def test_the_ascii_case_of_symbol_and_side_does_not_matter(symbol: str, side: str) -> None:
    order = load(order_schema(), an_order(symbol=symbol, side=side))
    assert (order["symbol"], order["side"]) == ("AAPL", Side.BUY)


def test_symbols_that_differ_in_case_alone_are_written_exactly() -> None:
    aapl = order_schema().instruments.get("AAPL")
    both = Instruments([replace(aapl, symbol="AAPLx"), replace(aapl, symbol="AAPLX")])
    assert [both.match(text) for text in ("AAPLx", "AAPLX", "aaplx")] == [*both, None]


def test_an_unknown_symbol_is_refused_with_all_that_are_known() -> None:
    known = order_schema().instruments
    with pytest.raises(Refused, match=", ".join(each.symbol for each in known)):
        load(order_schema(), an_order(symbol="XYZ"))
    aapl = known.get("AAPL")
    many = Instruments(replace(aapl, symbol=f"S{number}") for number in range(200))
    with pytest.raises(Refused, match="one of the 200 symbols of /api/instruments: S0, S1, "):
        load(OrderRequestSchema(many), an_order(symbol="XYZ"))


@pytest.mark.parametrize(
    "optional",
    ["slippageBps", "worstPrice", "maxLegs", "clientOrderId", "type", "quoteQuantity", "expiresAt"],
)
def test_null_stands_for_an_optional_field_that_is_not_given(optional: str) -> None:
    plain = load(order_schema(), VALID)
    assert load(order_schema(), an_order(**{optional: None})) == plain
    for required in ("symbol", "side"):
        assert refused(order_schema(), an_order(**{required: None})) == [(required, "type")]
    assert refused(order_schema(), an_order(quantity=None)) == [("quantity", "required")]


def test_one_of_two_amounts_is_exact() -> None:
    in_usdc = {"symbol": "AAPL", "side": "sell", "quoteQuantity": "100.25"}
    found = load(order_schema(), in_usdc)
    assert (found["quote_quantity"], "quantity" in found) == (Decimal("100.25"), False)
    assert load(order_schema(), {**in_usdc, "quantity": None}) == found
    neither = {name: value for name, value in in_usdc.items() if name != "quoteQuantity"}
    assert refused(order_schema(), neither) == [("quantity", "required")]
    for value in ("10", "x", 1):
        both = {**in_usdc, "quantity": value}
        assert ("quoteQuantity", "exclusive") in refused(order_schema(), both)


@pytest.mark.parametrize(
    ("text", "rule"),
    [("0.0000001", "places"), ("1.0000001", "places"), ("0", "positive"), ("1e2", "decimal")],
)
def test_usdc_have_six_decimals(text: str, rule: str) -> None:
    raw = {"symbol": "AAPL", "side": "buy", "quoteQuantity": text}
    assert refused(order_schema(), raw) == [("quoteQuantity", rule)]
    assert load(order_schema(), {**raw, "quoteQuantity": "0.0100000"})["quote_quantity"] > 0


def test_the_type_of_an_order_is_market() -> None:
    assert load(order_schema(), an_order(type="market")) == load(order_schema(), VALID)
    assert refused(order_schema(), an_order(type="iceberg")) == [("type", "one_of")]


def test_a_refusal_of_an_unknown_field_lists_those_that_exist() -> None:
    fields = (
        "symbol, side, quantity, quoteQuantity, slippageBps, worstPrice, maxLegs, type,"
        " limitPrice, stopPrice, trigger, timeInForce, expiresAt, clientOrderId"
    )
    with pytest.raises(Refused, match=f"price is not a field here; the fields are: {fields}"):
        load(order_schema(), an_order(price="1"))


def test_everything_wrong_is_reported_at_once_in_the_order_of_the_fields() -> None:
    raw = {"zz": 1, "slippageBps": "1", "quantity": "x", "side": "x", "aa": None}
    for body in (raw, dict(reversed(raw.items()))):
        found = refused(order_schema(), body)
        assert found[:4] == [
            ("symbol", "required"),
            ("side", "one_of"),
            ("quantity", "decimal"),
            ("slippageBps", "type"),
        ]
        assert sorted(found[4:]) == [("aa", "unknown"), ("zz", "unknown")]


def test_a_limit_of_the_instrument_is_reported_beside_the_rest() -> None:
    found = refused(order_schema(), an_order(quantity="9999999", side="x"))
    assert found == [("side", "one_of"), ("quantity", "max")]


def test_a_flood_of_unknown_fields_is_cut_short() -> None:
    flood = {f"x{number}": True for number in range(1000)}
    found = refused(order_schema(), {**flood, **an_order(side="x")})
    assert len(found) == 20
    assert found[0] == ("side", "one_of")


def test_the_name_of_an_unknown_field_is_repeated_in_a_safe_form() -> None:
    hostile = "\x1b[31m<script>" + "A" * 4000
    ((field, rule),) = refused(order_schema(), an_order(**{hostile: 1}))
    assert rule == "unknown"
    assert field.startswith("\\x1b[31m<script>AAA")
    assert len(field) < 60


@given(st.text())
def test_any_text_as_quantity_is_read_exactly_or_refused(text: str) -> None:
    try:
        quantity = load(order_schema(), an_order(quantity=text))["quantity"]
    except Refused:
        return
    assert text.isascii()
    assert Decimal(text) == quantity


@given(st.decimals("0.0001", "100000", places=6))
def test_every_tradable_quantity_is_taken_as_string_and_as_number(quantity: Decimal) -> None:
    for value in (f"{quantity:f}", JsonNumber(str(quantity))):
        assert load(order_schema(), an_order(quantity=value))["quantity"] == quantity


def test_a_body_is_read_from_bytes_to_values() -> None:
    raw = parse_object(b'{"symbol":"SOL","side":"sell","quantity":1.5e1,"slippageBps":50}')
    assert load(order_schema(), raw) == {
        "symbol": "SOL",
        "side": Side.SELL,
        "quantity": Decimal(15),
        "slippage_tolerance_bps": 50,
        "max_legs": 1,
        "type": OrderType.MARKET,
        "time_in_force": TimeInForce.IOC,
    }
