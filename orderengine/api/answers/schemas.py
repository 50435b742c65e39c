"""The schemas of answers: `documents.py` builds the answers, the API description shows them.

A value of the domain declares its own fields; the schemas of the others stand here.
"""

from marshmallow import fields

from orderengine.api.answers.documents import Quoted
from orderengine.api.answers.fields import AnswerSchema, answer, integer, one_of, text, texts, time
from orderengine.api.answers.problems import ErrorCode
from orderengine.domain.events import OrderEvent
from orderengine.domain.fill import FillLeg
from orderengine.domain.instruments import Instrument
from orderengine.domain.order import FailedAttempt, Order
from orderengine.domain.routing import Quote
from orderengine.domain.terms import PoolTrigger

QuoteSchema = answer("Quote", Quote)
ExecutedLegSchema = answer("ExecutedLeg", FillLeg)
TriggerSchema = answer("Trigger", PoolTrigger)
FailedAttemptSchema = answer("FailedAttempt", FailedAttempt)


class LinksSchema(AnswerSchema):
    """Links to an order and its updates; only in the answer to the request that placed it."""

    order = fields.String()
    events = fields.String()
    updates = text("The WebSocket.")


OrderSchema = answer(
    "Order", Order, links=fields.Nested(LinksSchema), optional=frozenset({"links"})
)
"""An order; fields that are not known yet are absent."""


class CanceledSchema(AnswerSchema):
    """The result of a cancel of many orders, in counts."""

    canceled = integer("Orders that are canceled now.")
    requested = integer("Submitted orders: the network decides whether they are filled.")
    too_late = integer("Orders that ended before their turn came.")
    refused = integer("Orders that stay open: the database refuses to change their damaged rows.")


class OrderPageSchema(AnswerSchema):
    """One page of orders, newest first."""

    orders = fields.List(fields.Nested(OrderSchema))
    next_cursor = fields.String(allow_none=True)


EventSchema = answer("Event", OrderEvent)
"""One step of an order, as the WebSocket sends it."""


class EventsSchema(AnswerSchema):
    """The steps of an order so far."""

    events = fields.List(fields.Nested(EventSchema))


RouteSchema = answer("Route", Quoted)
"""The venues' current quotes, and the route that an order would take."""

InstrumentSchema = answer("Instrument", Instrument)
"""A base asset that can be traded against USDC."""


class InstrumentsSchema(AnswerSchema):
    """All instruments."""

    instruments = fields.List(fields.Nested(InstrumentSchema))


class TicketSchema(AnswerSchema):
    """A ticket: it opens one socket, once."""

    ticket = text("Sent as `ticket` in the query of the socket.")
    expires_at = time("When the ticket expires.")


class HealthSchema(AnswerSchema):
    """The state of a web process."""

    optional = frozenset(
        {"degraded", "causes", "network", "oldest_open_order_s", "stuck_orders", "foreign_orders"}
    )

    status = fields.String(metadata={"enum": ["ok", "degraded"]})
    network = fields.String(
        metadata={
            "enum": ["simulated", "solana", "dry_run"],
            "description": "The network that orders trade on. In a dry run nothing is signed.",
        }
    )
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
    foreign_orders = fields.Integer(
        metadata={"description": "Open orders of another network or wallet; absent without one."}
    )


class ViolationSchema(AnswerSchema):
    """One broken rule of a request."""

    field = fields.String()
    rule = fields.String()
    message = fields.String()


class ProblemSchema(AnswerSchema):
    """An error, after RFC 9457."""

    optional = frozenset({"errors", "order"})

    type = fields.String(metadata={"format": "uri"})
    title = fields.String()
    status = fields.Integer()
    code = one_of(ErrorCode)
    detail = fields.String()
    errors = fields.List(fields.Nested(ViolationSchema))
    order = fields.Nested(
        OrderSchema,
        metadata={"description": "The order as it is now, if the request came too late for it."},
    )
