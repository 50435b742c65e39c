"""The handshake of a WebSocket: refused over HTTP, or prepared for simple-websocket."""

import base64
import binascii
from typing import Any

from flask import Response, request

from orderengine.api.answers.problems import ErrorCode, problem

_HANDSHAKE = {"HTTP_CONNECTION", "HTTP_UPGRADE", "HTTP_SEC_WEBSOCKET_KEY"}


def handshake_refusal() -> Response | None:
    """The refusal (400, 426) of a bad handshake, or None; simple-websocket would answer 500."""
    headers = request.headers
    connection = headers.get("Connection", "").lower().split(",")
    is_upgrade = (
        request.method == "GET"
        and "upgrade" in {token.strip() for token in connection}
        and headers.get("Upgrade", "").lower() == "websocket"
    )
    if not is_upgrade or headers.get("Sec-WebSocket-Version") != "13":
        return problem(
            426,
            ErrorCode.UPGRADE_REQUIRED,
            "this path serves WebSocket connections only, version 13",
            headers={
                "Upgrade": "websocket",
                "Connection": "Upgrade",
                "Sec-WebSocket-Version": "13",
            },
        )
    try:
        key = base64.b64decode(headers.get("Sec-WebSocket-Key", ""), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != 16:
        return problem(400, ErrorCode.BAD_REQUEST, "Sec-WebSocket-Key must be 16 bytes in base64")
    return None


def origin_refusal(allowed: frozenset[str]) -> Response | None:
    """The refusal (403) of a foreign Origin, or None: prevents cross-site WebSocket hijacking."""
    origin = request.headers.get("Origin")
    own = {f"{scheme}://{request.host}" for scheme in ("http", "https")}
    if origin is None or origin in own | allowed:
        return None
    detail = "this Origin may not open sockets"
    return problem(403, ErrorCode.ORIGIN_NOT_ALLOWED, detail)


def prepare_handshake(environ: dict[str, Any]) -> None:
    """Give simple-websocket only the few headers that it needs.

    Otherwise it would accept any offer of compression, and fail on unrelated headers.
    """
    for name in [name for name in environ if name.startswith("HTTP_")]:
        if name not in _HANDSHAKE:
            del environ[name]
    environ["HTTP_HOST"] = "localhost"
    environ["HTTP_SEC_WEBSOCKET_VERSION"] = "13"
