"""Reads the JSON body of a request strictly: refuses a text that parsers could read differently.

Numbers stay the text that the client wrote, so that no amount ever passes through a float.
"""

import json
from dataclasses import dataclass
from typing import Any, NoReturn

from flask import Request
from werkzeug.exceptions import RequestEntityTooLarge

from orderengine.api.answers.problems import ErrorCode, Refused
from orderengine.domain.errors import Violation
from orderengine.domain.json_rules import (
    MAX_DEPTH,
    MAX_NUMBER_LENGTH,
    UNSTORABLE,
    depth_of,
    leaves_of,
)

MAX_BODY_BYTES = 8 * 1024
MAX_BATCH_BYTES = 60 * 1024
"""Below the 64,000 bytes at which the proxies of `deploy/` refuse a body."""
MAX_BATCH_DEPTH = MAX_DEPTH + 2
"""Each order of a batch is two levels deeper than one that comes alone."""

_SHOWN_LENGTH = 40


@dataclass(frozen=True, slots=True)
class JsonNumber:
    """A number exactly as the client wrote it.

    It is not a `str`, because a quoted "10" and a bare 10 differ in type.
    """

    literal: str


def shown(text: str) -> str:
    """Text of a client in a form that is safe to repeat: ASCII, escaped, at most 40 characters."""
    escaped = ascii(text[:_SHOWN_LENGTH])[1:-1]
    return escaped if len(text) <= _SHOWN_LENGTH else f"{escaped}..."


def read_object(
    request: Request, max_bytes: int = MAX_BODY_BYTES, max_depth: int = MAX_DEPTH
) -> dict[str, Any]:
    """The JSON object in a request's body, at most 8 KB long unless told otherwise.

    Raises Refused: 415 for another content type, 413 for a longer body, 400 for broken JSON.
    """
    _check_headers(request)
    return parse_object(_read_body(request, max_bytes), max_depth)


def parse_object(raw: bytes, max_depth: int = MAX_DEPTH) -> dict[str, Any]:
    """Parse the UTF-8 text of one JSON object; numbers become `JsonNumber`.

    Raises Refused (400) for anything that is not strict JSON, for a key that is given twice, for
    nesting deeper than `max_depth`, numbers longer than 64 characters, NUL and lone surrogates.
    """
    try:
        text = raw.decode("utf-8-sig")  # with a byte order mark or without
    except UnicodeDecodeError as error:
        _refuse("body", "utf8", f"must be UTF-8; byte {error.start} is invalid")
    # Before parsing: deep nesting exhausts the parser's stack.
    if depth_of(text) > max_depth:
        _refuse("body", "depth", f"must not nest deeper than {max_depth} levels")
    try:
        document = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        _refuse("body", "json", f"must be valid JSON; the error is at {place}")
    if not isinstance(document, dict):
        _refuse("body", "object", "must be a JSON object")
    for field, value in document.items():
        _check(value, field)
    return document


def _check_headers(request: Request) -> None:
    if request.mimetype != "application/json":
        _refuse_media_type("Content-Type", "media_type", "must be application/json")
    if request.mimetype_params.get("charset", "utf-8").lower() not in {"utf-8", "utf8"}:
        _refuse_media_type("Content-Type", "charset", "must not name a charset other than utf-8")
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        _refuse_media_type("Content-Encoding", "identity", "must not be compressed")


def _read_body(request: Request, max_bytes: int) -> bytes:
    # One byte beyond the limit tells a body that is too long from one that just fits: a chunked
    # body announces no length, and the stream ends silently at the maximum.
    request.max_content_length = max_bytes + 1
    raw = bytearray()
    try:
        while len(raw) <= max_bytes and (part := request.stream.read(max_bytes)):
            raw += part
    except RequestEntityTooLarge:
        _refuse_size(max_bytes)
    if len(raw) > max_bytes:
        _refuse_size(max_bytes)
    return bytes(raw)


class _NotANumber:
    """Stands for NaN and the infinities, which the parser knows and JSON does not."""


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for key, value in pairs:
        if UNSTORABLE.search(key):
            _refuse(shown(key), "text", "must not contain NUL or a lone surrogate")
        if key in members:
            _refuse(shown(key), "duplicate", "must be given once only")
        members[key] = value
    return members


_DECODER = json.JSONDecoder(
    object_pairs_hook=_members,
    parse_int=JsonNumber,
    parse_float=JsonNumber,
    parse_constant=lambda _: _NotANumber(),
)


def _check(value: Any, field: str) -> None:
    """Refuse values that JSON's grammar, or the parser, lets through, naming the top field."""
    for leaf in leaves_of(value):
        if isinstance(leaf, _NotANumber):
            _refuse(shown(field), "number", "must not be NaN or infinite")
        if isinstance(leaf, JsonNumber) and len(leaf.literal) > MAX_NUMBER_LENGTH:
            message = f"must not have more than {MAX_NUMBER_LENGTH} characters"
            _refuse(shown(field), "digits", message)
        if isinstance(leaf, str) and UNSTORABLE.search(leaf):
            _refuse(shown(field), "text", "must not contain NUL or a lone surrogate")


def _refuse(field: str, rule: str, message: str) -> NoReturn:
    broken = Violation(field, rule, message)
    raise Refused(400, ErrorCode.INVALID_JSON, f"{field} {message}", [broken])


def _refuse_media_type(field: str, rule: str, message: str) -> NoReturn:
    broken = Violation(field, rule, message)
    raise Refused(415, ErrorCode.UNSUPPORTED_MEDIA_TYPE, f"{field} {message}", [broken])


def _refuse_size(max_bytes: int) -> NoReturn:
    broken = Violation("body", "max_bytes", f"must not be longer than {max_bytes} bytes")
    raise Refused(413, ErrorCode.BODY_TOO_LARGE, f"body {broken.message}", [broken])
