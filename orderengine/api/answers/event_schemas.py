"""The shapes of an order's events: one for each status, told apart by `status`.

In Python one `EventSchema` serves all events. The descriptions have a schema for each status, so
that a generated client knows the fields of `data`.
"""

from collections.abc import Mapping
from typing import Any

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from apispec.ext.marshmallow.common import make_schema_key
from marshmallow import fields

from orderengine.api.answers.schemas import (
    AnswerSchema,
    EventSchema,
    ExecutedLegSchema,
    QuoteSchema,
    base_units,
    decimal,
    one_of,
    text,
    texts,
    time,
)
from orderengine.domain.errors import FailureReason
from orderengine.domain.moves import RoutingCause
from orderengine.domain.order import OrderStatus
from orderengine.domain.routing import RouteReason
from orderengine.domain.side import Side

NAME = "Event"
"""The name of `EventSchema` in a description."""


class PendingDataSchema(AnswerSchema):
    """The requested order; later, why an attempt failed and when the next one begins."""

    optional = frozenset(
        {
            *("symbol", "side", "quantity", "slippage_bps", "max_legs", "worst_price"),
            *("client_order_id", "reason", "detail", "retry_in_ms"),
        }
    )

    symbol = text("Only in the first event.")
    side = one_of(Side)
    quantity = decimal("Whole tokens of the base asset; only in the first event.")
    slippage_bps = fields.Integer(metadata={"description": "Only in the first event."})
    max_legs = fields.Integer(metadata={"description": "Only in the first event."})
    worst_price = decimal("Only in the first event, if the request had it.")
    client_order_id = text("Only in the first event, if the request had it.")
    reason = one_of(FailureReason)
    detail = text("Why the attempt failed, in words.")
    retry_in_ms = fields.Integer(
        metadata={"description": "Milliseconds until the next attempt begins."}
    )


class RoutingDataSchema(AnswerSchema):
    """Why the venues are asked for quotes."""

    cause = one_of(RoutingCause)


class BuildingDataSchema(AnswerSchema):
    """The chosen route, and all quotes."""

    dex = text("The venue, or several, joined by `+`.")
    quoted_price = decimal("The price over all legs.")
    limit_amount = base_units("The most USDC that a buy pays, or the least that a sell accepts")
    route_reason = one_of(RouteReason)
    route_detail = text("Why this route was chosen, in words.")
    legs = fields.List(fields.Nested(QuoteSchema))
    quotes = fields.List(fields.Nested(QuoteSchema))
    refusals = texts("Why a venue gave no quote, by venue.")


class SubmittedDataSchema(AnswerSchema):
    """The transaction that was signed and stored."""

    tx_hash = text("The transaction's signature.")
    last_valid_height = fields.Integer(
        metadata={"description": "The last block height at which the transaction can land."}
    )


class ConfirmedDataSchema(AnswerSchema):
    """The execution, as the network reported it."""

    dex = text("The venue, or several, joined by `+`.")
    quoted_price = decimal("The price over all legs when it was routed.")
    tx_hash = text("The transaction's signature.")
    base_amount = base_units("The executed amount of the base asset")
    quote_amount = base_units("The executed amount of USDC")
    executed_price = decimal("USDC for one whole token, fees and impact included.")
    fee = decimal("USDC.")
    market_impact_bps = decimal("How far the swap itself moved the price, in bps.")
    slippage_pct = decimal("Against the quoted price; positive is worse.")
    landed_at = time("When the network executed the swap.")
    executed_legs = fields.List(fields.Nested(ExecutedLegSchema))


class FailedDataSchema(AnswerSchema):
    """Why the order failed."""

    reason = one_of(FailureReason)
    detail = text("Why the order failed, in words.")


DATA: Mapping[OrderStatus, type[AnswerSchema]] = {
    OrderStatus.PENDING: PendingDataSchema,
    OrderStatus.ROUTING: RoutingDataSchema,
    OrderStatus.BUILDING: BuildingDataSchema,
    OrderStatus.SUBMITTED: SubmittedDataSchema,
    OrderStatus.CONFIRMED: ConfirmedDataSchema,
    OrderStatus.FAILED: FailedDataSchema,
}


def describe_events(spec: APISpec, plugin: MarshmallowPlugin) -> None:
    """Add the schemas of events to a description, and let `EventSchema` stand for all of them."""
    mapping = {}
    for status, data in DATA.items():
        name = f"{status.value.title()}{NAME}"
        told = {"description": f"An event with the status `{status.value}`."}
        spec.components.schema(name, told, schema=_event_of(status, data))
        mapping[status.value] = f"#/components/schemas/{name}"
    event = {
        "description": "One step of an order, as its stream sends it; `data` depends on `status`.",
        "oneOf": [{"$ref": reference} for reference in mapping.values()],
        "discriminator": {"propertyName": "status", "mapping": mapping},
    }
    spec.components.schema(NAME, event)
    assert plugin.converter is not None  # noqa: S101 - the spec has set it
    plugin.converter.refs[make_schema_key(EventSchema())] = NAME


def event_components() -> dict[str, dict[str, Any]]:
    """The same schemas by themselves, by name."""
    plugin = MarshmallowPlugin()
    spec = APISpec("events", "1", "3.1.0", plugins=[plugin])
    describe_events(spec, plugin)
    return spec.components.schemas


def _event_of(status: OrderStatus, data: type[AnswerSchema]) -> type[EventSchema]:
    """The schema of events with one status."""
    members = {
        "status": fields.String(metadata={"enum": [status.value]}),
        "data": fields.Nested(data),
    }
    return type(f"{status.value.title()}EventSchema", (EventSchema,), members)
