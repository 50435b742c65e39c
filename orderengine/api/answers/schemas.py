"""The schemas of answers: `documents.py` builds the answers, the API description shows them."""

from enum import StrEnum
from typing import Any, ClassVar

from marshmallow import EXCLUDE, Schema, fields

from orderengine.api.answers.problems import ErrorCode
from orderengine.api.validation.schemas import camel_case
from orderengine.domain.errors import FailureReason
from orderengine.domain.order import OrderStatus
from orderengine.domain.routing import RouteReason
from orderengine.domain.side import Side


class AnswerSchema(Schema):
    """The base of answers: names in camelCase; a field is always present unless it is `optional`.

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


def text(description: str, **more: Any) -> fields.String:
    """A string."""
    return fields.String(metadata={"description": description, **more})


def decimal(description: str) -> fields.String:
    """A decimal as a string."""
    return text(description, pattern=r"^-?[0-9]+(\.[0-9]+)?$")


def base_units(description: str) -> fields.String:
    """A whole amount in base units as a string."""
    return text(f"{description}, in base units.", pattern="^[0-9]+$")


def one_of(choices: type[StrEnum]) -> fields.String:
    """One of an enum's values."""
    return fields.String(metadata={"enum": [choice.value for choice in choices]})


def time(description: str) -> fields.String:
    """A time, RFC 3339 in UTC."""
    return text(description, format="date-time")


def texts(description: str) -> fields.Dict:
    """A map of names to texts."""
    return fields.Dict(
        keys=fields.String(), values=fields.String(), metadata={"description": description}
    )


class QuoteSchema(AnswerSchema):
    """A venue's quote, for the whole amount or for one leg."""

    optional = frozenset({"max_in", "min_out"})

    dex = text("The venue.")
    pool = text("The venue's pool.")
    pool_kind = text("How the pool prices a swap: `cpmm` (constant product) or `dlmm` (bins).")
    side = one_of(Side)
    base_amount = base_units("The base asset that a buy receives or a sell pays")
    base_decimals = fields.Integer(metadata={"description": "Decimals of `baseAmount`."})
    quote_amount = base_units("The USDC that a buy pays or a sell receives")
    max_in = base_units("Buys only: the maximum USDC within the tolerance")
    min_out = base_units("Sells only: the minimum USDC within the tolerance")
    price = decimal("USDC for one whole token, fees and impact included.")
    mid_price = decimal("The pool's price before the swap.")
    fee = decimal("USDC.")
    market_impact_bps = decimal("How far the swap's own size moves the price, in bps.")
    quoted_at = time("When the venue gave the quote.")
    expires_at = time("When the quote expires; it is not built afterwards.")


WHY = "Why this route was chosen, in words."
LEGS = "The swaps of the chosen route: one, or the parts of a split."
QUOTES = "Each venue's quote for the whole amount."


def _quotes(description: str) -> fields.List[Any]:
    return fields.List(fields.Nested(QuoteSchema), metadata={"description": description})


class ExecutedLegSchema(AnswerSchema):
    """What one venue executed."""

    dex = text("The venue.")
    pool = text("The venue's pool.")
    base_amount = base_units("The executed amount of the base asset")
    quote_amount = base_units("The executed amount of USDC")
    fee = decimal("USDC.")
    market_impact_bps = decimal("How far the swap itself moved this pool's price, in bps.")


class FailedAttemptSchema(AnswerSchema):
    """Why one attempt failed."""

    attempt = fields.Integer()
    reason = one_of(FailureReason)
    detail = fields.String()


class LinksSchema(AnswerSchema):
    """Links to an order and its updates; only in the answer to the request that placed it."""

    order = fields.String()
    events = fields.String()
    updates = text("The WebSocket.")


class OrderSchema(AnswerSchema):
    """An order; fields that are not known yet are absent."""

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
            "links",
        }
    )

    order_id = fields.String(metadata={"format": "uuid"})
    symbol = fields.String()
    side = one_of(Side)
    quantity = decimal("Whole tokens of the base asset.")
    slippage_bps = fields.Integer()
    client_order_id = text("The client's own name for the order.")
    worst_price = decimal(
        "The worst acceptable price of every attempt, in USDC for one whole token."
    )
    max_legs = fields.Integer(
        metadata={"description": "The maximum number of venues for the order."}
    )
    status = one_of(OrderStatus)
    attempt = fields.Integer()
    version = fields.Integer(metadata={"description": "The `seq` of the order's latest event."})
    created_at = time("When the order was accepted.")
    updated_at = time("When its status last changed.")
    dex = text("The venue that the order was routed to; several, joined by `+`, if it was split.")
    quoted_price = decimal("The price over all legs when it was routed.")
    limit_amount = base_units("The most USDC that a buy pays, or the least that a sell accepts")
    route_reason = one_of(RouteReason)
    route_detail = text(WHY)
    legs = _quotes(LEGS)
    quotes = _quotes(QUOTES)
    refusals = texts("Why a venue gave no quote, by venue.")
    tx_hash = text("The signature of the latest transaction.")
    executed_price = decimal("USDC for one whole token, fees and impact included.")
    slippage_pct = decimal("Against the quoted price; positive is worse.")
    market_impact_bps = decimal("How far the swap itself moved the price, in bps.")
    fee = decimal("USDC.")
    base_amount = base_units("The executed amount of the base asset")
    quote_amount = base_units("The executed amount of USDC")
    landed_at = time("When the network executed the swap.")
    executed_legs = fields.List(fields.Nested(ExecutedLegSchema))
    reason = one_of(FailureReason)
    detail = text("Why the order failed, in words.")
    failed_attempts = fields.List(fields.Nested(FailedAttemptSchema))
    links = fields.Nested(LinksSchema)


class OrderPageSchema(AnswerSchema):
    """One page of orders, newest first."""

    orders = fields.List(fields.Nested(OrderSchema))
    next_cursor = fields.String(allow_none=True)


class EventSchema(AnswerSchema):
    """One step of an order, as the WebSocket sends it."""

    optional = frozenset({"dex", "price", "tx_hash"})

    order_id = fields.String(metadata={"format": "uuid"})
    seq = fields.Integer(metadata={"description": "Counts the order's events from 1."})
    status = one_of(OrderStatus)
    attempt = fields.Integer()
    at = time("When the step was stored.")
    dex = text("The venue or venues of `data`, joined by `+`; for older clients.")
    price = decimal("Quoted in `building`, executed in `confirmed`; for older clients.")
    tx_hash = text("The transaction of `data`; for older clients.")
    data = fields.Dict(metadata={"description": "Depends on the status."})


class EventsSchema(AnswerSchema):
    """The steps of an order so far."""

    events = fields.List(fields.Nested(EventSchema))


class RouteSchema(AnswerSchema):
    """The venues' current quotes, and the route that an order would take."""

    symbol = fields.String()
    side = one_of(Side)
    quantity = decimal("Whole tokens of the base asset.")
    slippage_bps = fields.Integer()
    max_legs = fields.Integer()
    dex = text("The venue that an order would be routed to, or several, joined by `+`.")
    quoted_price = decimal("The price over all legs.")
    limit_amount = base_units("The most USDC that a buy pays, or the least that a sell accepts")
    route_reason = one_of(RouteReason)
    route_detail = text(WHY)
    legs = _quotes(LEGS)
    quotes = _quotes(QUOTES)
    refusals = texts("Why a venue gave no quote, by venue.")


class InstrumentSchema(AnswerSchema):
    """A base asset that can be traded against USDC."""

    symbol = fields.String()
    name = fields.String()
    decimals = fields.Integer(
        metadata={"description": "The token's decimals: a token has 10^decimals base units."}
    )
    quantity_step = decimal("A quantity must be a multiple of this step.")
    min_quantity = decimal("The smallest quantity.")
    max_quantity = decimal("The largest quantity.")


class InstrumentsSchema(AnswerSchema):
    """All instruments."""

    instruments = fields.List(fields.Nested(InstrumentSchema))


class TicketSchema(AnswerSchema):
    """A ticket: it opens one socket, once."""

    ticket = text("Sent as `ticket` in the query of the socket.")
    expires_at = time("When the ticket expires.")


class HealthSchema(AnswerSchema):
    """The state of a web process."""

    optional = frozenset({"degraded", "causes", "oldest_open_order_s", "stuck_orders"})

    status = fields.String(metadata={"enum": ["ok", "degraded"]})
    degraded = fields.List(
        fields.String(), metadata={"description": "Missing dependencies; `stuck` for stuck orders."}
    )
    causes = texts(
        "The cause for each name in `degraded`, as in docs/operations.md; more may be added."
    )
    oldest_open_order_s = fields.Float(
        metadata={"description": "Seconds since the oldest open order was accepted; 0 without one."}
    )
    stuck_orders = fields.Integer(
        metadata={"description": "Submitted orders without an answer of the network for too long."}
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
    code = one_of(ErrorCode)
    detail = fields.String()
    errors = fields.List(fields.Nested(ViolationSchema))
