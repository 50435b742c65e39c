"""Find an order that was accepted before under the same key, even if its instrument is gone."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from orderengine.api.gate.access import current_caller
from orderengine.api.gate.request_ids import current_request_id
from orderengine.api.validation.inputs import load
from orderengine.api.validation.schemas import RepeatedOrderSchema
from orderengine.domain.idempotency import fingerprint
from orderengine.domain.instruments import folded
from orderengine.domain.order import NewOrder
from orderengine.execution.intake.accept import Accepted

if TYPE_CHECKING:
    from orderengine.bootstrap.web import WebPorts


def new_order(wanted: dict[str, Any], order_id: UUID | None = None) -> NewOrder:
    """The order that this request asks for, from checked values."""
    client_id, request_id = current_caller().client_id, current_request_id()
    return NewOrder(
        order_id=order_id or uuid4(), client_id=client_id, request_id=request_id, **wanted
    )


def find_repeated(
    ports: "WebPorts", body: dict[str, Any], key: str | None
) -> tuple[NewOrder, Accepted] | None:
    """The order of a refused body, and its first answer, if it was accepted before; else None.

    Raises Refused if the body breaks a rule that does not depend on the instruments.
    """
    before = ports.orders.accepted_before(current_caller().client_id, key) if key else None
    if before is None:
        return None
    order = new_order(load(RepeatedOrderSchema(), body))
    stored = ports.orders.get(before.order_id)
    if stored is not None and folded(stored.symbol) == folded(order.symbol):
        order = replace(order, symbol=stored.symbol)
    if fingerprint(order) != before.fingerprint:
        return None
    return order, Accepted(before.order_id, before.accepted_at, replayed=True)
