"""CORS: pages of the sites in ALLOWED_ORIGINS may use the API from a browser.

A page sends its key in a header. The API neither sets nor reads cookies, so no answer allows
credentials.
"""

from flask import Flask, Response, request

from orderengine.api.gate.request_ids import HEADER as REQUEST_ID
from orderengine.api.routes.event_stream import HEADER as LAST_EVENT_ID
from orderengine.api.updates.prefer_wait import APPLIED
from orderengine.api.updates.prefer_wait import HEADER as PREFER
from orderengine.api.validation.changes import MATCH_HEADER
from orderengine.api.validation.inputs import KEY_HEADER, KEY_REPLAYED

METHODS = ("DELETE", "GET", "HEAD", "PATCH", "POST")
ALLOWED_HEADERS = (
    "Authorization",
    "Content-Type",
    KEY_HEADER,
    MATCH_HEADER,
    LAST_EVENT_ID,
    PREFER,
    REQUEST_ID,
)
EXPOSED_HEADERS = (
    "Allow",
    "ETag",
    KEY_REPLAYED,
    "Location",
    APPLIED,
    "RateLimit-Limit",
    "RateLimit-Remaining",
    "RateLimit-Reset",
    "Retry-After",
    "WWW-Authenticate",
    REQUEST_ID,
)
MAX_AGE_S = 600
"""How long a browser may keep the answer to its preflight request."""


def share_with_origins(app: Flask, origins: frozenset[str]) -> None:
    """Let pages of these sites send requests and read answers, refusals included.

    It must be registered before the functions that count requests or ask for a key. A browser sends
    its preflight request without a key, and does not show its page why that was refused.
    """
    if not origins:
        return

    def answer_preflight() -> Response | None:
        asks_first = request.method == "OPTIONS" and (
            "Access-Control-Request-Method" in request.headers
        )
        if not asks_first or request.headers.get("Origin") not in origins:
            return None
        answer = Response(status=204)
        answer.headers["Access-Control-Allow-Methods"] = ", ".join(METHODS)
        answer.headers["Access-Control-Allow-Headers"] = ", ".join(ALLOWED_HEADERS)
        answer.headers["Access-Control-Max-Age"] = str(MAX_AGE_S)
        return answer

    def share(answer: Response) -> Response:
        answer.vary.add("Origin")
        origin = request.headers.get("Origin")
        if origin is not None and origin in origins:
            answer.headers["Access-Control-Allow-Origin"] = origin
            answer.headers["Access-Control-Expose-Headers"] = ", ".join(EXPOSED_HEADERS)
        return answer

    app.before_request(answer_preflight)
    app.after_request(share)
