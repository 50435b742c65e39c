"""Amends orders that wait."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from flask import request

from orderengine.api.answers.problems import ErrorCode, Refused
from orderengine.api.answers.schemas import OrderSchema
from orderengine.api.context import current_ports
from orderengine.api.description import changed_orders
from orderengine.api.description.openapi import BEHIND_THE_GATE, ApiBlueprint
from orderengine.api.gate.access import current_caller
from orderengine.api.routes.orders import known_order_id, order_not_found
from orderengine.api.validation.changes import (
    AmendmentSchema,
    broken_terms,
    entity_tag,
    matches,
    read_amendment,
)
from orderengine.api.validation.inputs import validation_error
from orderengine.domain.documents import order_document
from orderengine.domain.errors import Violation
from orderengine.domain.fields import Document
from orderengine.domain.instruments import Instrument
from orderengine.domain.order import Order, OrderStatus
from orderengine.domain.terms import TimeInForce
from orderengine.execution.intake.lifetime import require_lifetime
from orderengine.execution.intake.notional import require_notional
from orderengine.execution.intake.stops import require_distance
from orderengine.execution.waiting.amend import AmendOutcome, AmendResult, amend_order

if TYPE_CHECKING:
    from orderengine.bootstrap.web import WebPorts

blueprint = ApiBlueprint(
    "amendments", __name__, url_prefix="/api/orders", description="Amending orders."
)


@blueprint.patch("/<order:order_id>")
@blueprint.doc(operationId="amendOrder")
@blueprint.takes_body(AmendmentSchema, changed_orders.AMENDMENT_EXAMPLE)
@blueprint.takes_headers(changed_orders.MATCH_PARAMETER)
@blueprint.response(
    200, OrderSchema, headers=changed_orders.TAGGED, example=changed_orders.AMENDED_EXAMPLE
)
@blueprint.problems(
    *BEHIND_THE_GATE,
    ErrorCode.INVALID_JSON,
    ErrorCode.VALIDATION_FAILED,
    ErrorCode.ORDER_NOT_FOUND,
    ErrorCode.WOULD_TRIGGER,
    ErrorCode.NOT_WAITING,
    ErrorCode.PRECONDITION_FAILED,
    ErrorCode.BODY_TOO_LARGE,
    ErrorCode.UNSUPPORTED_MEDIA_TYPE,
    ErrorCode.NOTIONAL_LIMIT,
    ErrorCode.PRECONDITION_REQUIRED,
)
def patch_order(order_id: str) -> tuple[Document, int, dict[str, str]]:
    """Amend an order that waits.

    The body has the fields that change, as its type has them: `limitPrice`, `stopPrice`,
    `worstPrice`, `quantity` or `quoteQuantity`, `expiresAt`. They are checked as those of a new
    order. `If-Match` has the `version` of the order that you have seen, in quotes. If the order has
    moved since, the answer is a 412, and if it does not wait any more a 409, each with the whole
    `order`.

    If an answer was lost, repeat the request: a 412 then has the order with the new terms.
    """
    ports = current_ports()
    known = known_order_id(order_id)
    values = read_amendment(request)
    client_id = current_caller().client_id
    order = ports.orders.get(known)
    if order is None or order.client_id != client_id:
        raise order_not_found()
    # A tag of another version is one that no order has.
    version = order.version if matches(request, order) else 0
    result = amend_order(
        ports.orders,
        ports.publisher,
        client_id,
        known,
        version,
        lambda found: _amended(ports, found, values),
    )
    if result is None:
        raise order_not_found()
    return _answer(result)


def _amended(ports: "WebPorts", order: Order, values: dict[str, Any]) -> Order:
    """The order with new terms; raises Refused and OrderDenied if a new order could not have them.

    An unchanged lifetime is not checked: it may end within the second.
    """
    is_new = "expires_at" in values
    lasts = TimeInForce.GTD if is_new else order.time_in_force
    changed = replace(order, **values, time_in_force=lasts)
    instrument = ports.instruments.find(order.symbol)
    found = (
        Violation("symbol", "known", f"{order.symbol} is not traded any more")
        if instrument is None
        else broken_terms(changed) or _amount_violation(instrument, changed)
    )
    if found is not None or instrument is None:
        raise validation_error([found] if found else [])
    if is_new:
        require_lifetime(ports.orders, ports.clock, changed, None)
    if "stop_price" in values:
        require_distance(ports.orders, ports.notional.prices, instrument, changed, None)
    require_notional(ports.orders, ports.notional, instrument, changed, None)
    return changed


def _amount_violation(instrument: Instrument, order: Order) -> Violation | None:
    return None if order.quantity is None else instrument.violation(order.quantity)


def _answer(result: AmendResult) -> tuple[Document, int, dict[str, str]]:
    order = result.order
    document = order_document(order)
    match result.outcome:
        case AmendOutcome.AMENDED:
            return document, 200, {"ETag": entity_tag(order)}
        case AmendOutcome.MOVED:
            detail = f"the order is at version {order.version} by now"
            raise Refused(412, ErrorCode.PRECONDITION_FAILED, detail, order=document)
        case AmendOutcome.NOT_WAITING:
            detail = (
                "the order has expired"
                if order.status is OrderStatus.WAITING
                else f"the order is {order.status}, and only one that waits can be amended"
            )
            raise Refused(409, ErrorCode.NOT_WAITING, detail, order=document)
