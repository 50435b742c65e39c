"""The description of the WebSocket at `/asyncapi.json`, in AsyncAPI 3.0."""

from typing import Any

from orderengine.domain.order import OrderStatus

CLOSE_CODES = {
    1000: "after the order's last event, or at once when that is not beyond `after`",
    1008: "more was sent than a client has to say, or its key was revoked",
    1012: "the server restarts: connect again with the last `seq` as `after`",
}

DESCRIPTION = f"""Every status of an order, each once and by `seq`, however late a client joins.

A client that comes back adds `after`, the last `seq` that it has, and misses nothing. What a client
sends is not read. The server closes with:

{chr(10).join(f"- {code}: {why}" for code, why in CLOSE_CODES.items())}

A handshake is refused with an HTTP status (400, 401, 404, 426, 503) and a problem document, of the
form that `/openapi.json` describes.
"""

EXAMPLE = {
    "orderId": "b09f26f7-04bd-4c6a-9634-de855a0a4962",
    "seq": 2,
    "status": "routing",
    "attempt": 1,
    "at": "2026-11-24T23:39:37.421804Z",
    "data": {"cause": "order"},
}


def asyncapi_document() -> dict[str, Any]:
    """The whole description."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "orderengine",
            "version": "1",
            "description": DESCRIPTION,
            "license": {"name": "MIT"},
        },
        "defaultContentType": "application/json",
        "channels": {"orderUpdates": _channel()},
        "operations": {
            "sendOrderUpdates": {
                "action": "send",
                "channel": {"$ref": "#/channels/orderUpdates"},
                "messages": [{"$ref": "#/channels/orderUpdates/messages/orderEvent"}],
            }
        },
        "components": {
            "messages": {
                "orderEvent": {
                    "summary": "One step of an order.",
                    "payload": {"$ref": "#/components/schemas/OrderEvent"},
                    "examples": [{"payload": EXAMPLE}],
                }
            },
            "schemas": {"OrderEvent": _event_schema()},
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }


def _channel() -> dict[str, Any]:
    return {
        "address": "/ws/orders",
        "messages": {"orderEvent": {"$ref": "#/components/messages/orderEvent"}},
        "bindings": {
            "ws": {
                "method": "GET",
                "query": {
                    "type": "object",
                    "required": ["orderId"],
                    "additionalProperties": False,
                    "properties": {
                        "orderId": {"type": "string", "format": "uuid"},
                        "after": {
                            "type": "integer",
                            "minimum": 0,
                            "default": 0,
                            "description": "Only events with a `seq` beyond it.",
                        },
                        "ticket": {
                            "type": "string",
                            "description": "From `POST /api/tickets`, in place of a key.",
                        },
                    },
                },
            }
        },
    }


def _event_schema() -> dict[str, Any]:
    properties: dict[str, Any] = {
        "orderId": {"type": "string", "format": "uuid"},
        "seq": {"type": "integer", "minimum": 1, "description": "Counts from 1 without a gap."},
        "status": {"type": "string", "enum": [status.value for status in OrderStatus]},
        "attempt": {"type": "integer", "minimum": 1},
        "at": {"type": "string", "format": "date-time"},
        "data": {"type": "object", "description": "Depends on the status."},
    }
    return {"type": "object", "required": list(properties), "properties": properties}
