"""Instruments at 1e-9 and 1e-13 USDC, from the quote to the export."""

import csv
import io
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation

import pytest

from harness.processes import ROOT
from tests.e2e.stack import Stack

TINY = (
    "NANO,At 1e-9,6,0.000001,1,1000000000000,0.000000001,4000000,",
    "FEMTO,At 1e-13,2,0.01,1,10000000000000000,0.0000000000001,4000000,",
)
DECIMALS = {"NANO": 6, "FEMTO": 2}
QUOTE_DECIMALS = 6
ORDERS = {"NANO": ("1e-9", "70000000003"), "FEMTO": ("1e-13", "700000000000003")}
# The fewest digits that are useful; a price that divides evenly has few.
SHOWN_DIGITS = 4
# Prices keep twelve significant digits.
TOLERANCE = Decimal("1e-11")


@pytest.fixture(scope="module")
def stack_environ(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    shipped = (ROOT / "orderengine" / "instruments.csv").read_text("utf-8").rstrip("\n")
    path = tmp_path_factory.mktemp("instruments") / "instruments.csv"
    path.write_text("\n".join([shipped, *TINY, ""]), "utf-8")
    return {"SIM_SETTLEMENT_MS": "100-200", "INSTRUMENTS_FILE": str(path)}


def command(stack: Stack, *arguments: str) -> str:
    ran = stack.command(*arguments)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def price_of(symbol: str, amounts: Mapping[str, str]) -> Decimal:
    """The exact price in USDC for one token, from an answer's amounts in base units."""
    quote = Decimal(amounts["quoteAmount"]).scaleb(-QUOTE_DECIMALS)
    return quote / Decimal(amounts["baseAmount"]).scaleb(-DECIMALS[symbol])


def require_price(text: str, exact: Decimal) -> None:
    """Require a price without an exponent and with all of its digits."""
    assert "e" not in text.lower()
    assert abs(Decimal(text) / exact - 1) < TOLERANCE


@pytest.mark.parametrize("symbol", ORDERS)
@pytest.mark.parametrize("side", ["buy", "sell"])
def test_a_tiny_price_keeps_its_digits_all_the_way(stack: Stack, symbol: str, side: str) -> None:
    about, quantity = ORDERS[symbol]
    query = f"symbol={symbol}&side={side}&quantity={quantity}"
    quotes = stack.get(f"/api/quotes?{query}")["quotes"]
    assert quotes
    for quote in quotes:
        require_price(quote["price"], price_of(symbol, quote))
    worst = Decimal(about) * (2 if side == "buy" else Decimal("0.5"))
    order_id = stack.post(symbol, side, quantity, worstPrice=f"{worst:f}")
    events = stack.follow(order_id).events
    assert events[-1]["status"] == "confirmed", events[-1]
    data = events[-1]["data"]
    routes = [event["data"]["legs"] for event in events if "legs" in event["data"]]
    (leg,) = routes[-1]  # on a slow machine a quote expires, and the order is routed again
    require_price(data["quotedPrice"], price_of(symbol, leg))
    require_price(data["executedPrice"], price_of(symbol, data))
    assert Decimal("0.5") < Decimal(data["executedPrice"]) / Decimal(about) < 2
    order = stack.get(f"/api/orders/{order_id}")
    assert Decimal(order["worstPrice"]) == worst
    for name in ("quotedPrice", "executedPrice"):
        assert order[name] == data[name]
    executed, at_quote = Decimal(order["executedPrice"]), Decimal(order["quotedPrice"])
    worse = (executed / at_quote - 1) * (1 if side == "buy" else -1)
    assert abs(worse * 100 - Decimal(data["slippagePct"])) < Decimal("0.0002")
    listed = stack.get(f"/api/orders?symbol={symbol}")["orders"]
    assert order_id in {each["orderId"] for each in listed}
    assert {each["executedPrice"] for each in listed if each["orderId"] == order_id} == {
        order["executedPrice"]
    }
    rows = csv.DictReader(io.StringIO(command(stack, "export", "orders")))
    (row,) = [row for row in rows if row["orderId"] == order_id]
    assert Decimal(row["executedPrice"]) == executed
    assert Decimal(row["quotedPrice"]) == at_quote
    assert order["executedPrice"] in command(stack, "show", order_id)
    words = command(stack, "quotes", symbol, side, quantity).split()
    assert any(is_price(word, about) for word in words), words


def is_price(word: str, about: str) -> bool:
    """Whether a word is a price near `about` with at least four significant digits."""
    try:
        price = Decimal(word)
    except InvalidOperation:
        return False
    near = Decimal("0.5") < price / Decimal(about) < 2
    return near and "e" not in word.lower() and len(price.as_tuple().digits) >= SHOWN_DIGITS
