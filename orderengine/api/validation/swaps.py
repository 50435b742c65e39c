"""The schema of a swap: its instrument, its side, and one of two exact amounts."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from marshmallow import ValidationError, validates_schema

from orderengine.api.validation.decimals import ExactDecimal
from orderengine.api.validation.fields import MAX_TEXT, BrokenRule, Choice, Text
from orderengine.api.validation.requests import RequestSchema
from orderengine.domain.instruments import Instruments
from orderengine.domain.pricing import USDC_DECIMALS
from orderengine.domain.side import Side

VISIBLE = {"minLength": 1, "maxLength": MAX_TEXT, "pattern": "^[!-~]+$"}
"""The form of every symbol, as in `instruments.SYMBOL`."""
SYMBOLS_LISTED = 30


class Symbol(Text):
    """The symbol of an instrument that its schema knows, without regard to ASCII case."""

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> str:
        return self.named(super()._deserialize(value))

    def named(self, text: str) -> str:
        """The symbol that a text names; raises ValidationError."""
        schema = self.parent
        assert isinstance(schema, SwapSchema)  # noqa: S101 - the only schemas with a symbol to trade
        found = schema.instruments.match(text)
        if found is None:
            raise ValidationError([BrokenRule("known", _known(schema.instruments))])
        return found.symbol


class AnySymbol(Symbol):
    """A symbol that may not be traded any more, unchanged."""

    def named(self, text: str) -> str:
        """The text itself."""
        return text


def _known(instruments: Instruments) -> str:
    """The message about an unknown symbol: all symbols, or the first ones and their number."""
    symbols = [instrument.symbol for instrument in instruments]
    listed = ", ".join(symbols[:SYMBOLS_LISTED])
    if len(symbols) > SYMBOLS_LISTED:
        return f"must be one of the {len(symbols)} symbols of /api/instruments: {listed}, ..."
    return f"must be one of the symbols of /api/instruments: {listed}"


QUANTITY = (
    "Whole tokens of the base asset, exactly. Either `quantity` or `quoteQuantity` is required."
)
QUOTE_QUANTITY = (
    "The USDC that a buy spends, or a sell receives, exactly; at most six decimals. Only without"
    " `quantity`."
)


class SwapSchema(RequestSchema):
    """A swap. The schema is built with the traded instruments, against which it validates."""

    symbol = Symbol(
        required=True,
        metadata={
            "description": "The base asset; ASCII case does not matter.",
            "examples": ["AAPL"],
            **VISIBLE,
        },
    )
    side = Choice(Side, required=True, metadata={"examples": ["buy"]})
    quantity = ExactDecimal(metadata={"description": QUANTITY})
    quote_quantity = ExactDecimal(USDC_DECIMALS, metadata={"description": QUOTE_QUANTITY})

    def __init__(self, instruments: Instruments | None = None) -> None:
        super().__init__()
        self.instruments = instruments or Instruments(())  # none are needed to document it

    def finished(self, values: dict[str, Any]) -> dict[str, Any]:
        """Check that there is one amount, and that a quantity fits the instrument."""
        _require_one_amount("quantity" in values, "quote_quantity" in values)
        self._fits_instrument(values)
        return values

    @validates_schema(skip_on_field_errors=False, pass_original=True)
    def _names_one_amount(self, _: Any, given: Mapping[str, Any], **__: Any) -> None:
        _require_one_amount("quantity" in given, "quoteQuantity" in given)

    @validates_schema(skip_on_field_errors=False)
    def _fits_instrument(self, data: dict[str, Any], **_: Any) -> None:
        instrument = self.instruments.find(data.get("symbol", ""))
        quantity: Decimal | None = data.get("quantity")
        found = instrument and quantity and instrument.violation(quantity)
        if found:
            raise ValidationError([BrokenRule(found.rule, found.message)], found.field)


def _require_one_amount(in_tokens: bool, in_usdc: bool) -> None:  # noqa: FBT001 - two answers
    if in_tokens and in_usdc:
        broken = BrokenRule("exclusive", "must not be given with quantity: one of them is exact")
        raise ValidationError([broken], "quoteQuantity")
    if not in_tokens and not in_usdc:
        broken = BrokenRule("required", "or quoteQuantity must be given")
        raise ValidationError([broken], "quantity")
