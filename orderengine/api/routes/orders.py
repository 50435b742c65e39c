"""Orders: accept one, and read orders and their events."""

from functools import partial
from typing import TYPE_CHECKING, cast
from uuid import UUID

from flask import Response, current_app, jsonify, request
from flask.json.provider import JSONProvider
from werkzeug.routing import BaseConverter

from orderengine.api.answers.documents import (
    accepted_document,
    links_document,
    order_path,
    page_document,
    placed_document,
)
from orderengine.api.answers.problems import ErrorCode, Refused, events_pruned
from orderengine.api.answers.schemas import EventsSchema, OrderPageSchema, OrderSchema
from orderengine.api.context import current_ports
from orderengine.api.description import answer_examples, new_orders
from orderengine.api.description.changed_orders import TAGGED
from orderengine.api.description.openapi import BEHIND_THE_GATE, ApiBlueprint
from orderengine.api.gate.access import current_caller
from orderengine.api.gate.turns import giving_way, in_turn, lists_give_way
from orderengine.api.routes.admission import count_accepted, looked_at, refusal_for
from orderengine.api.routes.repeated_orders import find_repeated, new_order
from orderengine.api.updates.held import hold
from orderengine.api.updates.prefer_wait import APPLIED, read_wait
from orderengine.api.validation.changes import entity_tag
from orderengine.api.validation.cursors import place_of
from orderengine.api.validation.fields import parse_order_id
from orderengine.api.validation.inputs import (
    KEY_REPLAYED,
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
from orderengine.domain.documents import event_document, order_document
from orderengine.domain.fields import Document
from orderengine.domain.order import NewOrder, Order
from orderengine.execution.intake.accept import Accepted, accept_order, accept_order_once
from orderengine.execution.operations.counters import CounterName
from orderengine.execution.queries.find import find_events, find_order, list_orders
from orderengine.execution.queries.lists import OrderFilter

if TYPE_CHECKING:
    from orderengine.bootstrap.web import WebPorts

blueprint = ApiBlueprint(
    "orders", __name__, url_prefix="/api/orders", description="Orders and their events."
)


class OrderConverter(BaseConverter):
    """The order's id in a path: any but the names of other paths, whose methods are their own."""

    regex = r"(?!(?:execute|batch|by-client-id)\Z)[^/]+"
    part_isolating = True


@blueprint.post("/execute")
@blueprint.doc(operationId="executeOrder")
@blueprint.takes_body(OrderRequestSchema, **new_orders.ORDER_EXAMPLES)
@blueprint.takes_headers(*new_orders.HEADERS)
@blueprint.response(
    202, OrderSchema, headers=new_orders.ANSWERED, example=new_orders.ACCEPTED_EXAMPLE
)
@blueprint.alt_response(
    200,
    schema=OrderSchema,
    headers=new_orders.ENDED,
    description="The order has ended (`Prefer: wait`).",
    example={**answer_examples.ORDER, **links_document(UUID(answer_examples.ORDER["orderId"]))},
)
@blueprint.problems(*new_orders.REFUSALS)
def execute_order() -> tuple[Response, int, dict[str, str]]:
    """Execute an order.

    The answer is a 202 once the order is stored. A market order is then `pending`, and a limit
    order that is `IOC`; the others are `waiting` until their price or their pool comes.

    With `Prefer: wait=5` the answer is a 200 with the ended order if the order ends within 5
    seconds (at most 10), else the same 202. If the order is `waiting`, the 202 comes at once.

    After an error in the 500s, other than ORDERS_DISABLED and QUEUE_FULL, the order may have been
    stored: repeat the request with the same Idempotency-Key, which never orders twice. The answer
    is then the order as it is now.
    """
    key, wait_s = read_key(request), read_wait(request)
    with lists_give_way():
        order, accepted = _place(current_ports(), key)
        now = current_ports().orders.get(accepted.order_id) if accepted.replayed else None
    headers = {"Location": order_path(accepted.order_id)}
    if accepted.replayed:
        headers[KEY_REPLAYED] = "true"
    # Not dumped by the schema, which takes longer: docs/decisions/0069-cheaper-posts.md
    if now is not None and wait_s and now.status.is_terminal:
        return jsonify(placed_document(now)), 200, {**headers, APPLIED: f"wait={wait_s}"}
    answer = jsonify(accepted_document(accepted, order) if now is None else placed_document(now))
    waits = order.waits if now is None else now.status.is_idle
    if wait_s and not waits:  # an order that waits for its price may do so for weeks
        complete = partial(_tell_the_end, current_app.json, f"wait={wait_s}")
        after = 0 if now is None else now.version
        answer = hold(answer, complete, accepted.order_id, wait_s, after)
    return answer, 202, headers


def _tell_the_end(json: JSONProvider, applied: str, answer: Response, ended: Order) -> None:
    answer.status_code = 200
    answer.set_data(cast("Response", json.response(placed_document(ended))).get_data())
    answer.headers[APPLIED] = applied


def _place(ports: "WebPorts", key: str | None) -> tuple[NewOrder, Accepted]:
    body = read_object(request)
    try:
        order = new_order(load(order_schema(ports.instruments), body))
    except Refused:
        found = find_repeated(ports, body, key)
        if found is None:
            raise
        return found
    order = looked_at(ports, order, key)
    _require_room(ports, order, key)
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
@blueprint.response(200, OrderSchema, headers=TAGGED, example=answer_examples.ORDER)
@blueprint.problems(*BEHIND_THE_GATE, ErrorCode.ORDER_NOT_FOUND)
def get_order(order_id: str) -> tuple[Document, int, dict[str, str]]:
    """Show an order.

    Fields that are not known yet are absent: `dex` until `building`, `txHash` until `submitted`.
    """
    ports = current_ports()
    client_id = current_caller().client_id
    order = find_order(ports.orders, ports.cache, client_id, known_order_id(order_id))
    if order is None:
        raise order_not_found()
    return order_document(order), 200, {"ETag": entity_tag(order)}


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
    accepted = (
        Accepted.new(accept_order(ports.orders, ports.starter, order))
        if key is None
        else accept_order_once(ports.orders, ports.starter, order, key)
    )
    if not accepted.replayed:
        count_accepted(ports, order.client_id, [order])
    return accepted


def order_not_found(name: str = "id") -> Refused:
    """The refusal for an order that does not exist or belongs to another client.

    `name` tells what it was looked up by.
    """
    return Refused(404, ErrorCode.ORDER_NOT_FOUND, f"there is no order with this {name}")


def _require_room(ports: "WebPorts", order: NewOrder, key: str | None) -> None:
    """Enforce limits on new orders. A replay of an accepted key is not a new order."""
    refusal = refusal_for(ports, order)
    if refusal and not (key and ports.orders.accepted_before(order.client_id, key)):
        raise refusal
