"""The id of a request: on every line that is logged for it, in its answer, and with its order."""

import re
from uuid import uuid4

from flask import Flask, Response, g, request
from structlog.contextvars import bind_contextvars, unbind_contextvars

HEADER = "X-Request-Id"
_ALLOWED = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}", re.ASCII)


def name_requests(app: Flask) -> None:
    """Give each request its own id, or keep the one that a proxy in front gave it."""
    app.before_request(_begin)
    app.after_request(_answer)
    app.teardown_request(_end)


def current_request_id() -> str:
    """The id of the request that is being answered."""
    return str(g.request_id)


def _begin() -> None:
    given = request.headers.get(HEADER, "")
    g.request_id = given if _ALLOWED.fullmatch(given) else uuid4().hex
    bind_contextvars(request_id=g.request_id)


def _answer(answer: Response) -> Response:
    if "request_id" in g:
        answer.headers[HEADER] = g.request_id
    return answer


def _end(_: BaseException | None = None) -> None:
    unbind_contextvars("request_id")
