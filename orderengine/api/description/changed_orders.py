"""How cancels and amendments are described: examples and headers."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

from orderengine.api.description import answer_examples
from orderengine.api.validation.changes import MATCH_HEADER
from orderengine.domain.access import LOCAL_CLIENT
from orderengine.domain.documents import order_document
from orderengine.domain.order import NewOrder, Order, OrderStatus
from orderengine.domain.side import Side
from orderengine.domain.terms import OrderType, TimeInForce

TAGGED = {
    "ETag": {
        "schema": {"type": "string", "pattern": '^"[0-9]+"$'},
        "description": "The order's `version` in quotes, for `If-Match`.",
    }
}
MATCH_PARAMETER = {
    "name": MATCH_HEADER,
    "required": True,
    "description": "The `ETag` of the order that you have seen: its `version` in quotes.",
    "schema": {"type": "string", "examples": ['"1"']},
}
AMENDMENT_EXAMPLE = {"limitPrice": "205"}
COUNTS_EXAMPLE = {"canceled": 2, "requested": 1, "tooLate": 0, "refused": 0}

EXAMPLE_AT = datetime(2026, 11, 24, 23, 39, 37, 413310, UTC)
LIMIT_ORDER = NewOrder(
    order_id=UUID("b09f26f7-04bd-4c6a-9634-de855a0a4962"),
    client_id=LOCAL_CLIENT,
    symbol="AAPL",
    side=Side.BUY,
    quantity=Decimal(10),
    slippage_tolerance_bps=None,
    type=OrderType.LIMIT,
    limit_price=Decimal(200),
    time_in_force=TimeInForce.GTC,
    client_order_id="rebalance-8",
)
"""The order of the examples, as it was requested."""
_WAITING = Order.accepted(LIMIT_ORDER, EXAMPLE_AT)
WAITING_EXAMPLE = order_document(_WAITING)
AMENDED_EXAMPLE = order_document(replace(_WAITING, limit_price=Decimal(205), version=2))
STARTED_EXAMPLE = order_document(replace(_WAITING, status=OrderStatus.PENDING, version=2))
CANCELED_EXAMPLE = order_document(
    replace(_WAITING, status=OrderStatus.CANCELED, version=2, cancel_requested_at=EXAMPLE_AT)
)
_EXPIRING = replace(_WAITING, time_in_force=TimeInForce.GTD, expires_at=EXAMPLE_AT)
EXPIRED_EXAMPLE = order_document(replace(_EXPIRING, status=OrderStatus.EXPIRED, version=2))

_OF_A_FILL = {
    *("executedPrice", "slippagePct", "marketImpactBps", "fee", "baseAmount", "quoteAmount"),
    *("landedAt", "executedLegs"),
}
REQUESTED_EXAMPLE = {
    **{name: value for name, value in answer_examples.ORDER.items() if name not in _OF_A_FILL},
    "status": "submitted",
    "cancelRequestedAt": answer_examples.ORDER["updatedAt"],
}
