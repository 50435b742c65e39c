"""Cancels orders: one by its id or by its client's name for it, or many."""

from uuid import UUID

from flask import request

from orderengine.api.answers.problems import ErrorCode, Refused
from orderengine.api.answers.schemas import CanceledSchema, OrderSchema
from orderengine.api.context import current_ports
from orderengine.api.description import changed_orders
from orderengine.api.description.openapi import BEHIND_THE_GATE, ApiBlueprint
from orderengine.api.gate.access import current_caller
from orderengine.api.routes.orders import known_order_id, order_not_found
from orderengine.api.validation.changes import CancelSchema, entity_tag, read_cancel
from orderengine.api.validation.inputs import read_query
from orderengine.api.validation.schemas import NamedOrderSchema
from orderengine.domain.documents import order_document
from orderengine.domain.fields import Document
from orderengine.execution.operations.counters import CounterName
from orderengine.execution.waiting.cancel import CancelResult, Outcome, cancel_all, cancel_order

blueprint = ApiBlueprint(
    "cancels", __name__, url_prefix="/api/orders", description="Canceling orders."
)

Answer = tuple[Document, int, dict[str, str]]
_REQUESTED = "The order is submitted: the network decides whether it is filled or canceled."


@blueprint.delete("/<order:order_id>")
@blueprint.doc(operationId="cancelOrder")
@blueprint.response(
    200, OrderSchema, headers=changed_orders.TAGGED, example=changed_orders.CANCELED_EXAMPLE
)
@blueprint.alt_response(
    202,
    schema=OrderSchema,
    headers=changed_orders.TAGGED,
    description=_REQUESTED,
    example=changed_orders.REQUESTED_EXAMPLE,
)
@blueprint.problems(*BEHIND_THE_GATE, ErrorCode.ORDER_NOT_FOUND, ErrorCode.TOO_LATE)
def delete_order(order_id: str) -> Answer:
    """Cancel an order.

    The answer tells the order's present state: a 200 if it is canceled; a 202 if it is submitted,
    and ends `canceled`, or `confirmed` with `cancelTooLate`; a 409 with the whole `order` if it has
    ended otherwise. It is safe to repeat the request, without an Idempotency-Key.
    """
    return canceled(known_order_id(order_id))


@blueprint.delete("/by-client-id")
@blueprint.doc(operationId="cancelOrderByClientOrderId")
@blueprint.takes_query(NamedOrderSchema)
@blueprint.response(
    200, OrderSchema, headers=changed_orders.TAGGED, example=changed_orders.CANCELED_EXAMPLE
)
@blueprint.alt_response(
    202,
    schema=OrderSchema,
    headers=changed_orders.TAGGED,
    description=_REQUESTED,
    example=changed_orders.REQUESTED_EXAMPLE,
)
@blueprint.problems(
    *BEHIND_THE_GATE,
    ErrorCode.VALIDATION_FAILED,
    ErrorCode.ORDER_NOT_FOUND,
    ErrorCode.TOO_LATE,
)
def delete_named_order() -> Answer:
    """Cancel an order by the client's own name for it.

    The answers are those of `DELETE /api/orders/{order_id}`.
    """
    return canceled_by_name(read_query(NamedOrderSchema(), request)["client_order_id"])


@blueprint.delete("")
@blueprint.doc(operationId="cancelOrders")
@blueprint.takes_query(CancelSchema)
@blueprint.response(200, CanceledSchema, example=changed_orders.COUNTS_EXAMPLE)
@blueprint.problems(*BEHIND_THE_GATE, ErrorCode.VALIDATION_FAILED)
def delete_orders() -> Document:
    """Cancel all open orders, or those of an instrument.

    Give either `symbol` or `all=true`. The counts tell how many orders were canceled, how many are
    submitted, so that the network decides, how many ended before their turn came, and how many
    the database refused to change. After an error in the 500s some orders may be canceled: repeat
    the request.
    """
    ports = current_ports()
    symbol = read_cancel(request)
    traded = ports.instruments.match(symbol or "")
    counts = cancel_all(
        ports.orders,
        ports.publisher,
        current_caller().client_id,
        symbol if traded is None else traded.symbol,
    )
    for outcome, number in (
        (Outcome.CANCELED, counts.canceled),
        (Outcome.REQUESTED, counts.requested),
        (Outcome.TOO_LATE, counts.too_late),
        (Outcome.REFUSED, counts.refused),
    ):
        ports.metrics.count(CounterName.CANCELS, outcome.value, number)
    return {
        "canceled": counts.canceled,
        "requested": counts.requested,
        "tooLate": counts.too_late,
        "refused": counts.refused,
    }


def canceled(order_id: UUID) -> Answer:
    """Cancel an order; the answer by its present state. Raises Refused."""
    ports = current_ports()
    result = cancel_order(ports.orders, ports.publisher, current_caller().client_id, order_id)
    if result is None:
        raise order_not_found()
    ports.metrics.count(CounterName.CANCELS, result.outcome.value)
    return _answer(result)


def canceled_by_name(client_order_id: str) -> Answer:
    """Cancel the order with this clientOrderId, as `canceled` does."""
    order = current_ports().orders.named(current_caller().client_id, client_order_id)
    if order is None:
        raise order_not_found("clientOrderId")
    return canceled(order.order_id)


_STATUSES = {Outcome.CANCELED: 200, Outcome.REQUESTED: 202}


def _answer(result: CancelResult) -> Answer:
    order = result.order
    document = order_document(order)
    if result.outcome is Outcome.TOO_LATE:
        detail = f"the order is {order.status}, so it can not be canceled any more"
        raise Refused(409, ErrorCode.TOO_LATE, detail, order=document)
    return document, _STATUSES[result.outcome], {"ETag": entity_tag(order)}
