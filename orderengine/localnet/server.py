"""JSON-RPC over HTTP on the loopback address: one server, two views of one chain."""

import json
import logging
import socket
import threading
import time
from collections.abc import Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from orderengine.localnet.errors import RpcRefusal
from orderengine.localnet.methods.table import call
from orderengine.localnet.node import LocalNode
from orderengine.localnet.views import View

LOOPBACK = "127.0.0.1"
PATHS = ("/", "/second")
"""Two URLs of one chain, each with faults of its own: two nodes that can disagree."""
_MOST_BYTES = 4_000_000
_MOST_HEADERS = 100
_LONGEST_HEADER = 65_536
_IDLE_S = 120
_OWN = "localnet_"
"""Methods with this beginning are out of the faults' reach."""

_log = logging.getLogger(__name__)


class RpcServer(ThreadingHTTPServer):
    """The server of a node; `views` are what its paths see. A thread a connection."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, node: LocalNode, port: int = 0, *, with_faults: bool = False) -> None:
        self.views = {path: View(node) for path in PATHS}
        self.with_faults = with_faults
        self._open: set[socket.socket] = set()
        self._thread: threading.Thread | None = None
        super().__init__((LOOPBACK, port), _Handler)

    @property
    def url(self) -> str:
        """The URL of the first view, without a slash at its end."""
        return f"http://{LOOPBACK}:{self.server_address[1]}"

    def start(self) -> None:
        """Answer requests in a thread of its own."""
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread and every connection."""
        if self._thread is not None:
            self.shutdown()
            self._thread.join()
        self.server_close()
        for connection in list(self._open):
            self.shutdown_request(connection)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve one connection."""
        self._open.add(request)
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._open.discard(request)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        """A client that went away is no error of the node."""
        _log.debug("a connection ended early", exc_info=True)


def serve_in_thread(node: LocalNode, *, with_faults: bool = False) -> RpcServer:
    """A running server of a node, on a free port; call `close` when it is no longer needed."""
    server = RpcServer(node, with_faults=with_faults)
    server.start()
    return server


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = _IDLE_S
    # Without it an answer waits for the acknowledgement of the one before.
    disable_nagle_algorithm = True
    wbufsize = -1
    server: RpcServer
    raw_requestline: bytes
    _length = 0

    def parse_request(self) -> bool:
        """Read the head of a POST; the library's parser takes longer than most methods."""
        words = self.raw_requestline.decode("latin-1").split()
        if len(words) != 3 or words[0] != "POST":
            return super().parse_request()
        self.requestline = " ".join(words)
        self.command, self.path, self.request_version = words
        head = {}
        for _ in range(_MOST_HEADERS):
            name, found, value = self.rfile.readline(_LONGEST_HEADER).partition(b":")
            if not found:
                break
            head[name.strip().lower()] = value.strip()
        length = head.get(b"content-length", b"0")
        self._length = int(length) if length.isdigit() else _MOST_BYTES + 1
        is_last = head.get(b"connection", b"").lower() == b"close"
        self.close_connection = is_last or self.request_version == "HTTP/1.0"
        return True

    def do_GET(self) -> None:
        # For whoever opens the address in a browser: `make run` prints it.
        self._answer(405, b'{"error": "this is JSON-RPC: POST requests to this address"}')

    def do_POST(self) -> None:
        view = self.server.views.get(self.path)
        length = self._length
        if view is None or length > _MOST_BYTES:
            self.close_connection = True
            self._answer(404 if view is None else 413, b"")
            return
        request = _parsed(self.rfile.read(length))
        if isinstance(request, RpcRefusal):
            self._answer(200, _encoded(_document(None, request)))
        elif _is_own(request):
            self._answer(200, _encoded(self._results(view, request)))
        else:
            self._answer_with_faults(view, request)

    def _answer_with_faults(self, view: View, request: Any) -> None:
        time.sleep(view.latency_s)
        if view.refuses():
            refusal = RpcRefusal(429, "Too many requests for a specific RPC call")
            self._answer(429, _encoded(_document(None, refusal)))
            return
        answer = _encoded(self._results(view, request))
        if view.loses(view.answer_loss_rate):
            self.close_connection = True
            return
        self._answer(200, answer)

    def _results(self, view: View, request: Any) -> Any:
        if isinstance(request, list):
            return [self._result(view, each) for each in request]
        return self._result(view, request)

    def _result(self, view: View, request: Any) -> Mapping[str, Any]:
        if not isinstance(request, dict) or not isinstance(request.get("method"), str):
            return _document(None, RpcRefusal(-32600, "Invalid request"))
        name, number = request["method"], request.get("id")
        params = request.get("params")
        if isinstance(params, dict):
            params = [params]
        try:
            result = call(view, name, params, with_faults=self.server.with_faults)
        except RpcRefusal as refusal:
            return _document(number, refusal)
        except Exception:  # noqa: BLE001 - a node answers every request
            _log.exception("the method %s failed", name)
            return _document(number, RpcRefusal(-32603, "Internal error"))
        return {"jsonrpc": "2.0", "result": result, "id": number}

    def _answer(self, status: int, body: bytes) -> None:
        head = [
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
            "Content-Type: application/json",
            f"Content-Length: {len(body)}",
            *(["Retry-After: 1"] if status == HTTPStatus.TOO_MANY_REQUESTS else []),
            *(["Connection: close"] if self.close_connection else []),
        ]
        self.wfile.write("\r\n".join([*head, "", ""]).encode() + body)
        self.wfile.flush()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        _log.debug(format, *args)


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return RpcRefusal(-32700, "Parse error")


def _is_own(request: Any) -> bool:
    method = request.get("method") if isinstance(request, dict) else None
    return isinstance(method, str) and method.startswith(_OWN)


def _document(number: object, refusal: RpcRefusal) -> Mapping[str, Any]:
    return {"jsonrpc": "2.0", "error": refusal.document(), "id": number}


def _encoded(document: Any) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()
