"""The description of the WebSocket at `/asyncapi.json`, in AsyncAPI 3.0."""

from typing import Any

from orderengine.api.answers.event_schemas import event_components
from orderengine.api.validation.fields import MAX_TEXT
from orderengine.api.validation.fields import STREAM_CURSOR_PATTERN as CURSOR_PATTERN
from orderengine.api.validation.schemas import MAX_SEQ
from orderengine.stream.client_follower import Bounds

CLOSE_CODES = {
    1000: "the order's last event was sent, or no event follows `after`",
    1002: "a frame broke the protocol",
    1007: "a text was not UTF-8",
    1008: "the client sent too much, its key was revoked, or it answered no ping",
    1009: "a message was longer than 1024 bytes",
    1012: "the server restarts: reconnect, and resume with `after` or `cursor`",
    1013: "the client read too slowly: reconnect and resume; or it fell behind more than 10,000 "
    "orders: reconnect without a cursor",
}

DESCRIPTION = f"""Every status of an order, once and in order of `seq`, however late a client joins.

An order that waits for its price or its pool is `waiting`, maybe for weeks. Its streams stay open;
each amendment is another `waiting`, and so is each return after the price has left. A `submitted`
with `cancelRequested` tells that its client wants to cancel it. The last event is `confirmed`,
`failed`, `canceled` or `expired`.

With `orderId`, the socket sends the events of one order. To resume after a lost connection, add
`after`, the last `seq` that you have.

Without `orderId`, one socket sends all orders of the client (of everybody, if the service requires
no keys): those that are open when the socket opens, and those that are accepted later. Each order
comes from its first event on, in order of `seq`, without a gap.

From time to time the socket sends a `cursor`. To resume, send the last one, unchanged, as `cursor`.
The socket then sends all orders that are open or have ended since, each from its first event: skip
the events that you have, by `orderId` and `seq`. While the socket catches up, its cursors have
`replay`: a socket resumed from such a cursor skips the orders that were already replayed and have
not moved since. The first cursor without `replay` means that the socket has caught up. Orders whose
events were pruned meanwhile are left out. At most {Bounds().orders} orders are followed at once; a
cursor that leads to more is refused.

The server ignores messages from the client. It closes with:

{chr(10).join(f"- {code}: {why}" for code, why in CLOSE_CODES.items())}

A handshake is refused with an HTTP status (400, 401, 403, 404, 410, 426, 429, 503) and a problem
document, as in `/openapi.json`.
"""

KEY = {"type": "http", "scheme": "bearer", "description": "A client's key, `oe_…`."}

CURSOR_EXAMPLE = {"cursor": "2026-11-24T23:39:40.004417Z"}

_SIGNATURE = (
    "4p2UZm4X8XLv9KvdZ4YgqkaZZnruJan6Dx8pwdJJNxE5sqi8xtveJMtuqDqw26zGGMkobRkjybojsPiesbvauyEM"
)
EXAMPLE = {
    "orderId": "b09f26f7-04bd-4c6a-9634-de855a0a4962",
    "seq": 5,
    "status": "confirmed",
    "attempt": 1,
    "at": "2026-11-24T23:39:40.104417Z",
    "dex": "meteora",
    "price": "226.5109837",
    "txHash": _SIGNATURE,
    "data": {
        "dex": "meteora",
        "executedPrice": "226.5109837",
        "quotedPrice": "226.0586404",
        "slippagePct": "0.2001",
        "txHash": _SIGNATURE,
    },
}


OPERATION = {
    "action": "send",
    "description": "The service sends each status of an order, once and in order.",
    "channel": {"$ref": "#/channels/orderUpdates"},
    "messages": [
        {"$ref": f"#/channels/orderUpdates/messages/{name}"} for name in ("orderEvent", "cursor")
    ],
}
MESSAGES = {
    "orderEvent": {
        "summary": "One step of an order.",
        "payload": {"$ref": "#/components/schemas/Event"},
        "examples": [{"payload": EXAMPLE}],
    },
    "cursor": {
        "summary": "A position to resume from; only on the socket of all orders.",
        "payload": {"$ref": "#/components/schemas/Cursor"},
        "examples": [{"payload": CURSOR_EXAMPLE}],
    },
}


def asyncapi_document(host: str, *, is_secure: bool, asks_for_keys: bool) -> dict[str, Any]:
    """The AsyncAPI document for the service at this address."""
    server: dict[str, Any] = {"host": host, "protocol": "wss" if is_secure else "ws"}
    if asks_for_keys:
        server["security"] = [{"$ref": "#/components/securitySchemes/key"}]
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "orderengine",
            "version": "1",
            "description": DESCRIPTION,
            "license": {"name": "MIT"},
            "contact": {"name": "The operator of this service"},
            "tags": [{"name": "orders", "description": "Orders while they wait and are executed."}],
        },
        "servers": {"service": {**server, "description": "The service that sent this document."}},
        "defaultContentType": "application/json",
        "channels": {"orderUpdates": _channel()},
        "operations": {"sendOrderUpdates": OPERATION},
        "components": {
            "messages": MESSAGES,
            "schemas": {**_event_schemas(), "Cursor": _cursor_schema()},
            "securitySchemes": {"key": KEY} if asks_for_keys else {},
        },
    }


def _channel() -> dict[str, Any]:
    return {
        "address": "/ws/orders",
        "messages": {
            name: {"$ref": f"#/components/messages/{name}"} for name in ("orderEvent", "cursor")
        },
        "bindings": {
            "ws": {
                "method": "GET",
                "query": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {
                        "orderId": {
                            "type": "string",
                            "format": "uuid",
                            "description": "The order to follow; default: all of the client.",
                        },
                        "after": {
                            "type": "integer",
                            "minimum": 0,
                            "maximum": MAX_SEQ,
                            "description": "With `orderId`: only events with a higher `seq`.",
                        },
                        "cursor": {
                            "type": "string",
                            "pattern": CURSOR_PATTERN,
                            "description": "The last cursor of an earlier socket, unchanged.",
                        },
                        "ticket": {
                            "type": "string",
                            "minLength": 1,
                            "maxLength": MAX_TEXT,
                            "description": "From `POST /api/tickets`, instead of a key.",
                        },
                    },
                },
            }
        },
    }


def _cursor_schema() -> dict[str, Any]:
    cursor = {"type": "string", "pattern": CURSOR_PATTERN}
    replay = {
        "type": "boolean",
        "const": True,
        "description": "Present until the socket has sent all events from before it opened.",
    }
    properties = {"cursor": cursor, "replay": replay}
    return {"type": "object", "required": ["cursor"], "properties": properties}


def _event_schemas() -> dict[str, Any]:
    schemas = event_components()
    # AsyncAPI's discriminators take no mapping; each status is in one schema only.
    event = {key: value for key, value in schemas["Event"].items() if key != "discriminator"}
    return {**schemas, "Event": event}
