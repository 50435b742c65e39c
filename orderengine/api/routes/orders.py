"""Orders: accept one, and read orders and their events."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import UUID

from flask import Response, jsonify, request
from werkzeug.routing import BaseConverter

from orderengine.api.answers.documents import (
    accepted_document,
    links_document,
    order_path,
    page_document,
)
from orderengine.api.answers.problems import ErrorCode, Refused, events_pruned
from orderengine.api.answers.schemas import EventsSchema, OrderPageSchema, OrderSchema
from orderengine.api.context import current_ports
from orderengine.api.description import answer_examples
from orderengine.api.description.openapi import BEHIND_THE_GATE, ApiBlueprint
from orderengine.api.gate.access import current_caller
from orderengine.api.gate.turns import giving_way, in_turn, lists_give_way
from orderengine.api.routes.admission import refusal_for
from orderengine.api.routes.repeated_orders import find_repeated, new_order
from orderengine.api.updates.waiting import APPLIED, HEADER, MAX_WAIT_S, current_waits, read_wait
from orderengine.api.validation.cursors import place_of
from orderengine.api.validation.fields import parse_order_id
from orderengine.api.validation.inputs import (
    KEY_HEADER,
    KEY_REPLAYED,
    KEY_SCHEMA,
    load,
    read_key,
    read_query,
)
from orderengine.api.validation.schemas import (
    EventListSchema,
    OrderListSchema,
    OrderRequestSchema,
    order_schema,
)
from orderengine.api.validation.strict_json import read_object
from orderengine.domain.access import LOCAL_CLIENT
from orderengine.domain.documents import event_document, order_document
from orderengine.domain.fields import Document
from orderengine.domain.order import NewOrder
from orderengine.domain.side import Side
from orderengine.execution.intake.accept import Accepted, accept_order, accept_order_once
from orderengine.execution.intake.notional import require_notional, require_open
from orderengine.execution.operations.counters import CounterName
from orderengine.execution.queries.find import find_events, find_order, list_orders
from orderengine.execution.queries.lists import OrderFilter

if TYPE_CHECKING:
    from orderengine.bootstrap.web import WebPorts

blueprint = ApiBlueprint(
    "orders", __name__, url_prefix="/api/orders", description="Market orders and their events."
)


class OrderConverter(BaseConverter):
    """The order's id in a path: any but `execute` and `batch`, whose GET is 405, not 404."""

    regex = r"(?!(?:execute|batch)\Z)[^/]+"
    part_isolating = True


ORDER_EXAMPLE = {"symbol": "AAPL", "side": "buy", "quantity": 10, "slippageBps": 100}
_EXAMPLE_ID = UUID("b09f26f7-04bd-4c6a-9634-de855a0a4962")
ACCEPTED_EXAMPLE = accepted_document(
    Accepted(_EXAMPLE_ID, datetime(2026, 11, 24, 23, 39, 37, 413310, UTC), replayed=False),
    NewOrder(
        order_id=_EXAMPLE_ID,
        client_id=LOCAL_CLIENT,
        symbol="AAPL",
        side=Side.BUY,
        quantity=Decimal(10),
        slippage_tolerance_bps=100,
    ),
)

REPLAYED = {
    KEY_REPLAYED: {
        "schema": {"type": "string", "enum": ["true"]},
        "description": "The answer to the first request with this Idempotency-Key.",
    }
}
_ANSWERED = {
    "Location": {"schema": {"type": "string"}, "description": "The order."},
    **REPLAYED,
}
_ENDED = {
    **_ANSWERED,
    APPLIED: {"schema": {"type": "string"}, "description": "The granted wait."},
}
KEY_PARAMETER = {
    "name": KEY_HEADER,
    "description": "Chosen by the client, such as a UUID; a repeated key orders only once.",
    "schema": KEY_SCHEMA,
}
_HEADERS = (
    KEY_PARAMETER,
    {
        "name": HEADER,
        "description": f"`wait=5`: answer when the order ends, after {MAX_WAIT_S} s at most.",
        "schema": {"type": "string", "examples": ["wait=5"]},
    },
)


REFUSALS = (
    *BEHIND_THE_GATE,
    ErrorCode.INVALID_JSON,
    ErrorCode.VALIDATION_FAILED,
    ErrorCode.IDEMPOTENCY_CONFLICT,
    ErrorCode.CLIENT_ORDER_ID_TAKEN,
    ErrorCode.NOT_OPEN,
    ErrorCode.TOO_MANY_OPEN_ORDERS,
    ErrorCode.ORDERS_DISABLED,
    ErrorCode.QUEUE_FULL,
    ErrorCode.BODY_TOO_LARGE,
    ErrorCode.UNSUPPORTED_MEDIA_TYPE,
    ErrorCode.IDEMPOTENCY_KEY_REUSED,
    ErrorCode.NOTIONAL_LIMIT,
)
"""The errors that can answer a new order."""


@blueprint.post("/execute")
@blueprint.doc(operationId="executeOrder")
@blueprint.takes_body(OrderRequestSchema, ORDER_EXAMPLE)
@blueprint.takes_headers(*_HEADERS)
@blueprint.response(202, OrderSchema, headers=_ANSWERED, example=ACCEPTED_EXAMPLE)
@blueprint.alt_response(
    200,
    schema=OrderSchema,
    headers=_ENDED,
    description="The order has ended (`Prefer: wait`).",
    example={**answer_examples.ORDER, **links_document(UUID(answer_examples.ORDER["orderId"]))},
)
@blueprint.problems(*REFUSALS)
def execute_order() -> tuple[Response, int, dict[str, str]]:
    """Execute a market order.

    The answer is a 202 once the order is stored. With `Prefer: wait=5` it is a 200 with the ended
    order if the order ends within 5 seconds (at most 10), else the same 202.

    After an error in the 500s, other than ORDERS_DISABLED and QUEUE_FULL, the order may have been
    stored: repeat the request with the same Idempotency-Key, which never orders twice.
    """
    key, wait_s = read_key(request), read_wait(request)
    with lists_give_way():
        order, accepted = _place(current_ports(), key)
    headers = {"Location": order_path(accepted.order_id)}
    if accepted.replayed:
        headers[KEY_REPLAYED] = "true"
    ended = wait_s is not None and current_waits().wait_for_end(accepted.order_id, wait_s)
    # Not dumped by the schema, which takes longer: docs/decisions/0069-cheaper-posts.md
    if not ended:
        return jsonify(accepted_document(accepted, order)), 202, headers
    headers[APPLIED] = f"wait={wait_s}"
    return jsonify({**order_document(ended), **links_document(ended.order_id)}), 200, headers


def _place(ports: "WebPorts", key: str | None) -> tuple[NewOrder, Accepted]:
    body = read_object(request)
    try:
        order = new_order(load(order_schema(ports.instruments), body))
    except Refused:
        found = find_repeated(ports, body, key)
        if found is None:
            raise
        return found
    instrument = ports.instruments.get(order.symbol)
    require_open(ports.orders, ports.notional.prices, instrument, order, key)
    require_notional(ports.orders, ports.notional, instrument, order, key)
    _require_room(ports, key)
    return order, _accept(ports, order, key)


@blueprint.get("")
@blueprint.doc(operationId="listOrders")
@in_turn
@blueprint.takes_query(OrderListSchema)
@blueprint.response(200, OrderPageSchema, example=answer_examples.ORDERS)
@blueprint.problems(*BEHIND_THE_GATE, ErrorCode.VALIDATION_FAILED, ErrorCode.LISTS_BUSY)
def get_orders() -> Response:
    """List orders, newest first.

    If there may be another page, `nextCursor` is its `cursor`.

    Do not poll the first page to follow orders: an order that is stored late may appear behind
    others. The socket of all orders, `/ws/orders` without an `orderId`, sends every order.
    """
    lists, client_id = current_ports().lists, current_caller().client_id
    wanted = read_query(OrderListSchema(), request)
    traded = current_ports().instruments.match(wanted.get("symbol") or "")
    if traded:
        wanted["symbol"] = traded.symbol
    cursor = wanted.pop("cursor", None)
    before = None if cursor is None else place_of(lists, client_id, cursor)
    orders, end = list_orders(lists, OrderFilter(client_id, before=before, **wanted))
    # Not dumped by its schema: copying the page takes longer than all the rest.
    return jsonify(page_document(giving_way(orders), client_id, end))


@blueprint.get("/<order:order_id>")
@blueprint.doc(operationId="getOrder")
@blueprint.response(200, OrderSchema, example=answer_examples.ORDER)
@blueprint.problems(*BEHIND_THE_GATE, ErrorCode.ORDER_NOT_FOUND)
def get_order(order_id: str) -> Document:
    """Show an order.

    Fields that are not known yet are absent: `dex` until `building`, `txHash` until `submitted`.
    """
    ports = current_ports()
    client_id = current_caller().client_id
    order = find_order(ports.orders, ports.cache, client_id, known_order_id(order_id))
    if order is None:
        raise order_not_found()
    return order_document(order)


@blueprint.get("/<order_id>/events")
@blueprint.doc(operationId="listEvents")
@blueprint.takes_query(EventListSchema)
@blueprint.response(200, EventsSchema, example=answer_examples.EVENTS)
@blueprint.problems(
    *BEHIND_THE_GATE,
    ErrorCode.VALIDATION_FAILED,
    ErrorCode.ORDER_NOT_FOUND,
    ErrorCode.EVENTS_PRUNED,
)
def get_events(order_id: str) -> Document:
    """List the steps of an order, as its WebSocket sends them.

    The operator may prune the steps some time after the order's end. The answer is then 410, and
    the order itself still has its result.
    """
    ports = current_ports()
    known = known_order_id(order_id)
    wanted = read_query(EventListSchema(), request)
    client_id = current_caller().client_id
    events = find_events(ports.orders, ports.cache, client_id, known, **wanted)
    if events is None:
        raise order_not_found()
    if not events and not wanted["after"]:
        raise events_pruned()
    return {"events": [event_document(event) for event in events]}


def known_order_id(text: str) -> UUID:
    """Parse the id of an order; raises Refused (404) if it is malformed."""
    order_id = parse_order_id(text)
    if order_id is None:
        raise order_not_found()
    return order_id


@blueprint.after_request
def _count_refusals(answer: Response) -> Response:
    # Counts every refusal, including those by the gate and the limits.
    if (
        request.endpoint == f"{blueprint.name}.{execute_order.__name__}"
        and answer.status_code >= 400
    ):
        current_ports().metrics.count(CounterName.REFUSALS, answer.get_json()["code"])
    return answer


def _accept(ports: "WebPorts", order: NewOrder, key: str | None) -> Accepted:
    intake_ports = (ports.orders, ports.publisher, ports.dispatcher)
    accepted = (
        Accepted.new(accept_order(*intake_ports, order))
        if key is None
        else accept_order_once(*intake_ports, order, key)
    )
    if not accepted.replayed:
        ports.metrics.count(CounterName.ACCEPTED)
        ports.open_orders.accepted(order.client_id)
        ports.queue_limit.accepted()
    return accepted


def order_not_found() -> Refused:
    """The refusal for an order that does not exist or belongs to another client."""
    return Refused(404, ErrorCode.ORDER_NOT_FOUND, "there is no order with this id")


def _require_room(ports: "WebPorts", key: str | None) -> None:
    """Enforce limits on new orders. A replay of an accepted key is not a new order."""
    client_id = current_caller().client_id
    refusal = refusal_for(ports, client_id)
    if refusal and not (key and ports.orders.accepted_before(client_id, key)):
        raise refusal
