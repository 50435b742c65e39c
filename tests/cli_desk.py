"""A fake service for the commands: its HTTP answers, and sockets with given messages."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import websocket
from click.testing import CliRunner, Result

from orderengine.cli.common import Surroundings
from orderengine.cli.main import main
from orderengine.domain.moves import Move
from orderengine.stream.messages import event_text
from tests.fakes import FakeOrders
from tests.steps import Walk

Message = str | Exception


class FakeSocket:
    """Gives its messages, then breaks as a lost connection does."""

    has_told_all = False

    def __init__(self, messages: list[Message]) -> None:
        self._messages = iter(messages)
        self.closed = False

    def recv(self) -> str:
        message = next(self._messages, ConnectionResetError("lost"))
        if isinstance(message, Exception):
            raise message
        return message

    def close(self) -> None:
        self.closed = True


def messages(*moves: Move) -> list[Message]:
    """The messages of an order that took these moves."""
    walk = Walk(FakeOrders())
    walk.steps(*moves)
    return [event_text(event) for event in walk.events]


def refusal(
    status: int, headers: dict[str, str] | None = None
) -> websocket.WebSocketBadStatusException:
    problem = b'{"code":"ORDER_NOT_FOUND","detail":"there is no order with this id"}'
    body = problem if status == 404 else b"<html>"
    return websocket.WebSocketBadStatusException(
        "refused %s %s", status, resp_headers=headers, resp_body=body
    )


class Desk:
    """A service that records its requests, and gives every order the same answer.

    `before` are the answers to the first orders; status 0 means no answer. `headers` go with each
    answer; `refusals` are the answers to the first GET requests. `changes` are the answers to the
    first requests that cancel or amend, whose methods, paths, bodies and versions are `asked`.
    """

    def __init__(self) -> None:
        self.status, self.answer = 202, b'{"orderId":"7a5f"}'
        self.traded = b'{"instruments":[]}'
        self.received: list[tuple[str, Any]] = []
        self.keys: list[str] = []
        self.names: list[str] = []
        self.before: list[tuple[int, bytes]] = []
        self.pages: dict[str, bytes] = {}
        self.statuses: dict[str, int] = {}
        self.headers: dict[str, str] = {}
        self.refusals: list[tuple[int, bytes]] = []
        self.changes: list[tuple[int, bytes]] = []
        self.asked: list[tuple[str, str, Any, str | None]] = []
        self.server = _Server(self)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    @property
    def usual(self) -> tuple[int, bytes]:
        """The answer to each single order."""
        return self.status, self.answer


def accepted(batch: dict[str, Any]) -> bytes:
    """The answer to a batch of which every order but a sale is accepted."""
    results: list[dict[str, Any]] = [
        {"status": 202, "order": {"orderId": f"o-{place}"}}
        if order.get("side") != "sell"
        else {"status": 400, "problem": {"code": "VALIDATION_FAILED", "detail": "no sales"}}
        for place, order in enumerate(batch["orders"])
    ]
    return json.dumps({"results": results}).encode()


class _Server(HTTPServer):
    def __init__(self, desk: Desk) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.desk = desk


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        desk = self.server.desk
        body = self.rfile.read(int(self.headers["Content-Length"]))
        desk.received.append((self.path, json.loads(body)))
        desk.keys.append(self.headers.get("Authorization", ""))
        desk.names.append(self.headers["Idempotency-Key"])
        usual = (200, accepted(desk.received[-1][1])) if "/batch" in self.path else desk.usual
        status, answer = desk.before.pop(0) if desk.before else usual
        if not status:
            return  # and the connection is closed
        self.tell(status, answer)

    def do_DELETE(self) -> None:
        self.change()

    def do_PATCH(self) -> None:
        self.change()

    def change(self) -> None:
        desk = self.server.desk
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        version = self.headers.get("If-Match")
        desk.asked.append((self.command, self.path, json.loads(body or b"null"), version))
        status, answer = desk.changes.pop(0)
        if status:
            self.tell(status, answer)

    def do_GET(self) -> None:
        desk = self.server.desk
        if desk.refusals:
            self.tell(*desk.refusals.pop(0))
        else:
            self.tell(desk.statuses.get(self.path, 200), desk.pages.get(self.path, desk.traded))

    def tell(self, status: int, page: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(page)))
        for name, value in self.server.desk.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def open_desk() -> Iterator[Desk]:
    desk = Desk()
    thread = threading.Thread(target=desk.server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield desk
    finally:
        desk.server.shutdown()
        thread.join()
        desk.server.server_close()


def call(*arguments: str, around: Surroundings | None = None) -> Result:
    """Run a command of the command line; returns its output and exit status."""
    return CliRunner().invoke(main, list(arguments), obj=around or Surroundings())
