"""The instrument file and the rules for a quantity."""

from decimal import Decimal

import pytest

from orderengine.domain.errors import FailureReason, OrderUnfillable
from orderengine.domain.instruments import Instruments, parse_instruments

HEADER = "symbol,name,decimals,quantity_step,min_quantity,max_quantity,reference_price,depth\n"
LINE = "XYZ,Xyz,6,0.01,0.1,100,5,1000\n"


def test_the_shipped_file_has_what_was_promised(instruments: Instruments) -> None:
    symbols = [instrument.symbol for instrument in instruments]
    promised = {"AAPL", "TSLA", "NVDA", "SPY", "BTC", "ETH", "SOL", "JUP", "BONK", "RAY"}
    assert promised <= set(symbols)
    assert symbols[0] == "AAPL"


def test_a_line_adds_an_instrument() -> None:
    (added,) = parse_instruments(HEADER + LINE)
    assert (added.symbol, added.quantity_step) == ("XYZ", Decimal("0.01"))


@pytest.mark.parametrize(
    ("quantity", "rule"),
    [("0.09", "min"), ("100.01", "max"), ("0.105", "step"), ("0.1", None), ("100", None)],
)
def test_the_rules_of_a_quantity(quantity: str, rule: str | None) -> None:
    (instrument,) = parse_instruments(HEADER + LINE)
    violation = instrument.violation(Decimal(quantity))
    assert (violation.rule if violation else None) == rule
    assert violation is None or violation.field == "quantity"


@pytest.mark.parametrize(
    "line",
    [
        "XYZ,Xyz,6,0.01,0.1,100,5\n",
        "XYZ,Xyz,6,0.01,0.1,100,cheap,1000\n",
        "XYZ,Xyz,6,0,0.1,100,5,1000\n",
        "XYZ,Xyz,6,0.01,0,100,5,1000\n",
        "XYZ,Xyz,6,0.01,9,1,5,1000\n",
        "XYZ,Xyz,99,0.01,0.1,100,5,1000\n",
        "XYZ,Xyz,1,0.01,0.1,100,5,1000\n",
        ",Xyz,6,0.01,0.1,100,5,1000\n",
        "X Z,Xyz,6,0.01,0.1,100,5,1000\n",
        "XÝZ,Xyz,6,0.01,0.1,100,5,1000\n",
        f"{'X' * 65},Xyz,6,0.01,0.1,100,5,1000\n",
        "XYZ,Xyz,6,0.01,0.1,Infinity,5,1000\n",
        "XYZ,Xyz,6,0.01,0.1,100,Infinity,1000\n",
        "XYZ,Xyz,6,0.01,0.1,100,5,Infinity\n",
        "XYZ,Xyz,6,0.01,0.1,100,NaN,1000\n",
    ],
)
def test_a_wrong_line_is_named(line: str) -> None:
    with pytest.raises(ValueError, match="line 2"):
        parse_instruments(HEADER + line)


def test_a_symbol_listed_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="twice"):
        parse_instruments(HEADER + LINE + LINE)


def test_whole_tokens_become_base_units_exactly(instruments: Instruments) -> None:
    bonk = instruments.get("BONK")
    assert bonk.base_units(Decimal(1000000000000)) == 10**17
    with pytest.raises(ValueError, match="finer"):
        bonk.base_units(Decimal("0.000001"))


def test_an_instrument_that_is_gone_makes_an_order_unfillable(instruments: Instruments) -> None:
    assert instruments.find("NOPE") is None
    with pytest.raises(OrderUnfillable) as caught:
        instruments.get("NOPE")
    assert caught.value.reason is FailureReason.UNKNOWN_SYMBOL
