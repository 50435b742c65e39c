"""The JSON-RPC client: bounded in time and size, no verdict from an error, and no secret told."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from orderengine.solana import rpc
from orderengine.solana.rpc import Node, Rpc
from orderengine.solana.rpc_errors import RpcRefused, RpcUnavailable

Answer = tuple[int, dict[str, str], bytes]


class FakeNode:
    """An HTTP server that gives the answers that a test names, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.connections = 0
        self.answer: Callable[[dict[str, Any]], Answer] = result_of("ok")
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                outer.connections += 1
                super().setup()

            def do_POST(self) -> None:
                document = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.asked.append(document)
                status, headers, body = outer.answer(document)
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/?api-key=secret"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def result_of(value: object) -> Callable[[dict[str, Any]], Answer]:
    return lambda asked: body_of({"jsonrpc": "2.0", "id": asked["id"], "result": value})


def error_of(code: object, message: str) -> Callable[[dict[str, Any]], Answer]:
    error = {"code": code, "message": message}
    return lambda asked: body_of({"jsonrpc": "2.0", "id": asked["id"], "error": error})


def body_of(document: object) -> Answer:
    return 200, {}, json.dumps(document).encode()


@pytest.fixture
def server() -> Iterator[FakeNode]:
    server = FakeNode()
    yield server
    server.close()


@pytest.fixture
def other() -> Iterator[FakeNode]:
    server = FakeNode()
    yield server
    server.close()


def test_a_method_is_called_with_its_parameters(server: FakeNode) -> None:
    server.answer = result_of({"value": 7})
    told: list[tuple[str, str]] = []
    node = Node(server.url, lambda method, _, outcome: told.append((method, outcome)))
    assert node.call("getBalance", "address", {"commitment": "confirmed"}) == {"value": 7}
    (asked,) = server.asked
    assert asked["params"] == ["address", {"commitment": "confirmed"}]
    assert told == [("getBalance", "ok")]


@pytest.mark.parametrize(
    "answer",
    [
        (500, {}, b"oops"),
        (200, {}, b""),
        (200, {}, b"[1]"),
        (200, {}, b"\xff"),
        (200, {}, b"[" * 100_000),
        (200, {}, b'{"jsonrpc": "2.0", "id": 0, "result": 1}'),
        (200, {}, b'{"jsonrpc": "2.0", "id": 1}'),
        (302, {"Location": "http://127.0.0.1:1/"}, b""),
        (503, {}, b'{"jsonrpc": "2.0", "id": 1, "result": 1}'),
    ],
)
def test_an_answer_that_is_none_is_no_result(server: FakeNode, answer: Answer) -> None:
    server.answer = lambda _: answer
    with pytest.raises(RpcUnavailable):
        Node(server.url).call("getSlot")
    assert len(server.asked) == 1


@pytest.mark.parametrize("code", [-32005, -32002, -32011, 1, "x", None, True])
def test_an_error_is_told_with_its_code(server: FakeNode, code: object) -> None:
    server.answer = error_of(code, "no")
    with pytest.raises(RpcRefused) as refused:
        Node(server.url).call("getSlot")
    assert refused.value.code == (code if type(code) is int else 0)


def test_an_answer_without_end_is_cut(server: FakeNode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rpc, "MAX_ANSWER_BYTES", 100_000)
    node = Node(server.url)
    server.answer = result_of("x" * 200_000)
    with pytest.raises(RpcUnavailable, match="too large"):
        node.call("getSlot")
    server.answer = result_of(3)
    assert node.call("getSlot") == 3


def test_a_slow_answer_is_not_waited_for(server: FakeNode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rpc, "ANSWER_TIMEOUT_S", 0.05)
    released = threading.Event()

    def answer(asked: dict[str, Any]) -> Answer:
        released.wait(10)
        return result_of(1)(asked)

    server.answer = answer
    told: list[str] = []
    with pytest.raises(RpcUnavailable, match="no answer"):
        Node(server.url, lambda _, __, outcome: told.append(outcome)).call("getSlot")
    released.set()
    assert told == ["timeout"]


@contextmanager
def dripping(beginning: bytes, drop: bytes) -> Iterator[str]:
    """The URL of a server that goes on sending a little, until it is left."""
    left = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection, suppress(OSError):
                connection.recv(65_536)
                connection.sendall(beginning)
                while not left.wait(0.02):
                    connection.sendall(drop)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}"
        finally:
            left.set()
            thread.join(10)
    assert not thread.is_alive()


@pytest.mark.parametrize(
    ("beginning", "drop"),
    [
        (b"", b"H"),
        (b"HTTP/1.1 200 OK\r\nX: ", b"y"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", b" "),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    ],
)
def test_an_answer_that_comes_drop_by_drop_has_an_end(
    beginning: bytes, drop: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rpc, "ANSWER_TIMEOUT_S", 0.2)
    told: list[str] = []
    with (
        dripping(beginning, drop) as url,
        pytest.raises(RpcUnavailable, match="no answer"),
    ):
        Node(url, lambda _, __, outcome: told.append(outcome)).call("getSlot")
    assert told == ["timeout"]


def test_a_connection_is_used_again_after_an_answer(server: FakeNode) -> None:
    node = Node(server.url)
    for value in range(3):
        server.answer = result_of("x" * 200_000 * value)
        assert len(node.call("getSlot")) == 200_000 * value
    assert server.connections == 1


def test_no_text_of_a_node_is_one_that_postgresql_refuses(server: FakeNode) -> None:
    server.answer = error_of(1, "a\x00b\ud800c")
    with pytest.raises(RpcUnavailable, match=r"a\?b\?c"):
        Node(server.url).call("getSlot")


def test_no_error_tells_the_url(server: FakeNode) -> None:
    node = Node(server.url)
    server.close()
    with pytest.raises(RpcUnavailable) as refused:
        node.call("getSlot")
    assert "secret" not in str(refused.value)
    assert refused.value.__cause__ is None
    assert "secret" not in node.name


def test_a_node_that_limits_requests_is_left_alone(server: FakeNode) -> None:
    now = [100.0]
    node = Node(server.url, clock=lambda: now[0])
    server.answer = lambda _: (429, {"Retry-After": "7"}, b"slow down")
    for _ in range(3):
        with pytest.raises(RpcUnavailable):
            node.call("getSlot")
    assert len(server.asked) == 1
    server.answer = result_of(1)
    now[0] += 7
    assert node.call("getSlot") == 1


def slot_of(node: Node) -> object:
    return node.call("getSlot")


def test_the_next_node_is_asked_and_a_silent_one_comes_last(
    server: FakeNode, other: FakeNode
) -> None:
    now = [100.0]
    client = Rpc([Node(server.url), Node(other.url)], clock=lambda: now[0])
    server.answer, other.answer = error_of(-32005, "behind"), result_of("second")
    assert client.ask(slot_of) == client.ask(slot_of) == "second"
    assert len(server.asked) == 1
    now[0] += rpc.AVOIDED_S
    server.answer = result_of("first")
    assert client.ask(slot_of) == "first"


def test_the_last_node_s_error_is_told_where_none_answers(
    server: FakeNode, other: FakeNode
) -> None:
    client = Rpc([Node(server.url), Node(other.url)])
    server.answer, other.answer = error_of(-32005, "behind"), error_of(-32011, "no history")
    with pytest.raises(RpcRefused, match="no history"):
        client.ask(slot_of)
