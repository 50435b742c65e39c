"""A web process as the Procfile starts it, around the small application of `updates_app`."""

import contextlib
import json
import socket
import struct
import subprocess
import urllib.request
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import websocket

from harness.stack import Stack

APPLICATION = "orderengine.api.app:create_app()"
NO_DATABASE = "postgresql://nobody@127.0.0.1:1/none_test"
TIMEOUT_S = 15.0
IDLE = {"open": 0, "followers": 0}

KEY = "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg=="
ODD_HEADERS = (
    "Sec-WebSocket-Extensions: permessage-deflate\r\nSec-WebSocket-Protocol: a, b\r\nX-Odd: \xff"
)

Document = dict[str, Any]


class AllOrders:
    """The messages of a socket of all orders so far: texts by order, and the last cursor."""

    def __init__(self, client: websocket.WebSocket) -> None:
        self.client = client
        self.texts: dict[str, list[str]] = defaultdict(list)
        self.cursor: str | None = None

    def take(self) -> Document:
        """The next message."""
        text = self.client.recv()
        assert isinstance(text, str)
        assert text, "the socket was closed"
        message: Document = json.loads(text)
        if "cursor" in message:
            self.cursor = message["cursor"]
        else:
            self.texts[message["orderId"]].append(text)
        return message

    def catch_up(self) -> str:
        """Take messages up to a cursor after the replay."""
        while "cursor" not in (message := self.take()) or "replay" in message:
            pass
        return str(message["cursor"])

    def take_to_the_end_of(self, *order_ids: str) -> None:
        """Take messages until these orders have ended."""
        left = set(order_ids)
        while left:
            message = self.take()
            if message.get("status") in {"confirmed", "failed"}:
                left.discard(message["orderId"])

    def seqs(self, order_id: str) -> list[int]:
        return seqs(self.texts[order_id])


class Web(Stack):
    """The web line of the Procfile around another application, and the tests' requests."""

    migrates = False
    starts = ("web",)
    application = "tests.integration.updates_app:create_app()"
    ready_path = "/state"
    files = 0
    """How many files it may have open; 0 is the machine's own limit."""

    def __init__(self, redis_url: str, folder: Path, **environ: str) -> None:
        settings = {"DATABASE_URL": NO_DATABASE, "WS_MAX_SOCKETS": "60", **environ}
        super().__init__(settings.pop("DATABASE_URL"), redis_url, folder, **settings)
        shell, option, line = self.lines["web"]
        assert APPLICATION in line
        limit = f"ulimit -n {self.files}; " if self.files else ""
        self.lines["web"] = [shell, option, limit + line.replace(APPLICATION, self.application)]

    @property
    def process(self) -> "subprocess.Popen[bytes]":
        return self._running["web"]

    def is_ready(self) -> bool:
        return bool(self.get(self.ready_path))

    def log(self) -> str:
        return self.logs("web")

    def get(self, path: str) -> Document:
        return self._http(path)

    def post(self, path: str, **body: object) -> Document:
        return self._http(path, json.dumps(body).encode())

    def state(self) -> Document:
        return self._http("/state")

    def is_idle(self) -> bool:
        state = self.state()
        return all(state[name] == value for name, value in IDLE.items())

    def order(self, client_id: str = "local") -> str:
        """The id of a new order."""
        return str(self.post(f"/orders?client={client_id}")["orderId"])

    def updates_url(self, order_id: str, after: int | None = None) -> str:
        query = f"orderId={order_id}" + ("" if after is None else f"&after={after}")
        return f"ws://127.0.0.1:{self.port}/ws/orders?{query}"

    def key(self, client_id: str) -> Document:
        """A new key of a client: its `keyId`, and the `key`."""
        return self.post(f"/keys/{client_id}")

    @contextlib.contextmanager
    def follow_all(
        self, key: str | None = None, query: str = "", **options: Any
    ) -> Iterator[AllOrders]:
        """A socket of all orders of the client with this key; without a key, of everybody's."""
        client = websocket.create_connection(
            f"ws://127.0.0.1:{self.port}/ws/orders{query}",
            timeout=TIMEOUT_S,
            header={"Authorization": f"Bearer {key}"} if key else {},
            **options,
        )
        try:
            yield AllOrders(client)
        finally:
            client.shutdown()  # type: ignore[no-untyped-call]

    @contextlib.contextmanager
    def follow(
        self, order_id: str, after: int | None = None, **options: Any
    ) -> Iterator[websocket.WebSocket]:
        client = websocket.create_connection(
            self.updates_url(order_id, after), timeout=TIMEOUT_S, **options
        )
        try:
            yield client
        finally:
            client.shutdown()  # type: ignore[no-untyped-call]

    def _http(self, path: str, body: bytes | None = None) -> Document:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}",
            data=body,
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310
            document: Document = json.load(answer)
            return document


class WholeWeb(Web):
    """The web line as it is. Its servers are nowhere unless it is given some."""

    application = APPLICATION
    ready_path = "/livez"


def next_event(client: websocket.WebSocket) -> Document:
    text = client.recv()
    assert isinstance(text, str)
    assert text, "the socket was closed"
    event: Document = json.loads(text)
    return event


def rest(client: websocket.WebSocket) -> tuple[list[str], int]:
    """All messages until the close, and its code."""
    texts: list[str] = []
    while True:
        # Not `recv_data`, which answers a close and fails if the connection is gone by then.
        frame = client.recv_frame()  # type: ignore[no-untyped-call]
        if frame.opcode == websocket.ABNF.OPCODE_CLOSE:
            return texts, struct.unpack("!H", frame.data[:2])[0]
        if frame.opcode == websocket.ABNF.OPCODE_PING:
            client.pong(frame.data)
        elif frame.opcode == websocket.ABNF.OPCODE_TEXT:
            texts.append(frame.data.decode())


def seqs(texts: list[str]) -> list[int]:
    return [json.loads(text)["seq"] for text in texts]


def refusal(url: str, **options: Any) -> tuple[int, Document, Document]:
    """Status, headers and problem of a refused handshake."""
    with pytest.raises(websocket.WebSocketBadStatusException) as caught:
        websocket.create_connection(url, timeout=TIMEOUT_S, **options)
    error = caught.value
    headers = {name.lower(): value for name, value in (error.resp_headers or {}).items()}
    assert headers["content-type"] == "application/problem+json"
    body = error.resp_body
    assert body is not None
    return error.status_code, headers, json.loads(body)


@contextlib.contextmanager
def raw_handshake(web: Web, order_id: str, headers: str) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", web.port), timeout=TIMEOUT_S) as client:
        client.sendall(
            f"GET /ws/orders?orderId={order_id} HTTP/1.1\r\nHost: localhost\r\n"
            f"Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n{headers}\r\n\r\n".encode(
                "latin-1"
            )
        )
        yield client


@pytest.fixture(scope="module")
def web(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with Web(redis_url, tmp_path_factory.mktemp("web")) as running:
        yield running
