"""Authentication: every path below CLOSED_PREFIXES needs a valid key or ticket.

The `Authorization` header carries the key. Browsers can not set it on a WebSocket handshake: they
get a ticket with the key, and send the ticket in the query.
"""

from flask import Flask, Response, g, request

from orderengine.api.answers.problems import ErrorCode, Refused, problem
from orderengine.domain.access import LOCAL_CLIENT, Caller
from orderengine.execution.intake.keys import Authenticator

CLOSED_PREFIXES = ("/api/", "/ws/", "/metrics")
"""Below these paths a request without a valid key gets 401, even if the path does not exist."""

REALM = 'Bearer realm="orderengine"'


def register_access(app: Flask, authenticator: Authenticator) -> None:
    """Authenticate closed requests. Register it before any function that reads the caller."""

    def admit() -> Response | None:
        if not is_closed():
            return None
        caller = _caller(authenticator)
        if caller is None:
            return _unauthorized()
        g.caller = caller
        return None

    app.before_request(admit)


def is_closed() -> bool:
    """True if this request needs authentication."""
    return request.path.startswith(CLOSED_PREFIXES)


def current_caller() -> Caller:
    """The client that this request acts for."""
    caller: Caller = g.caller
    return caller


def require_operator() -> None:
    """Raises Refused (403) unless the caller is the client that runs the engine."""
    if current_caller().client_id != LOCAL_CLIENT:
        detail = f"this needs a key of the client {LOCAL_CLIENT}, the operator"
        raise Refused(403, ErrorCode.FORBIDDEN, detail)


def _caller(authenticator: Authenticator) -> Caller | None:
    given = request.headers.get("Authorization")
    if given is None and request.path.startswith("/ws/") and "ticket" in request.args:
        return authenticator.redeem(request.args["ticket"])
    scheme, _, key = (given or "").partition(" ")
    return authenticator.authenticate(key.strip() if scheme.lower() == "bearer" else None)


def _unauthorized() -> Response:
    return problem(
        401,
        ErrorCode.UNAUTHORIZED,
        "send a valid key as Authorization: Bearer oe_..., or for a socket a valid ticket",
        headers={"WWW-Authenticate": REALM},
    )
