"""The schemas of requests: they validate the input, and the API description shows them."""

import functools
from collections.abc import Callable
from decimal import Decimal
from enum import StrEnum
from typing import Any

from marshmallow import RAISE, Schema, ValidationError, fields, post_load, validates_schema

from orderengine.api.fields import (
    MAX_TEXT,
    BrokenRule,
    Choice,
    Cursor,
    ExactDecimal,
    ExactInteger,
    Name,
    OrderId,
    QuotedDecimal,
    ShortText,
    StreamCursor,
    Text,
)
from orderengine.domain.instruments import Instruments
from orderengine.domain.order import OrderStatus
from orderengine.domain.routing import MAX_LEGS
from orderengine.domain.side import Side

DEFAULT_SLIPPAGE_BPS = 100
MAX_SLIPPAGE_BPS = 10_000
DEFAULT_PAGE = 20
MAX_PAGE = 100
MAX_SEQ = 2**31 - 1
VISIBLE = {"minLength": 1, "maxLength": MAX_TEXT, "pattern": "^[!-~]+$"}
"""The form of every symbol, as in `instruments.SYMBOL`."""
SYMBOLS_LISTED = 30


class OrderType(StrEnum):
    """The types of an order."""

    MARKET = "market"


def camel_case(name: str) -> str:
    """A Python name as it is written in JSON."""
    first, *rest = name.split("_")
    return first + "".join(word.title() for word in rest)


class RequestSchema(Schema):
    """What a client sends: names in camelCase, and nothing that is not known."""

    class Meta:
        """Documented as closed."""

        unknown = RAISE

    def on_bind_field(self, field_name: str, field_obj: fields.Field[Any]) -> None:
        """Name the field in camelCase unless it has a name of its own."""
        field_obj.data_key = field_obj.data_key or camel_case(field_name)


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


class SwapSchema(RequestSchema):
    """Which swap to make; made with the instruments that are traded."""

    symbol = Symbol(
        required=True,
        metadata={
            "description": "The base asset; ASCII case does not matter.",
            "examples": ["AAPL"],
            **VISIBLE,
        },
    )
    side = Choice(Side, required=True, metadata={"examples": ["buy"]})
    quantity = ExactDecimal(
        required=True, metadata={"description": "Whole tokens of the base asset."}
    )

    def __init__(self, instruments: Instruments | None = None) -> None:
        super().__init__()
        self.instruments = instruments or Instruments(())  # none are needed to document it

    @validates_schema(skip_on_field_errors=False)
    def _fits_instrument(self, data: dict[str, Any], **_: Any) -> None:
        instrument = self.instruments.find(data.get("symbol", ""))
        quantity: Decimal | None = data.get("quantity")
        found = instrument and quantity and instrument.violation(quantity)
        if found:
            raise ValidationError([BrokenRule(found.rule, found.message)], found.field)


def _default(value: int) -> Callable[[], int]:
    """A default without the keyword `default`, which makes generators require the field."""
    return lambda: value


def _slippage_bps(*, quoted: bool = False) -> ExactInteger:
    return ExactInteger(
        0,
        MAX_SLIPPAGE_BPS,
        quoted=quoted,
        data_key="slippageBps",
        load_default=_default(DEFAULT_SLIPPAGE_BPS),
        metadata={
            "description": "How much worse than quoted the execution may be, in bps;"
            f" {DEFAULT_SLIPPAGE_BPS} unless given."
        },
    )


def _max_legs(*, quoted: bool = False) -> ExactInteger:
    return ExactInteger(
        1,
        MAX_LEGS,
        quoted=quoted,
        load_default=_default(1),
        metadata={"description": "Over how many venues it may be split; 1 unless given."},
    )


class QuoteQuerySchema(SwapSchema):
    """Which swap to quote, at which tolerance, over how many venues."""

    quantity = QuotedDecimal(
        required=True,
        metadata={"description": "Whole tokens of the base asset."},
    )
    slippage_tolerance_bps = _slippage_bps(quoted=True)
    max_legs = _max_legs(quoted=True)


class OrderRequestSchema(SwapSchema):
    """A market order."""

    slippage_tolerance_bps = _slippage_bps()
    worst_price = ExactDecimal(
        metadata={
            "description": "USDC for one whole token, fees and impact included: the most that a "
            "buy ever pays, the least that a sell ever accepts, in whichever attempt."
        }
    )
    max_legs = _max_legs()
    type = Choice(
        OrderType, metadata={"description": "`market`, which every order is; may be left out."}
    )
    client_order_id = Name(
        metadata={"description": "The client's own name for it, unique among its orders."}
    )

    @post_load
    def _without_type(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        return {name: value for name, value in data.items() if name != "type"}


class RepeatedOrderSchema(OrderRequestSchema):
    """An order that was accepted before: its instrument may have changed, or be gone."""

    symbol = AnySymbol(required=True)


@functools.cache
def order_schema(instruments: Instruments) -> OrderRequestSchema:
    """The schema of an order, cached: marshmallow copies every field for each new instance."""
    return OrderRequestSchema(instruments)


class OrderListSchema(RequestSchema):
    """Which orders to list; their symbol need not be traded any more."""

    status = Choice(OrderStatus, metadata={"description": "Only those that are there now."})
    symbol = ShortText(metadata={"description": "Only those of this asset.", **VISIBLE})
    limit = ExactInteger(
        1,
        MAX_PAGE,
        quoted=True,
        load_default=_default(DEFAULT_PAGE),
        metadata={"description": f"How many at most; {DEFAULT_PAGE} unless given."},
    )
    cursor = Cursor()


class NamedOrderSchema(RequestSchema):
    """Which order to show, by its client's own name for it."""

    client_order_id = Name(
        required=True, metadata={"description": "The `clientOrderId` of the order."}
    )


class EventListSchema(RequestSchema):
    """Which events of an order to list."""

    after = ExactInteger(
        0,
        MAX_SEQ,
        quoted=True,
        load_default=_default(0),
        metadata={"description": "Only those with a `seq` beyond it; all unless given."},
    )


class UpdatesQuerySchema(RequestSchema):
    """Whose updates to send: one order's, or all of the client; the ticket was looked at before."""

    order_id = OrderId()
    after = ExactInteger(0, MAX_SEQ, quoted=True)
    cursor = StreamCursor()
    ticket = ShortText()
