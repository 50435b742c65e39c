"""Every error is a problem document; none reveals internals."""

import io
import re
from typing import Any

import pytest
from flask import Flask, abort
from structlog.contextvars import get_contextvars
from structlog.testing import capture_logs
from werkzeug.exceptions import HTTPException
from werkzeug.test import TestResponse

from orderengine.api.answers.handlers import register_error_handlers
from orderengine.api.answers.problems import TITLES, ErrorCode, problem
from orderengine.api.validation.strict_json import MAX_BODY_BYTES
from orderengine.domain.errors import OrderDenied, Violation
from tests.web import Web, rules

ORDER = b'{"symbol":"AAPL","side":"buy","quantity":10}'


@pytest.fixture
def web() -> Web:
    return Web()


def test_every_code_has_a_title() -> None:
    assert TITLES.keys() == set(ErrorCode)


def test_a_problem_has_the_form_of_the_standard() -> None:
    broken = [Violation("quantity", "min", "must be at least 1")]
    with Flask("test").app_context():
        answer = problem(400, ErrorCode.VALIDATION_FAILED, "no", broken, {"Retry-After": "3"})
    assert answer.content_type == "application/problem+json"
    assert answer.headers["Retry-After"] == "3"
    assert answer.get_json() == {
        "type": "urn:orderengine:problem:validation-failed",
        "title": "The request breaks a rule",
        "status": 400,
        "code": "VALIDATION_FAILED",
        "detail": "no",
        "errors": [{"field": "quantity", "rule": "min", "message": "must be at least 1"}],
    }


def test_an_unknown_path_is_not_found(web: Web) -> None:
    answer = web.client.get("/nowhere/<script>")
    assert (answer.status_code, answer.get_json()["code"]) == (404, "NOT_FOUND")
    assert rules(answer) == []
    assert "script" not in answer.text


def test_a_path_with_two_slashes_is_not_found_and_not_redirected(web: Web) -> None:
    paths = [str(rule)[1:] for rule in web.app.url_map.iter_rules() if "/" in str(rule)[1:]]
    assert len(paths) > 10
    for path in paths:
        asked = "/" + path.replace("/", "//").replace("<path:name>", "js/main.js")
        answer = asked_as(web, asked)
        assert (answer.status_code, answer.content_type) == (404, "application/problem+json"), asked
        assert "evil.example" not in answer.text


@pytest.mark.parametrize("path", ["", "//", "//livez", "///openapi.json"])
def test_slashes_at_the_beginning_count_as_one(web: Web, path: str) -> None:
    answer = asked_as(web, path)
    assert (answer.status_code, answer.headers.get("Location")) == (200, None)
    answer.close()


def asked_as(web: Web, path: str) -> TestResponse:
    # The test client would read `//a/b` as a host and a path.
    changed = {"PATH_INFO": path}
    return web.client.get("/", headers={"Host": "evil.example"}, environ_overrides=changed)


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_another_method_is_refused_with_those_allowed(web: Web, method: str) -> None:
    answer = web.client.open("/api/orders/execute", method=method)
    assert (answer.status_code, answer.get_json()["code"]) == (405, "METHOD_NOT_ALLOWED")
    assert set(answer.headers["Allow"].split(", ")) == {"OPTIONS", "POST"}


@pytest.mark.parametrize(
    ("content_type", "rule"),
    [
        (None, "media_type"),
        ("", "media_type"),
        ("text/plain", "media_type"),
        ("text/json", "media_type"),
        ("application/jsonp", "media_type"),
        ("application/x-www-form-urlencoded", "media_type"),
        ("multipart/form-data; boundary=x", "media_type"),
        ("application/json; charset=latin-1", "charset"),
        ("application/json; charset=utf-16", "charset"),
    ],
)
def test_another_content_type_is_refused(web: Web, content_type: str | None, rule: str) -> None:
    answer = web.client.post("/api/orders/execute", data=ORDER, content_type=content_type)
    assert (answer.status_code, answer.get_json()["code"]) == (415, "UNSUPPORTED_MEDIA_TYPE")
    assert rules(answer) == [("Content-Type", rule)]


def test_a_compressed_body_is_refused(web: Web) -> None:
    answer = web.client.post(
        "/api/orders/execute",
        data=ORDER,
        content_type="application/json",
        headers={"Content-Encoding": "gzip"},
    )
    assert answer.status_code == 415
    assert rules(answer) == [("Content-Encoding", "identity")]


class Chunks(io.BytesIO):
    """A body in pieces, as a server passes it on that decodes chunks."""

    def readinto(self, buffer: Any) -> int:
        return super().readinto(memoryview(buffer)[:1000])


def padded(size: int) -> bytes:
    return ORDER + b" " * (size - len(ORDER))


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize(
    ("size", "status"),
    [(len(ORDER), 202), (MAX_BODY_BYTES, 202), (MAX_BODY_BYTES + 1, 413), (1_000_000, 413)],
)
def test_a_body_may_have_8_kilobytes(web: Web, size: int, status: int, *, chunked: bool) -> None:
    body = padded(size)
    answer = web.client.post(
        "/api/orders/execute",
        input_stream=Chunks(body) if chunked else io.BytesIO(body),
        content_type="application/json",
        headers={"Transfer-Encoding": "chunked"} if chunked else {},
        environ_overrides={"wsgi.input_terminated": True},
    )
    assert answer.status_code == status
    if status == 413:
        assert answer.get_json()["code"] == "BODY_TOO_LARGE"
        assert rules(answer) == [("body", "max_bytes")]
        assert len(web.orders) == 0


def test_an_unforeseen_error_is_logged_whole_and_answered_without_detail(web: Web) -> None:
    def fail() -> None:
        raise RuntimeError("password=hunter2")

    web.board.before_answer = fail
    with capture_logs() as logs:
        answer = web.client.get("/api/quotes?symbol=AAPL&side=buy&quantity=1")
    assert (answer.status_code, answer.get_json()["code"]) == (500, "INTERNAL_ERROR")
    assert rules(answer) == []
    assert "hunter2" not in answer.text
    (line,) = [line for line in logs if line["event"] == "unhandled_error"]
    assert isinstance(line["exc_info"], RuntimeError)


def failing_app(error: Exception) -> Flask:
    app = Flask("test")
    register_error_handlers(app)

    def fail() -> str:
        raise error

    app.add_url_rule("/", view_func=fail)
    return app


def test_what_the_core_denies_is_a_broken_rule() -> None:
    app = failing_app(OrderDenied(Violation("quantity", "max", "must be at most 5")))
    answer = app.test_client().get("/")
    assert (answer.status_code, answer.get_json()["code"]) == (400, "VALIDATION_FAILED")
    assert rules(answer) == [("quantity", "max")]


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "BAD_REQUEST"),
        (404, "NOT_FOUND"),
        (405, "METHOD_NOT_ALLOWED"),
        (413, "BODY_TOO_LARGE"),
        (415, "UNSUPPORTED_MEDIA_TYPE"),
        (418, "BAD_REQUEST"),
        (429, "BAD_REQUEST"),
        (500, "INTERNAL_ERROR"),
        (502, "INTERNAL_ERROR"),
    ],
)
def test_every_error_of_the_framework_is_a_problem(status: int, code: str) -> None:
    with pytest.raises(HTTPException) as raised:
        abort(status, description="what the framework says")
    answer = failing_app(raised.value).test_client().get("/")
    assert (answer.status_code, answer.get_json()["code"]) == (status, code)
    assert rules(answer) == []
    assert "framework" not in answer.text


def test_an_upgrade_that_is_missing_is_a_problem() -> None:
    class UpgradeRequired(HTTPException):
        code = 426

    answer = failing_app(UpgradeRequired()).test_client().get("/")
    assert (answer.status_code, answer.get_json()["code"]) == (426, "UPGRADE_REQUIRED")


@pytest.mark.parametrize("given", ["", "x" * 129, "a b", "é", "a\tb"])
def test_a_request_without_a_good_id_gets_one(given: str) -> None:
    answer = Web().client.get("/livez", headers={"X-Request-Id": given})
    assert re.fullmatch("[0-9a-f]{32}", answer.headers["X-Request-Id"])


def test_a_good_request_id_is_kept_also_in_a_refusal() -> None:
    answer = Web().client.get("/nowhere", headers={"X-Request-Id": "req-1:a/b"})
    assert (answer.status_code, answer.headers["X-Request-Id"]) == (404, "req-1:a/b")
    assert "request_id" not in get_contextvars()
