"""The shapes of answers: what `documents.py` fills, and what the documentation says of it."""

from enum import StrEnum
from typing import Any, ClassVar

from marshmallow import EXCLUDE, Schema, fields

from orderengine.api.errors import ErrorCode
from orderengine.api.schemas import camel_case
from orderengine.domain.errors import FailureReason
from orderengine.domain.order import OrderStatus
from orderengine.domain.routing import RouteReason
from orderengine.domain.side import Side


class AnswerSchema(Schema):
    """What the API answers: names in camelCase; a field is always there unless it is `optional`.

    Fields may be added, so a client ignores those that it does not know.
    """

    optional: ClassVar[frozenset[str]] = frozenset()

    class Meta:
        """Documented as open."""

        unknown = EXCLUDE

    def on_bind_field(self, field_name: str, field_obj: fields.Field[Any]) -> None:
        """Read and write the field under its name in camelCase."""
        field_obj.attribute = field_obj.data_key = camel_case(field_name)
        field_obj.required = field_name not in self.optional


def _text(description: str, **more: Any) -> fields.String:
    return fields.String(metadata={"description": description, **more})


def _decimal(description: str) -> fields.String:
    return _text(description, pattern=r"^-?[0-9]+(\.[0-9]+)?$")


def _base_units(description: str) -> fields.String:
    return _text(f"{description}, in base units.", pattern="^[0-9]+$")


def _one_of(choices: type[StrEnum]) -> fields.String:
    return fields.String(metadata={"enum": [choice.value for choice in choices]})


def _time(description: str) -> fields.String:
    return _text(description, format="date-time")


def _texts(description: str) -> fields.Dict:
    return fields.Dict(
        keys=fields.String(), values=fields.String(), metadata={"description": description}
    )


class QuoteSchema(AnswerSchema):
    """A venue's quote, for the whole amount or for one leg."""

    optional = frozenset({"max_in", "min_out"})

    dex = _text("The venue.")
    pool = _text("The venue's pool.")
    pool_kind = _text("How the pool prices a swap: `cpmm` (constant product) or `dlmm` (bins).")
    side = _one_of(Side)
    base_amount = _base_units("What a buy gets, or a sell gives, of the base asset")
    base_decimals = fields.Integer(metadata={"description": "Decimals of `baseAmount`."})
    quote_amount = _base_units("What a buy gives, or a sell gets, of USDC")
    max_in = _base_units("A buy only: the most USDC at the tolerance")
    min_out = _base_units("A sell only: the least USDC at the tolerance")
    price = _decimal("USDC for one whole token, fees and impact included.")
    mid_price = _decimal("The pool's price before the swap.")
    fee = _decimal("USDC.")
    market_impact_bps = _decimal("How far the swap's own size moves its price.")
    quoted_at = _time("When the venue priced it.")
    expires_at = _time("When it may not be built any more.")


WHY = "Why it was chosen, in words."
LEGS = "The swaps of the chosen route: one, or the parts of a split."
QUOTES = "Each venue's quote for the whole amount."


def _quotes(description: str) -> fields.List[Any]:
    return fields.List(fields.Nested(QuoteSchema), metadata={"description": description})


class ExecutedLegSchema(AnswerSchema):
    """What one venue executed."""

    dex = _text("The venue.")
    pool = _text("The venue's pool.")
    base_amount = _base_units("What was executed of the base asset")
    quote_amount = _base_units("What was executed of USDC")
    fee = _decimal("USDC.")
    market_impact_bps = _decimal("How far the swap itself moved this pool's price.")


class FailedAttemptSchema(AnswerSchema):
    """Why one attempt failed."""

    attempt = fields.Integer()
    reason = _one_of(FailureReason)
    detail = fields.String()


class OrderSchema(AnswerSchema):
    """An order; what is not known yet is absent."""

    optional = frozenset(
        {
            *(
                "client_order_id",
                "worst_price",
                "dex",
                "quoted_price",
                "limit_amount",
                "quotes",
                "refusals",
            ),
            *("route_reason", "route_detail", "legs", "tx_hash", "executed_legs"),
            *("executed_price", "slippage_pct", "market_impact_bps", "fee"),
            *("base_amount", "quote_amount", "landed_at", "reason", "detail"),
        }
    )

    order_id = fields.String(metadata={"format": "uuid"})
    symbol = fields.String()
    side = _one_of(Side)
    quantity = _decimal("Whole tokens of the base asset.")
    slippage_bps = fields.Integer()
    client_order_id = _text("The client's own name for it.")
    worst_price = _decimal("What binds every attempt, in USDC for one whole token.")
    max_legs = fields.Integer(metadata={"description": "Over how many venues it may be split."})
    status = _one_of(OrderStatus)
    attempt = fields.Integer()
    version = fields.Integer(metadata={"description": "The `seq` of its latest event."})
    created_at = _time("When it was accepted.")
    updated_at = _time("When its status last changed.")
    dex = _text("The venue that it was routed to; the legs' joined by `+` if it was split.")
    quoted_price = _decimal("The price over all legs when it was routed.")
    limit_amount = _base_units("The most USDC that a buy pays, or the least that a sell accepts")
    route_reason = _one_of(RouteReason)
    route_detail = _text(WHY)
    legs = _quotes(LEGS)
    quotes = _quotes(QUOTES)
    refusals = _texts("Why each venue without a quote gave none.")
    tx_hash = _text("The signature of its latest transaction.")
    executed_price = _decimal("USDC for one whole token, fees and impact included.")
    slippage_pct = _decimal("Against the quoted price; positive is worse.")
    market_impact_bps = _decimal("How far the swap itself moved its price.")
    fee = _decimal("USDC.")
    base_amount = _base_units("What was executed of the base asset")
    quote_amount = _base_units("What was executed of USDC")
    landed_at = _time("When the network executed it.")
    executed_legs = fields.List(fields.Nested(ExecutedLegSchema))
    reason = _one_of(FailureReason)
    detail = _text("Why it failed, in words.")
    failed_attempts = fields.List(fields.Nested(FailedAttemptSchema))


class LinksSchema(AnswerSchema):
    """Where to follow an order."""

    order = fields.String()
    events = fields.String()
    updates = _text("The WebSocket.")


class AcceptedSchema(AnswerSchema):
    """An order that was taken in and will be executed."""

    order_id = fields.String(metadata={"format": "uuid"})
    status = _one_of(OrderStatus)
    created_at = _time("When it was accepted.")
    links = fields.Nested(LinksSchema)


class OrderPageSchema(AnswerSchema):
    """One page of orders, newest first."""

    orders = fields.List(fields.Nested(OrderSchema))
    next_cursor = fields.String(allow_none=True)


class EventSchema(AnswerSchema):
    """One step of an order, as the WebSocket sends it."""

    order_id = fields.String(metadata={"format": "uuid"})
    seq = fields.Integer(metadata={"description": "Counts the order's events from 1."})
    status = _one_of(OrderStatus)
    attempt = fields.Integer()
    at = _time("When the step was stored.")
    data = fields.Dict(metadata={"description": "Depends on the status."})


class EventsSchema(AnswerSchema):
    """The steps of an order so far."""

    events = fields.List(fields.Nested(EventSchema))


class RouteSchema(AnswerSchema):
    """What every venue would give now, and which one an order would take."""

    symbol = fields.String()
    side = _one_of(Side)
    quantity = _decimal("Whole tokens of the base asset.")
    slippage_bps = fields.Integer()
    max_legs = fields.Integer()
    dex = _text("The venue that an order would be routed to, or several, joined by `+`.")
    quoted_price = _decimal("The price over all legs.")
    limit_amount = _base_units("The most USDC that a buy pays, or the least that a sell accepts")
    route_reason = _one_of(RouteReason)
    route_detail = _text(WHY)
    legs = _quotes(LEGS)
    quotes = _quotes(QUOTES)
    refusals = _texts("Why each venue without a quote gave none.")


class InstrumentSchema(AnswerSchema):
    """A base asset that can be traded against USDC."""

    symbol = fields.String()
    name = fields.String()
    decimals = fields.Integer(metadata={"description": "Decimals of one base unit."})
    quantity_step = _decimal("A quantity must be a multiple of it.")
    min_quantity = _decimal("The smallest quantity.")
    max_quantity = _decimal("The largest quantity.")


class InstrumentsSchema(AnswerSchema):
    """All that can be traded."""

    instruments = fields.List(fields.Nested(InstrumentSchema))


class TicketSchema(AnswerSchema):
    """What opens one socket, once."""

    ticket = _text("For the query of the socket.")
    expires_at = _time("When it opens nothing any more.")


class HealthSchema(AnswerSchema):
    """Whether this process serves."""

    optional = frozenset({"degraded", "causes", "oldest_open_order_s", "stuck_orders"})

    status = fields.String(metadata={"enum": ["ok", "degraded"]})
    degraded = fields.List(
        fields.String(), metadata={"description": "What is missing; `stuck` for stuck orders."}
    )
    causes = _texts("Why each is missing, in one word of docs/operations.md; others may be added.")
    oldest_open_order_s = fields.Float(
        metadata={"description": "How long ago it was accepted; 0 if all have ended."}
    )
    stuck_orders = fields.Integer(
        metadata={"description": "Submitted, and without a word of the network for too long."}
    )


class ViolationSchema(AnswerSchema):
    """One broken rule of a request."""

    field = fields.String()
    rule = fields.String()
    message = fields.String()


class ProblemSchema(AnswerSchema):
    """An error, after RFC 9457."""

    optional = frozenset({"errors"})

    type = fields.String(metadata={"format": "uri"})
    title = fields.String()
    status = fields.Integer()
    code = _one_of(ErrorCode)
    detail = fields.String()
    errors = fields.List(fields.Nested(ViolationSchema))
