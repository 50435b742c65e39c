"""An orderengine as its clients see it: REST, and the stream of an order's events."""

import http.client
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol, cast
from urllib.parse import SplitResult, urlencode, urlsplit

import websocket

from orderengine.domain.order import known_status

TIMEOUT_S = 10.0
RECONNECT_AFTER_S = 0.5
GIVE_UP_AFTER_S = 30.0
VISIBLE_ASCII = re.compile("[!-~]*")
NOTHING: Mapping[str, str] = {}
NORMAL_CLOSURE = (1000).to_bytes(2)
TERMINAL = {"confirmed": 0, "failed": 1}
"""The statuses that end an order, with the exit status of a command that followed it there."""

Event = Mapping[str, Any]


def code_of(status: str) -> int:
    """The exit status for an order that ended so; one that is not known here is no success."""
    return TERMINAL.get(status, 1)


class CannotGoOn(Exception):
    """The order was refused, or its service is out of reach; the message says it in one line."""


class Denied(CannotGoOn):
    """The service refused what was asked; `code` is its reason, for programs."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class NoAnswer(CannotGoOn):
    """No answer of an orderengine came; `may_have_arrived` tells whether one got the request."""

    def __init__(self, message: str, *, may_have_arrived: bool) -> None:
        super().__init__(message)
        self.may_have_arrived = may_have_arrived


class Socket(Protocol):
    """The part of a WebSocket that following needs.

    `has_told_all` is true once the server has closed it because nothing more can come.
    """

    has_told_all: bool

    def recv(self) -> str | bytes:
        """The next message; empty when the server closed."""

    def close(self) -> None:
        """Close the connection."""


class UpdatesSocket(websocket.WebSocket):
    """A WebSocket that remembers why the server closed it."""

    has_told_all = False

    def recv(self) -> str:
        """The next message; empty when the server closed."""
        opcode, data = self.recv_data()
        if opcode == websocket.ABNF.OPCODE_CLOSE:
            self.has_told_all = data[:2] == NORMAL_CLOSURE
            return ""
        return str(data.decode())


class Service:
    """An orderengine at a URL; `api_key` names the client to one that asks for it.

    Raises CannotGoOn for a key that no header can carry.
    """

    def __init__(self, url: SplitResult, api_key: str = "") -> None:
        self.shown = url.geturl()
        self._parts = url
        self._base = url.path.rstrip("/")
        if not VISIBLE_ASCII.fullmatch(api_key):
            raise CannotGoOn("ORDERENGINE_API_KEY has characters that no key has")
        self._headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}

    def execute(self, order: Mapping[str, Any], key: str) -> tuple[int, Mapping[str, Any]]:
        """Ask once for an order under an Idempotency-Key: status and document; raises NoAnswer."""
        headers = {"Content-Type": "application/json", "Idempotency-Key": key}
        return self._ask("POST", "/api/orders/execute", json.dumps(order), headers)

    def get(self, path: str, **query: object) -> Mapping[str, Any]:
        """Read a document; parameters that are None are left out. Raises CannotGoOn."""
        given = urlencode({name: value for name, value in query.items() if value is not None})
        status, document = self._ask("GET", f"{path}?{given}" if given else path)
        if status != http.client.OK:
            raise refused(status, document)
        return document

    def instruments(self) -> Sequence[Mapping[str, Any]]:
        """What can be traded; raises CannotGoOn."""
        document = self.get("/api/instruments")
        if not document.get("instruments"):
            message = f"{self.shown} tells of no instruments"
            raise CannotGoOn(message)
        return list(document["instruments"])

    def readiness(self) -> tuple[int, Mapping[str, Any]]:
        """What `/readyz` answers: status and document; raises NoAnswer."""
        return self._ask("GET", "/readyz")

    def asks_for_keys(self) -> bool:
        """Whether it lets nobody in without a key; raises NoAnswer."""
        stranger = Service(self._parts)
        status, _ = stranger._ask("GET", "/api/instruments")
        return status == http.client.UNAUTHORIZED

    def connect(self, order_id: str, after: int) -> Socket:
        """Open the stream of an order's events beyond `after`."""
        scheme = "wss" if self._parts.scheme == "https" else "ws"
        place = f"{self._parts.netloc}{self._base}"
        query = urlencode({"orderId": order_id, "after": after})
        address = f"{scheme}://{place}/ws/orders?{query}"
        socket = websocket.create_connection(
            address,
            timeout=TIMEOUT_S,
            header=self._headers,
            # As REST does: the library would send even loopback through `http_proxy`, and reads
            # whom to reach without a proxy only where one is named.
            http_proxy_host="none",
            http_no_proxy=["*"],
            class_=UpdatesSocket,
        )
        return cast("UpdatesSocket", socket)

    def _ask(
        self, method: str, path: str, body: str | None = None, headers: Mapping[str, str] = NOTHING
    ) -> tuple[int, dict[str, Any]]:
        secure = self._parts.scheme == "https"
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        connection = kind(self._parts.hostname or "", self._parts.port, timeout=TIMEOUT_S)
        try:
            connection.connect()
        except OSError as error:
            message = f"nothing answers at {self.shown}: start it with make run"
            raise NoAnswer(message, may_have_arrived=False) from error
        message = f"no answer of an orderengine came from {self.shown}"
        try:
            connection.request(method, f"{self._base}{path}", body, {**self._headers, **headers})
            answer = connection.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise NoAnswer(message, may_have_arrived=True) from error
        finally:
            connection.close()
        document = _object(text)
        if document is None:
            # A gateway makes pages of its own for what it does not know either.
            in_doubt = answer.status >= http.client.INTERNAL_SERVER_ERROR
            raise NoAnswer(message, may_have_arrived=in_doubt)
        return answer.status, document


def refused(status: int, document: Mapping[str, Any]) -> Denied:
    """The error that a refusal is."""
    code = str(document.get("code", status))
    hint = "; ORDERENGINE_API_KEY has it here" if status == http.client.UNAUTHORIZED else ""
    return Denied(code, f"refused ({code}): {document.get('detail', '')}{hint}")


def _object(text: bytes | None) -> dict[str, Any] | None:
    """A JSON object; None for anything else."""
    try:
        parsed = json.loads(text or b"")
    except ValueError:
        return None
    return parsed if isinstance(parsed, dict) else None


def follow(
    connect: Callable[[int], Socket],
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> Iterator[Event]:
    """The events of an order as they arrive, up to the terminal one, over any lost connection.

    A later release may end an order with a status that is not known here; its socket says so.

    Raises CannotGoOn when the stream is refused, or out of reach for 30 seconds.
    """
    seen, status, alive_at = 0, "pending", clock()
    while True:
        try:
            socket = connect(seen)
            alive_at = clock()
            for event in _receive(socket):
                seen, status = event["seq"], event["status"]
                yield event
                if status in TERMINAL:
                    return
            if socket.has_told_all and known_status(status) is None:
                return
        except websocket.WebSocketBadStatusException as error:
            _require_passing(error)
        except (OSError, websocket.WebSocketException):
            pass  # a lost connection: the next one goes on after the last event seen
        if clock() - alive_at > GIVE_UP_AFTER_S:
            raise CannotGoOn("the stream is gone; the order goes on without a watcher")
        pause(RECONNECT_AFTER_S)


def _require_passing(error: websocket.WebSocketBadStatusException) -> None:
    """Return if the same may be asked again later; raises Denied."""
    if error.status_code < http.client.INTERNAL_SERVER_ERROR:
        raise refused(error.status_code, _object(error.resp_body) or {}) from error


def telling(event: Event) -> str:
    """What is worth telling of an event beside its status."""
    data = event["data"]
    match event["status"]:
        case "pending" if "reason" in data:
            return f"{data['reason']}: {data['detail']}; again in {data['retryInMs']} ms"
        case "routing" if data.get("cause", "order") != "order":
            return f"because of: {data['cause']}"
        case "building":
            quotes = ", ".join(f"{quote['dex']} {quote['price']}" for quote in data["quotes"])
            return f"{data['dex']} at {data['quotedPrice']} (quotes: {quotes or 'none'})"
        case "submitted":
            return f"tx {data['txHash']}"
        case "confirmed":
            slippage = f"slippage {data['slippagePct']} % (positive is worse)"
            return f"executed at {data['executedPrice']}, {slippage}, fee {data['fee']} USDC"
        case "failed":
            return f"{data['reason']}: {data['detail']}"
        case _:
            return ""


def _receive(socket: Socket) -> Iterator[Event]:
    try:
        while text := socket.recv():
            yield json.loads(text)
    finally:
        socket.close()


def service_url(text: str) -> SplitResult:
    """Read the URL of a service; raises ValueError for one that is none."""
    parts = urlsplit(text)
    try:
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:  # a port that is no number, or out of range
        usable = False
    if not usable:
        raise ValueError("must be an http:// or https:// URL")
    return parts
