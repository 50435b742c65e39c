"""A real gunicorn refuses a request in which a decisive header is given twice."""

import json
import socket
from collections.abc import Iterator
from http.client import HTTPResponse

import pytest

from orderengine.webserver.head_reading_worker import DECISIVE_HEADERS
from tests.integration.test_refusals import ORDER, POST
from tests.integration.web_process import TIMEOUT_S, WholeWeb

OF_THE_SERVER = ("Content-Length", "Content-Type", "Host")


@pytest.fixture(scope="module")
def whole_web(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WholeWeb]:
    with WholeWeb(redis_url, tmp_path_factory.mktemp("web")) as running:
        yield running


@pytest.mark.parametrize("name", [*DECISIVE_HEADERS, *OF_THE_SERVER])
@pytest.mark.parametrize("second", ["the same", "another"])
def test_it_is_refused_and_named(whole_web: WholeWeb, name: str, second: str) -> None:
    values = ("1", "1") if second == "the same" else ("1", "2")
    given = "".join(f"{name}: {value}\r\n" for value in values)
    head = POST.replace(b"Content-Type: application/json\r\n", b"").replace(
        b"Host: localhost\r\n", b"" if name == "Host" else b"Host: localhost\r\n"
    )
    length = "" if name == "Content-Length" else f"Content-Length: {len(ORDER)}\r\n"
    sent = head + f"{given}{length}\r\n".encode() + ORDER
    with socket.create_connection(("127.0.0.1", whole_web.port), timeout=TIMEOUT_S) as client:
        client.sendall(sent)
        answer = HTTPResponse(client)
        answer.begin()
        document = json.loads(answer.read())
    assert (answer.status, document["code"]) == (400, "BAD_REQUEST")
    expected = "given twice" if name in OF_THE_SERVER else f"{name} must be given once only"
    assert expected in document["detail"]
