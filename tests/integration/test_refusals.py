"""A real gunicorn refuses malformed HTTP with a problem document, like every error of the API."""

import itertools
import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from http.client import HTTPResponse
from typing import Any

import pytest

from harness.waiting import wait_until
from orderengine.api.answers.problems import TITLES, ErrorCode
from orderengine.api.description.problem_examples import EXAMPLES, problem_example
from orderengine.api.gate.protection import SECURE_HEADERS
from tests.integration.web_process import TIMEOUT_S, Web, WholeWeb

SECRET = b"<script>oe_0123456789ab_secret"
GET = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n"
POST = b"POST /api/orders/execute HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
ORDER = b'{"symbol":"AAPL","side":"buy","quantity":1}'
CHUNK = b"%x\r\n%s\r\n" % (len(ORDER), ORDER)


@dataclass(frozen=True)
class Broken:
    """A malformed request, the code of its refusal, and a part of the refusal's text."""

    name: str
    sent: bytes
    told: str
    code: ErrorCode = ErrorCode.BAD_REQUEST

    def __str__(self) -> str:
        return self.name


def line(name: str, sent: bytes, told: str, code: ErrorCode = ErrorCode.BAD_REQUEST) -> Broken:
    return Broken(name, sent + b"\r\nHost: localhost\r\n\r\n", told, code)


def version(name: str, sent: bytes) -> Broken:
    return line(name, b"GET / " + sent, "version", ErrorCode.HTTP_VERSION_NOT_SUPPORTED)


def headers(
    name: str, *sent: bytes, told: str = "header", code: ErrorCode = ErrorCode.BAD_REQUEST
) -> Broken:
    return Broken(name, b"\r\n".join([GET.strip(), *sent, b"", b""]), told, code)


def body(name: str, sent: bytes, told: str, code: ErrorCode = ErrorCode.BAD_REQUEST) -> Broken:
    return Broken(f"body: {name}", CHUNKED + sent, told, code)


NOT_READ = [
    line("garbage", b"\x16\x03\x01\x02\x00" + SECRET, "request line"),
    line("one word", SECRET, "request line"),
    line("no version", b"GET /" + SECRET, "request line"),
    line("an empty target", b"GET  HTTP/1.1", "request line"),
    line("a NUL in the target", b"GET /\0" + SECRET + b" HTTP/1.1", "request line"),
    line("bytes beyond ASCII in the target", b"GET /\xff\xfe HTTP/1.1", "request line"),
    Broken("a bare LF", b"GET / HTTP/1.1\nHost: localhost\n\n", "request line"),
    line("a method in lower case", b"get / HTTP/1.1", "method"),
    line("a method with brackets", SECRET[:8] + b" / HTTP/1.1", "method"),
    line("a method that is too long", b"G" * 21 + b" / HTTP/1.1", "method"),
    version("another protocol", SECRET + b"/1.1"),
    *[version(f"HTTP/{n}", b"HTTP/" + n.encode()) for n in ("0.9", "1.2", "1.9", "2.0", "9.9")],
    *[version(f"a version written {n}", b"HTTP/" + n.encode()) for n in ("1", "1.10", "01.1")],
    line("a long line", b"GET /" + b"a" * 4090 + b" HTTP/1.1", "4094", ErrorCode.URI_TOO_LONG),
    Broken("a line without an end", b"GET /" + b"a" * 5000, "4094", ErrorCode.URI_TOO_LONG),
    headers(
        "too many headers",
        *[b"X-%d: 1" % n for n in range(64)],
        told="64",
        code=ErrorCode.HEADERS_TOO_LARGE,
    ),
    headers("a long header", b"X: " + b"a" * 8190, told="8190", code=ErrorCode.HEADERS_TOO_LARGE),
    headers("a header without a colon", SECRET),
    headers("a header without a name", b": " + SECRET),
    headers("a space before the colon", b"X : " + SECRET, told="name of a header"),
    headers("a name with brackets", SECRET + b": 1", told="name of a header"),
    headers("a name beyond ASCII", b"X\xff: 1", told="name of a header"),
    headers("a NUL in a value", b"Authorization: Bearer " + SECRET + b"\0"),
    headers("a folded header", b"X: 1", b" " + SECRET, told="folded"),
    headers("two hosts", b"Host: " + SECRET),
    headers("a length that is no number", b"Content-Length: " + SECRET),
    headers("a negative length", b"Content-Length: -1"),
    headers("two lengths", b"Content-Length: 0", b"Content-Length: 0"),
    headers("a length and chunks", b"Content-Length: 1", b"Transfer-Encoding: chunked"),
    headers("chunks in chunks", b"Transfer-Encoding: chunked, chunked"),
    headers("a coding that never ends", b"Transfer-Encoding: gzip"),
    headers(
        "an unknown coding",
        b"Transfer-Encoding: " + SECRET,
        told="chunked",
        code=ErrorCode.UNSUPPORTED_TRANSFER_CODING,
    ),
    headers(
        "an unknown expectation",
        b"Expect: " + SECRET,
        told="100-continue",
        code=ErrorCode.EXPECTATION_FAILED,
    ),
    headers("a prefix that the path has not", b"SCRIPT_NAME: /" + SECRET, told="not valid HTTP"),
]

BODIES = [
    body("a size that is no number", SECRET + b"\r\n", "chunks"),
    body("a negative size", b"-1\r\n", "chunks"),
    body("no size", b"\r\n", "chunks"),
    body("a size that never ends", b"0" * 9000, "chunks"),
    body("a broken extension", b"1;" + SECRET + b"\r\n", "chunks"),
    body("more than its size says", b"1\r\n" + SECRET + b"\r\n", "chunks"),
    body("a second chunk that is none", CHUNK + SECRET + b"\r\n", "chunks"),
    body("a trailer that is none", CHUNK + b"0\r\n" + SECRET + b"\r\n\r\n", "trailer"),
    body("a forbidden trailer", CHUNK + b"0\r\nAuthorization: a\r\n\r\n", "trailer"),
    body("a folded trailer", CHUNK + b"0\r\nX: 1\r\n " + SECRET + b"\r\n\r\n", "folded"),
    body(
        "too many trailers",
        CHUNK + b"0\r\n" + b"X: 1\r\n" * 65 + b"\r\n",
        "64",
        ErrorCode.HEADERS_TOO_LARGE,
    ),
]


@pytest.fixture(scope="module")
def web(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WholeWeb]:
    with WholeWeb(redis_url, tmp_path_factory.mktemp("web")) as running:
        yield running


def connected(web: Web) -> socket.socket:
    return socket.create_connection(("127.0.0.1", web.port), timeout=TIMEOUT_S)


def answer_to(client: socket.socket, sent: bytes) -> tuple[HTTPResponse, bytes]:
    """The only answer to these bytes; only the connection's end may follow it."""
    client.sendall(sent)
    answer = HTTPResponse(client)
    answer.begin()
    body = answer.read(int(answer.headers["Content-Length"]))
    assert client.recv(1) == b""
    return answer, body


def problem_to(client: socket.socket, case: Broken) -> dict[str, Any]:
    answer, body = answer_to(client, case.sent)
    document: dict[str, Any] = json.loads(body)
    assert answer.headers.get_all("Content-Type") == ["application/problem+json"]
    assert answer.status == document["status"] == EXAMPLES[case.code].status
    return document | {"headers": dict(answer.headers)}


@pytest.mark.parametrize("case", [*NOT_READ, *BODIES], ids=str)
def test_it_is_refused_with_a_problem(case: Broken, web: WholeWeb) -> None:
    with connected(web) as client:
        document = problem_to(client, case)
    held = document.pop("headers")
    assert document.keys() == {"type", "title", "status", "code", "detail"}
    assert document["code"] == case.code
    assert document["title"] == TITLES[case.code]
    assert case.told in document["detail"]
    assert "secret" not in str(document)
    assert held.items() >= SECURE_HEADERS.items()
    assert held["Cache-Control"] == "no-store"
    assert held["Connection"] == "close"
    assert held["Date"]
    if case.code != ErrorCode.BAD_REQUEST:
        assert document == problem_example(case.code)


def test_it_is_refused_on_a_connection_that_was_served_before(web: WholeWeb) -> None:
    with connected(web) as client:
        client.sendall(GET + b"\r\n")
        served = HTTPResponse(client)
        served.begin()
        assert served.read() == b'{"status":"ok"}\n'
        assert problem_to(client, NOT_READ[0])["code"] == "BAD_REQUEST"


def test_a_body_that_nobody_reads_is_answered_once(web: WholeWeb) -> None:
    broken = GET + b"Transfer-Encoding: chunked\r\n\r\n" + SECRET + b"\r\n"
    with connected(web) as client:
        answer, _ = answer_to(client, broken)
    assert answer.status == 200


def test_a_body_in_good_chunks_is_read(web: WholeWeb) -> None:
    sent = CHUNKED.replace(b"Host: localhost\r\n", b"Host: localhost\r\nConnection: close\r\n")
    with connected(web) as client:
        _, body = answer_to(client, sent + CHUNK.replace(b"AAPL", b"APPL") + b"0\r\n\r\n")
    assert json.loads(body)["errors"][0]["field"] == "symbol"


def test_a_client_that_leaves_before_its_answer_is_no_failure(web: WholeWeb) -> None:
    for case in (NOT_READ[0], BODIES[0]):
        with connected(web) as client:
            client.sendall(case.sent)
    assert web.get("/livez") == {"status": "ok"}


def test_clients_that_do_not_close_keep_nobody_waiting(web: WholeWeb) -> None:
    """If they were closed one after the other, the next request would time out."""
    leaving = GET.replace(b"localhost\r\n", b"localhost\r\nConnection: close\r\n") + b"\r\n"
    with ExitStack() as open_clients:
        clients = [open_clients.enter_context(connected(web)) for _ in range(40)]
        for client, sent in zip(
            clients, itertools.cycle([leaving, NOT_READ[0].sent]), strict=False
        ):
            client.sendall(sent)
        assert web.get("/livez") == {"status": "ok"}
        for client in clients:
            assert client.makefile("rb").read().startswith(b"HTTP/1.1 ")
            wait_until(lambda client=client: is_gone(client))  # type: ignore[misc]


def is_gone(client: socket.socket) -> bool:
    """Whether the server has closed its side completely, and reads no more."""
    try:
        client.send(b"x")
    except (ConnectionResetError, BrokenPipeError):
        return True
    return False


def test_the_log_tells_what_was_refused_without_its_secrets(web: WholeWeb) -> None:
    """Runs last in this module, when all effects of the requests above are in the log."""
    with connected(web) as client:
        document = problem_to(client, NOT_READ[1])
    lines = [json.loads(line) for line in web.log().splitlines()]
    refused = [
        line for line in lines if line["event"].startswith("Invalid request from ip=127.0.0.1: ")
    ]
    assert document["headers"]["X-Request-Id"] in {line["request_id"] for line in refused}
    assert not [line for line in lines if line["level"] in {"error", "critical"}]
    assert "_secret" not in web.log()
