"""A web process as the Procfile starts it, around the small application of `updates_app`."""

import contextlib
import json
import os
import socket
import struct
import subprocess
import sys
import urllib.request
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest
import websocket

from orderengine.local.ports import free_port
from tests.integration.streams import wait_until

ROOT = Path(__file__).parent.parent.parent
TIMEOUT_S = 15.0
IDLE = {"readers": 0, "open": 0, "followers": 0}

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


class Web:
    """A web process, with the requests that the tests make."""

    application = "tests.integration.updates_app:create_app()"
    ready_path = "/state"
    wrapped_in: Sequence[str] = ()

    def __init__(self, redis_url: str, log: Path, **environ: str) -> None:
        self.port = free_port()
        self.home = log.parent
        self._log = log
        self._environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(log.parent),
            "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none_test",
            "REDIS_URL": redis_url,
            "HOST": "127.0.0.1",
            "PORT": str(self.port),
            "WS_MAX_SOCKETS": "60",
            **environ,
        }

    def __enter__(self) -> Self:
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [
                    *self.wrapped_in,
                    *(sys.executable, "-m", "gunicorn"),
                    *("--config", "python:orderengine.webserver.gunicorn_conf"),
                    self.application,
                ],
                cwd=ROOT,
                env=self._environ,
                stdout=log,
                stderr=log,
            )
        wait_until(self._answers)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.process.terminate()
        self.process.wait(30)

    def _answers(self) -> bool:
        assert self.process.poll() is None, self.log()
        with contextlib.suppress(OSError):
            return bool(self.get(self.ready_path))
        return False

    def log(self) -> str:
        return self._log.read_text()

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

    def url(self, order_id: str, after: int | None = None) -> str:
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
            self.url(order_id, after), timeout=TIMEOUT_S, **options
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
        opcode, data = client.recv_data()
        if opcode == websocket.ABNF.OPCODE_CLOSE:
            return texts, struct.unpack("!H", data[:2])[0]
        texts.append(data.decode())


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
