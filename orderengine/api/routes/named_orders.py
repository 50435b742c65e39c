"""Orders by their clients' own names.

The name is in the query: in a path it could be taken for another part of the path.
"""

from flask import Blueprint, request

from orderengine.api.answers.problems import ErrorCode
from orderengine.api.answers.schemas import OrderSchema
from orderengine.api.context import current_ports
from orderengine.api.description import answer_examples
from orderengine.api.description.changed_orders import TAGGED
from orderengine.api.description.openapi import BEHIND_THE_GATE, ApiBlueprint
from orderengine.api.gate.access import current_caller
from orderengine.api.routes.cancels import Answer, canceled_by_name
from orderengine.api.routes.orders import order_not_found
from orderengine.api.validation.changes import entity_tag
from orderengine.api.validation.fields import is_name
from orderengine.api.validation.inputs import read_query
from orderengine.api.validation.schemas import NamedOrderSchema
from orderengine.domain.documents import order_document

PREFIX = "/api/orders/by-client-id"

blueprint = ApiBlueprint(
    "named orders", __name__, url_prefix=PREFIX, description="Orders by the clients' own names."
)
earlier = Blueprint("earlier_paths", __name__, url_prefix=PREFIX)
"""The same with the name in the path: served, but ambiguous, so not described."""


@blueprint.get("")
@blueprint.doc(operationId="getOrderByClientOrderId")
@blueprint.takes_query(NamedOrderSchema)
@blueprint.response(200, OrderSchema, headers=TAGGED, example=answer_examples.ORDER)
@blueprint.problems(*BEHIND_THE_GATE, ErrorCode.VALIDATION_FAILED, ErrorCode.ORDER_NOT_FOUND)
def get_named_order() -> Answer:
    """Show an order by the client's own name for it.

    The answer is the same as that of `GET /api/orders/{order_id}`.
    """
    return _named(read_query(NamedOrderSchema(), request)["client_order_id"])


@earlier.get("/<client_order_id>")
def get_order_of_path(client_order_id: str) -> Answer:
    """The same, with the name in the path."""
    return _named(_checked(client_order_id))


@earlier.delete("/<client_order_id>")
def cancel_order_of_path(client_order_id: str) -> Answer:
    """Cancel an order, with the name in the path."""
    return canceled_by_name(_checked(client_order_id))


def _checked(client_order_id: str) -> str:
    if not is_name(client_order_id):
        raise order_not_found("clientOrderId")
    return client_order_id


def _named(client_order_id: str) -> Answer:
    order = current_ports().orders.named(current_caller().client_id, client_order_id)
    if order is None:
        raise order_not_found("clientOrderId")
    return order_document(order), 200, {"ETag": entity_tag(order)}
