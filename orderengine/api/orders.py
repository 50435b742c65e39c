"""Orders: take one in, and read what became of them."""

from uuid import UUID, uuid4

from flask import request
from werkzeug.routing import BaseConverter

from orderengine.api.answers import AcceptedSchema, EventsSchema, OrderPageSchema, OrderSchema
from orderengine.api.context import CLIENT_ID, current_ports
from orderengine.api.documents import (
    accepted_document,
    order_document,
    order_path,
    page_document,
)
from orderengine.api.errors import ErrorCode, Refused, events_pruned
from orderengine.api.fields import parse_order_id
from orderengine.api.inputs import (
    KEY_HEADER,
    KEY_REPLAYED,
    KEY_SCHEMA,
    read_body,
    read_key,
    read_query,
)
from orderengine.api.openapi import ApiBlueprint
from orderengine.api.schemas import EventListSchema, OrderListSchema, OrderRequestSchema
from orderengine.domain.documents import Document, event_document
from orderengine.domain.order import NewOrder
from orderengine.execution.intake import Accepted, accept_order, accept_order_once
from orderengine.execution.ports import OrderFilter
from orderengine.execution.queries import find_events, find_order, list_orders

blueprint = ApiBlueprint(
    "orders", __name__, url_prefix="/api/orders", description="Market orders and their events."
)


class OrderConverter(BaseConverter):
    """The last part of a path to an order: anything but `execute`, which takes another method."""

    regex = r"(?!execute\Z)[^/]+"
    part_isolating = True


_ANSWERED = {
    "Location": {"schema": {"type": "string"}, "description": "The order."},
    KEY_REPLAYED: {
        "schema": {"type": "string", "enum": ["true"]},
        "description": "The answer to the first request with this Idempotency-Key.",
    },
}


@blueprint.post("/execute")
@blueprint.takes_body(OrderRequestSchema)
@blueprint.takes_header(KEY_HEADER, KEY_SCHEMA)
@blueprint.response(202, AcceptedSchema, headers=_ANSWERED)
@blueprint.problems(400, 409, 413, 415, 422, 503)
def execute_order() -> tuple[Document, dict[str, str]]:
    """Execute a market order.

    The order is stored when this answers. An error in the 500s says nothing about it: it may have
    been stored. Asking again with the same Idempotency-Key tells, and never orders twice.
    """
    ports = current_ports()
    key = read_key(request)
    wanted = read_body(OrderRequestSchema(ports.instruments), request)
    order = NewOrder(order_id=uuid4(), client_id=CLIENT_ID, **wanted)
    takers = (ports.orders, ports.publisher, ports.dispatcher)
    accepted = (
        Accepted.first(accept_order(*takers, order))
        if key is None
        else accept_order_once(*takers, order, key)
    )
    headers = {"Location": order_path(accepted.order_id)}
    if accepted.replayed:
        headers[KEY_REPLAYED] = "true"
    return accepted_document(accepted), headers


@blueprint.get("")
@blueprint.takes_query(OrderListSchema)
@blueprint.response(200, OrderPageSchema)
@blueprint.problems(400, 503)
def get_orders() -> Document:
    """List orders, newest first."""
    ports = current_ports()
    wanted = read_query(OrderListSchema(), request)
    orders, last = list_orders(ports.orders, OrderFilter(client_id=CLIENT_ID, **wanted))
    return page_document(orders, last)


@blueprint.get("/<order:order_id>")
@blueprint.response(200, OrderSchema)
@blueprint.problems(404, 503)
def get_order(order_id: str) -> Document:
    """Show an order; what is not known yet is absent."""
    ports = current_ports()
    order = find_order(ports.orders, ports.cache, _known_form(order_id))
    if order is None:
        raise _not_found()
    return order_document(order)


@blueprint.get("/<order_id>/events")
@blueprint.takes_query(EventListSchema)
@blueprint.response(200, EventsSchema)
@blueprint.problems(400, 404, 410, 503)
def get_events(order_id: str) -> Document:
    """List the steps of an order, as its WebSocket sends them."""
    known = _known_form(order_id)
    wanted = read_query(EventListSchema(), request)
    events = find_events(current_ports().orders, known, **wanted)
    if events is None:
        raise _not_found()
    if not events and not wanted["after"]:
        raise events_pruned()
    return {"events": [event_document(event) for event in events]}


def _known_form(text: str) -> UUID:
    order_id = parse_order_id(text)
    if order_id is None:
        raise _not_found()
    return order_id


def _not_found() -> Refused:
    return Refused(404, ErrorCode.ORDER_NOT_FOUND, "there is no order with this id")
