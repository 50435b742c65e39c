"""How a new order is described: examples, headers, and the errors that can answer it."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from orderengine.api.answers.documents import accepted_document
from orderengine.api.answers.problems import ErrorCode
from orderengine.api.description.openapi import BEHIND_THE_GATE
from orderengine.api.updates.prefer_wait import APPLIED, HEADER, MAX_WAIT_S
from orderengine.api.validation.inputs import KEY_HEADER, KEY_REPLAYED, KEY_SCHEMA
from orderengine.domain.access import LOCAL_CLIENT
from orderengine.domain.order import NewOrder
from orderengine.domain.side import Side
from orderengine.execution.intake.accept import Accepted

ORDER_EXAMPLE = {"symbol": "AAPL", "side": "buy", "quantity": 10, "slippageBps": 100}
LIMIT_EXAMPLE = {
    "symbol": "AAPL",
    "side": "buy",
    "quantity": 10,
    "type": "limit",
    "limitPrice": "200",
}
ORDER_EXAMPLES: Mapping[str, Mapping[str, Any]] = {
    "market": ORDER_EXAMPLE,
    "limit": LIMIT_EXAMPLE,
    "stop": {
        "symbol": "AAPL",
        "side": "sell",
        "quantity": 10,
        "type": "stop",
        "stopPrice": "180",
        "worstPrice": "170",
    },
    "sniper": {
        "symbol": "AAPL",
        "side": "buy",
        "quantity": 10,
        "type": "sniper",
        "trigger": {"on": "liquidityAdded", "minLiquidity": "50000"},
        "worstPrice": "250",
        "expiresAt": "2026-12-24T18:00:00Z",
    },
}
"""One order of each type; the first stands for all where one is shown."""

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
        "description": "The answer to the first request with this Idempotency-Key, as it is now.",
    }
}
ANSWERED = {
    "Location": {"schema": {"type": "string"}, "description": "The order."},
    **REPLAYED,
}
ENDED = {
    **ANSWERED,
    APPLIED: {"schema": {"type": "string"}, "description": "The granted wait."},
}
KEY_PARAMETER = {
    "name": KEY_HEADER,
    "description": "Chosen by the client, such as a UUID; a repeated key orders only once.",
    "schema": KEY_SCHEMA,
}
HEADERS = (
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
    ErrorCode.WOULD_TRIGGER,
    ErrorCode.TOO_MANY_OPEN_ORDERS,
    ErrorCode.TOO_MANY_WAITING_ORDERS,
    ErrorCode.ORDERS_DISABLED,
    ErrorCode.QUEUE_FULL,
    ErrorCode.BODY_TOO_LARGE,
    ErrorCode.UNSUPPORTED_MEDIA_TYPE,
    ErrorCode.IDEMPOTENCY_KEY_REUSED,
    ErrorCode.NOTIONAL_LIMIT,
    ErrorCode.DAILY_LIMIT,
)
"""The errors that can answer a new order."""
