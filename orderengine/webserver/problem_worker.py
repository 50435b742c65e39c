"""A gunicorn worker that answers malformed HTTP with the API's problem documents.

The application never sees such a request, or notices only when it reads the body.
"""

import socket
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from flask import Response, request
from gunicorn.http.errors import (
    ChunkMissingTerminator,
    ExpectationFailed,
    InvalidChunkExtension,
    InvalidChunkSize,
    InvalidHeader,
    InvalidHeaderName,
    InvalidHTTPVersion,
    InvalidRequestLine,
    InvalidRequestMethod,
    InvalidResponseHeader,
    InvalidResponseHeaderName,
    LimitRequestHeaders,
    LimitRequestLine,
    ObsoleteFolding,
    ParseException,
    UnsupportedTransferCoding,
)
from structlog.contextvars import bound_contextvars
from werkzeug.http import http_date

from orderengine.api.answers.problems import ErrorCode, problem
from orderengine.api.gate.protection import SECURE_HEADERS
from orderengine.api.gate.request_ids import HEADER as REQUEST_ID
from orderengine.webserver.capacity_worker import CapacityWorker
from orderengine.webserver.head_reading_worker import (
    FORCE_CLOSE,
    MAX_HEAD_BYTES,
    MAX_LINE_BYTES,
    REQUEST_TIMEOUT_S,
    RepeatedHeader,
    RequestTimedOut,
)

MAX_HEADERS = 64
MAX_HEADER_BYTES = 8190

_VERSIONS = {(1, 0), (1, 1)}
_HEADERS = f"{MAX_HEADERS} headers or trailers of {MAX_HEADER_BYTES} bytes"

_Refusal = tuple[int, ErrorCode, str]


def _bad(detail: str) -> _Refusal:
    return 400, ErrorCode.BAD_REQUEST, detail


_DEFECT = (500, ErrorCode.INTERNAL_ERROR, "the request failed inside the service")
_CHUNKS = _bad("the body is not sent in well-formed chunks")

# gunicorn's own texts repeat the request; these do not.
_REFUSALS: Mapping[type[BaseException], _Refusal] = {
    BaseException: _DEFECT,
    ParseException: _bad("the request is not valid HTTP"),
    InvalidRequestLine: _bad("the request line is malformed"),
    InvalidRequestMethod: _bad("the method is malformed"),
    InvalidHTTPVersion: (
        505,
        ErrorCode.HTTP_VERSION_NOT_SUPPORTED,
        "the version must be HTTP/1.1 or HTTP/1.0",
    ),
    InvalidHeader: _bad("a header or trailer is malformed, given twice, or contradicts another"),
    InvalidHeaderName: _bad("the name of a header or trailer is malformed"),
    ObsoleteFolding: _bad("a header or trailer must not be folded over several lines"),
    InvalidChunkSize: _CHUNKS,
    InvalidChunkExtension: _CHUNKS,
    ChunkMissingTerminator: _CHUNKS,
    RequestTimedOut: (
        408,
        ErrorCode.REQUEST_TIMEOUT,
        f"the head and the body of a request must each arrive within {REQUEST_TIMEOUT_S} seconds",
    ),
    LimitRequestLine: (
        414,
        ErrorCode.URI_TOO_LONG,
        f"the request line must not be longer than {MAX_LINE_BYTES} bytes",
    ),
    ExpectationFailed: (
        417,
        ErrorCode.EXPECTATION_FAILED,
        "the only supported expectation is 100-continue",
    ),
    LimitRequestHeaders: (
        431,
        ErrorCode.HEADERS_TOO_LARGE,
        f"at most {_HEADERS} each, {MAX_HEAD_BYTES} bytes in all",
    ),
    UnsupportedTransferCoding: (
        501,
        ErrorCode.UNSUPPORTED_TRANSFER_CODING,
        "the only supported transfer coding is chunked",
    ),
    # Faults of the application's answer, not of the request.
    InvalidResponseHeader: _DEFECT,
    InvalidResponseHeaderName: _DEFECT,
}


def problem_for(error: Exception) -> Response:
    """The answer to a request for which gunicorn raised this error."""
    if isinstance(error, RepeatedHeader):
        return problem(*_bad(f"{error.hdr} must be given once only"))
    kind = next(kind for kind in type(error).__mro__ if kind in _REFUSALS)
    return problem(*_REFUSALS[kind])


def refuse_body(error: ParseException) -> Response:
    """The answer if a view met the error while it read the body."""
    if not isinstance(error, RequestTimedOut):
        # The start of a next request on this connection is unknown.
        request.environ[FORCE_CLOSE]()
    return problem_for(error)


class ProblemWorker(CapacityWorker):
    """Logs its refusals like gunicorn, and answers them like the application."""

    def handle_request(self, req: Any, conn: Any) -> Any:
        """Serve a request of a known version; gunicorn takes any that begins with HTTP/1."""
        if req.version not in _VERSIONS:
            raise InvalidHTTPVersion(req.version)
        return super().handle_request(req, conn)

    def handle_error(self, req: Any, client: Any, addr: Any, exc: Exception) -> None:
        """Answer a failed request with a problem document, if the client is still there."""
        request_id = uuid4().hex
        with bound_contextvars(request_id=request_id):
            if isinstance(exc, RequestTimedOut):
                self.log.info("Refused a request from ip=%s: %s", addr[0] if addr else "", exc)
            else:
                super().handle_error(req, _Nobody(), addr, exc)
        if req is not None and req.body.failed:
            # The error came after the answer, in the rest of the body: a second answer would be
            # taken for that of the next request.
            return
        try:
            client.send(_raw(problem_for(exc), request_id), socket.MSG_DONTWAIT)
        except OSError as error:
            self.log.debug("Failed to send a refusal: %s", error)


class _Nobody:
    """Stands in for the client, and discards gunicorn's own answer, a page of text."""

    def gettimeout(self) -> float:
        return 0.0

    def sendall(self, _: bytes) -> None:
        pass


def _raw(answer: Response, request_id: str) -> bytes:
    answer.headers.update(SECURE_HEADERS)
    answer.headers[REQUEST_ID] = request_id
    answer.headers.update({"Cache-Control": "no-store", "Connection": "close", "Date": http_date()})
    head = f"HTTP/1.1 {answer.status}\r\n{answer.headers}"
    return head.encode("latin-1") + answer.get_data()
