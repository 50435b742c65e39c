"""The schemas of requests: they validate the input, and the API description shows them."""

import functools
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from marshmallow import fields, missing, validates_schema

from orderengine.api.validation import terms
from orderengine.api.validation.decimals import ExactDecimal, QuotedDecimal
from orderengine.api.validation.fields import (
    Choice,
    Cursor,
    ExactInteger,
    Name,
    OrderId,
    RuleField,
    ShortText,
    StreamCursor,
)
from orderengine.api.validation.requests import RequestSchema
from orderengine.api.validation.swaps import (
    QUANTITY,
    QUOTE_QUANTITY,
    VISIBLE,
    AnySymbol,
    SwapSchema,
)
from orderengine.domain.instruments import Instruments
from orderengine.domain.order import OrderStatus
from orderengine.domain.pricing import USDC_DECIMALS
from orderengine.domain.routing import MAX_LEGS
from orderengine.execution.intake.batch import MAX_BATCH
from orderengine.execution.queries.lists import StatusGroup

MAX_SLIPPAGE_BPS = 10_000
DEFAULT_PAGE = 20
MAX_PAGE = 100
MAX_SEQ = 2**31 - 1


def _default(value: int) -> Callable[[], int]:
    """A default without the keyword `default`, which makes generators require the field."""
    return lambda: value


def _slippage_bps(*, quoted: bool = False) -> ExactInteger:
    default = terms.DEFAULT_SLIPPAGE_BPS
    told = f"How much worse than quoted the execution may be, in bps; default {default}"
    return ExactInteger(
        0,
        MAX_SLIPPAGE_BPS,
        quoted=quoted,
        data_key="slippageBps",
        load_default=_default(default) if quoted else missing,
        metadata={
            "description": f"{told}."
            if quoted
            else f"{told} of market and stop orders. Without it the price of a limit order binds."
        },
    )


def _max_legs(*, quoted: bool = False) -> ExactInteger:
    return ExactInteger(
        1,
        MAX_LEGS,
        quoted=quoted,
        load_default=_default(1),
        metadata={"description": "The maximum number of venues for the order; default 1."},
    )


class QuoteQuerySchema(SwapSchema):
    """A swap to quote, with its tolerance and the number of venues."""

    quantity = QuotedDecimal(metadata={"description": QUANTITY})
    quote_quantity = QuotedDecimal(USDC_DECIMALS, metadata={"description": QUOTE_QUANTITY})
    slippage_tolerance_bps = _slippage_bps(quoted=True)
    max_legs = _max_legs(quoted=True)


class OrderRequestSchema(SwapSchema):
    """An order."""

    slippage_tolerance_bps = _slippage_bps()
    worst_price = ExactDecimal(
        metadata={
            "description": "The worst acceptable price of every attempt, in USDC for one token, "
            "fees and impact included: the maximum for a buy, the minimum for a sell."
        }
    )
    max_legs = _max_legs()
    type = terms.order_type()
    limit_price = terms.limit_price()
    stop_price = terms.stop_price()
    trigger = terms.trigger()
    time_in_force = terms.time_in_force()
    expires_at = terms.expires_at()
    client_order_id = Name(
        metadata={
            "description": "The client's own name for the order, unique among the client's orders."
        }
    )

    def finished(self, values: dict[str, Any]) -> dict[str, Any]:
        """The same, with the terms complete."""
        return terms.settle(super().finished(values))

    @validates_schema
    def _keeps_terms(self, data: dict[str, Any], **_: Any) -> None:
        terms.settle(dict(data))


def _described_order() -> OrderRequestSchema:
    return OrderRequestSchema()


class Batch(RuleField[list[Any]], fields.List[Any]):
    """A list of orders, which it describes and does not check."""

    rules: ClassVar[Mapping[str, str]] = {
        "type": "must be a list of orders",
        "length": f"must have 1 to {MAX_BATCH} orders",
    }
    openapi: ClassVar[Mapping[str, Any]] = {"minItems": 1, "maxItems": MAX_BATCH}

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> list[Any]:
        if not isinstance(value, list):
            raise self.make_error("type")
        if not 0 < len(value) <= MAX_BATCH:
            raise self.make_error("length")
        return value


class BatchRequestSchema(RequestSchema):
    """A batch of orders."""

    orders = Batch(
        cls_or_instance=fields.Nested(_described_order),
        required=True,
        metadata={"description": "Each is accepted or refused by itself."},
    )


class RepeatedOrderSchema(OrderRequestSchema):
    """An order that was accepted before: its instrument may have changed, or be gone."""

    symbol = AnySymbol(required=True)


@functools.cache
def order_schema(instruments: Instruments) -> OrderRequestSchema:
    """The schema of an order, cached: marshmallow copies every field for each new instance."""
    return OrderRequestSchema(instruments)


class OrderListSchema(RequestSchema):
    """A filter for orders; its symbol may be one that is not traded any more."""

    status = Choice(
        StatusGroup,
        OrderStatus,
        metadata={"description": "Only orders with this status; `open`: that have not ended."},
    )
    symbol = ShortText(metadata={"description": "Only orders of this instrument.", **VISIBLE})
    limit = ExactInteger(
        1,
        MAX_PAGE,
        quoted=True,
        load_default=_default(DEFAULT_PAGE),
        metadata={
            "description": f"The maximum number of orders to return; default {DEFAULT_PAGE}."
        },
    )
    cursor = Cursor()


class NamedOrderSchema(RequestSchema):
    """An order to show, by its client's own name for it."""

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
        metadata={"description": "Only events with a higher `seq`; default 0, for all."},
    )


class UpdatesQuerySchema(RequestSchema):
    """A socket's query: one order, or all of the client; the gate has checked the ticket."""

    order_id = OrderId()
    after = ExactInteger(0, MAX_SEQ, quoted=True)
    cursor = StreamCursor()
    ticket = ShortText()
