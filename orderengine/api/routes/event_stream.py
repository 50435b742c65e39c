"""Order updates as Server-Sent Events, over plain HTTP: `GET /api/orders/{id}/stream`.

A stream takes a slot, like a socket, and holds no thread either.
"""

from functools import partial

from flask import Response, request

from orderengine.api.answers.problems import ErrorCode
from orderengine.api.context import current_ports
from orderengine.api.description.openapi import BEHIND_THE_GATE, ApiBlueprint
from orderengine.api.routes.orders import known_order_id
from orderengine.api.updates.entrance import current_entrance
from orderengine.api.updates.subject import one_order
from orderengine.api.updates.takeover import Streamed
from orderengine.api.validation.inputs import read_query, validation_error
from orderengine.api.validation.schemas import MAX_SEQ, EventListSchema
from orderengine.domain.errors import Violation

HEADER = "Last-Event-ID"
EVENT_STREAM = "text/event-stream"

blueprint = ApiBlueprint(
    "stream", __name__, url_prefix="/api/orders", description="Updates over plain HTTP."
)

_EXAMPLE = (
    'id: 2\ndata: {"orderId":"b09f26f7-04bd-4c6a-9634-de855a0a4962","seq":2,"status":"routing",'
    '"attempt":1,"at":"2026-11-24T23:39:37.421804Z","data":{"cause":"order"}}\n\n'
)

_LAST_EVENT_ID = {
    "name": HEADER,
    "description": "The `id` of the last event received; browsers send it by themselves.",
    "schema": {"type": "string", "pattern": f"^[0-9]{{1,{len(str(MAX_SEQ))}}}$"},
}


@blueprint.get("/<order_id>/stream")
@blueprint.doc(operationId="streamEvents")
@blueprint.takes_query(EventListSchema)
@blueprint.takes_headers(_LAST_EVENT_ID)
@blueprint.response(200, {"type": "string"}, content_type=EVENT_STREAM, example=_EXAMPLE)
@blueprint.alt_response(204, description="No event follows `after`: do not reconnect.")
@blueprint.problems(
    *BEHIND_THE_GATE,
    ErrorCode.VALIDATION_FAILED,
    ErrorCode.ORDER_NOT_FOUND,
    ErrorCode.EVENTS_PRUNED,
    ErrorCode.TOO_MANY_CLIENT_SOCKETS,
    ErrorCode.TOO_MANY_SOCKETS,
)
def stream_events(order_id: str) -> Response:
    """Stream the steps of an order, as its WebSocket sends them, until it has ended.

    Each event's `id` is its `seq`. A client that reconnects with `Last-Event-ID`, as browsers do,
    or with `after`, gets the events that it missed. A 204 means that no event will follow.
    """
    known = known_order_id(order_id)
    query = read_query(EventListSchema(), request)
    after = _last_event_id(query["after"])
    wanted = one_order(current_ports().orders, known, after)
    if wanted.is_over:
        return Response(status=204)
    entrance = current_entrance()
    entrance.take_slot()
    answer = Streamed(content_type=f"{EVENT_STREAM}; charset=utf-8")
    answer.begin = partial(entrance.stream, wanted)
    answer.headers["X-Accel-Buffering"] = "no"  # or a proxy would hold events back
    return answer


def _last_event_id(after: int) -> int:
    given = request.headers.get(HEADER)
    if not given:  # browsers may send an empty one after an id was reset
        return after
    if not (given.isascii() and given.isdecimal() and len(given) <= len(str(MAX_SEQ))):
        raise validation_error([Violation(HEADER, "integer", "must be the id of an event")])
    return max(after, int(given))
