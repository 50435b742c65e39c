"""The stack as the Procfile starts it, and a client of it."""

import contextlib
import json
import signal
import struct
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

import websocket

import harness.stack
from harness.processes import ROOT, START_TIMEOUT_S, STOP_TIMEOUT_S
from harness.waiting import wait_until
from orderengine.local.ports import LOOPBACK

TIMEOUT_S = 40.0
ASK_PAUSE_S = 0.1
"""The pause between two requests to the API: waiting must not use up the address's rate limit."""

WORKER_IS_READY = " ready."
LOGS = ("release", "web", "worker", "flower")

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Following:
    """The messages that a socket got, in order, and its close code."""

    texts: Sequence[str]
    code: int

    @property
    def events(self) -> list[Document]:
        return [json.loads(text) for text in self.texts]

    @property
    def seqs(self) -> list[int]:
        return [event["seq"] for event in self.events]

    @property
    def statuses(self) -> list[str]:
        return [event["status"] for event in self.events]


class Stack(harness.stack.Stack):
    """The web and the worker of the Procfile, and a client of them.

    `headers` are added to every request, and `answers` keeps the text of all answers.
    """

    ready_pause_s = ASK_PAUSE_S

    def __init__(self, database_url: str, redis_url: str, folder: Path, **environ: str) -> None:
        super().__init__(database_url, redis_url, folder, **environ)
        self.answers: list[str] = []
        self.headers: dict[str, str] = {}
        self.database_url = database_url
        self.redis_url = redis_url

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        late = self.stop()
        assert not late, f"{late} did not end within {STOP_TIMEOUT_S:.0f} s"

    def post(self, symbol: str, side: str, quantity: str, **more: object) -> str:
        """Place an order; returns its id."""
        return self.place(symbol=symbol, side=side, quantity=quantity, **more)

    def place(self, **order: object) -> str:
        """Place an order with these fields; returns its id."""
        accepted = self._http("/api/orders/execute", json.dumps(order).encode())
        return str(accepted["orderId"])

    def post_many(self, count: int, symbol: str = "AAPL", **more: object) -> list[str]:
        """Place small orders at the same time; returns their ids."""
        with ThreadPoolExecutor(count) as threads:
            placed = [threads.submit(self.post, symbol, "buy", "1", **more) for _ in range(count)]
            return [each.result() for each in placed]

    def get(self, path: str) -> Document:
        return self._http(path)

    def text(self, path: str) -> str:
        request = urllib.request.Request(self.url + path, headers=self.headers)  # noqa: S310
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310
            text: str = answer.read().decode()
        self.answers.append(text)
        return text

    def order(self, order_id: str) -> Document:
        return self.get(f"/api/orders/{order_id}")

    @contextlib.contextmanager
    def socket(self, order_id: str, after: int = 0) -> Iterator[websocket.WebSocket]:
        query = f"orderId={order_id}" + (f"&after={after}" if after else "")
        client = websocket.create_connection(
            f"ws://{LOOPBACK}:{self.port}/ws/orders?{query}",
            timeout=TIMEOUT_S,
            header=self.headers,
        )
        try:
            yield client
        finally:
            client.shutdown()  # type: ignore[no-untyped-call]

    def follow(self, order_id: str, after: int = 0) -> Following:
        """Follow an order until the socket is closed."""
        with self.socket(order_id, after) as client:
            return rest(client)

    @contextlib.contextmanager
    def following(self, order_ids: Sequence[str]) -> Iterator[list[Future[Following]]]:
        """Follow orders in threads; the end of the block waits for them."""
        with ThreadPoolExecutor(len(order_ids)) as threads:
            yield [threads.submit(self.follow, order_id) for order_id in order_ids]

    def follow_many(self, order_ids: Sequence[str]) -> list[Following]:
        with self.following(order_ids) as following:
            return [each.result() for each in following]

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> None:
        """Signal a process and its children, as a host does."""
        self.signal(name, number)

    def is_ready(self) -> bool:
        """Whether the web answers, and sees Redis and a worker."""
        with contextlib.suppress(OSError):
            return not {"redis", "worker"} & set(self.get("/readyz")["degraded"])
        return False

    def restart(self, name: str, number: signal.Signals = signal.SIGTERM, **environ: str) -> None:
        """End a process if it still runs, start it again, and wait until it is ready."""
        if self.is_running(name):
            self.kill(name, number)
        self.wait(name)
        self.environ |= environ
        ready = self.logs("worker").count(WORKER_IS_READY)
        self.start_line(name)
        if name == "worker":
            wait_until(lambda: self.logs(name).count(WORKER_IS_READY) > ready, START_TIMEOUT_S)
        self.wait_ready()

    def command(self, *arguments: str, **environ: str) -> "subprocess.CompletedProcess[str]":
        """Run a command of the engine's command line, with the stack's servers and port."""
        return subprocess.run(
            [sys.executable, "-m", "orderengine", *arguments],
            cwd=ROOT,
            env={
                "PATH": self.environ["PATH"],
                "DATABASE_URL": self.database_url,
                "REDIS_URL": self.redis_url,
                "PORT": str(self.port),
                **environ,
            },
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )

    def log_lines(self, name: str) -> list[Document]:
        """The structured lines of a log."""
        return [json.loads(line) for line in self.logs(name).splitlines() if line.startswith("{")]

    def leaked_passwords(self) -> list[str]:
        """The passwords of the URLs that appear in a log or an answer."""
        told = "".join([*self.answers, *map(self.logs, LOGS)])
        parts = (urlsplit(self.database_url), urlsplit(self.redis_url))
        return [part.password for part in parts if part.password and part.password in told]

    def _http(self, path: str, body: bytes | None = None) -> Document:
        headers = {"Content-Type": "application/json", **self.headers}
        request = urllib.request.Request(self.url + path, data=body, headers=headers)  # noqa: S310
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310
            assert answer.status == (200 if body is None else 202)
            text = answer.read().decode()
        self.answers.append(text)
        document: Document = json.loads(text)
        return document


def next_event(client: websocket.WebSocket) -> Document:
    text = client.recv()
    assert text, "the socket was closed"
    event: Document = json.loads(text)
    return event


def rest(client: websocket.WebSocket) -> Following:
    """All messages until the close."""
    texts: list[str] = []
    while True:
        # Not `recv_data`, which answers a close and fails if the connection is gone by then.
        frame = client.recv_frame()  # type: ignore[no-untyped-call]
        if frame.opcode == websocket.ABNF.OPCODE_CLOSE:
            return Following(texts, struct.unpack("!H", frame.data[:2])[0])
        if frame.opcode == websocket.ABNF.OPCODE_PING:
            client.pong(frame.data)
        elif frame.opcode == websocket.ABNF.OPCODE_TEXT:
            texts.append(frame.data.decode())
