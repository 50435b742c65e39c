"""A client of an orderengine: REST, and the sockets of its streams."""

import http.client
import json
import re
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, cast
from urllib.parse import SplitResult, urlencode, urlsplit

import websocket

from orderengine.cli.limits import BUSY, Answer, Pace, retry_after_s

TIMEOUT_S = 10.0
GIVE_UP_AFTER_S = 30.0
VISIBLE_ASCII = re.compile("[!-~]*")
NOTHING: Mapping[str, str] = {}
NORMAL_CLOSURE = (1000).to_bytes(2)


class CannotGoOn(Exception):
    """The order was refused, or its service is out of reach; the message says it in one line."""


class RequestRefused(CannotGoOn):
    """The service refused a request; `code` is its reason, for programs.

    `later_s` is the wait in seconds that it asks for, if it is only busy.
    """

    def __init__(self, code: str, message: str, later_s: float | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.later_s = later_s


class NoAnswer(CannotGoOn):
    """No orderengine answered; `may_have_arrived` is True if one may have got the request."""

    def __init__(self, message: str, *, may_have_arrived: bool) -> None:
        super().__init__(message)
        self.may_have_arrived = may_have_arrived


class Socket(Protocol):
    """The part of a WebSocket that following needs.

    `has_told_all` is True once the server has closed it because no more events can come.
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
    """An orderengine at a URL; every request carries `api_key` unless it is empty.

    Raises CannotGoOn for a key that no header can carry.
    """

    def __init__(
        self,
        url: SplitResult,
        api_key: str = "",
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._clock, self._pause = clock, pause
        self._pace = Pace(clock, pause)
        self.shown = url.geturl()
        self._parts = url
        self._base = url.path.rstrip("/")
        if not VISIBLE_ASCII.fullmatch(api_key):
            raise CannotGoOn("ORDERENGINE_API_KEY has characters that no key has")
        self._headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}

    def execute(self, order: Mapping[str, Any], key: str) -> Answer:
        """Ask once for an order under an Idempotency-Key; raises NoAnswer."""
        headers = {"Content-Type": "application/json", "Idempotency-Key": key}
        return self._ask("POST", "/api/orders/execute", json.dumps(order), headers)

    def execute_batch(self, orders: Sequence[str], key: str) -> Answer:
        """Ask once for a batch, of orders as JSON texts, under an Idempotency-Key.

        Raises NoAnswer.
        """
        headers = {"Content-Type": "application/json", "Idempotency-Key": key}
        body = f'{{"orders":[{",".join(orders)}]}}'
        return self._ask("POST", "/api/orders/batch", body, headers)

    def cancel(self, path: str) -> Answer:
        """Ask once to cancel the order, or the orders, of a path; raises NoAnswer."""
        return self._ask("DELETE", path)

    def amend(self, path: str, changes: Mapping[str, Any], version: str) -> Answer:
        """Ask once to amend an order that is still at the version of this ETag; raises NoAnswer."""
        headers = {"Content-Type": "application/json", "If-Match": version}
        return self._ask("PATCH", path, json.dumps(changes), headers)

    def get(self, path: str, **query: object) -> Mapping[str, Any]:
        """Read a document; parameters that are None are left out. Raises CannotGoOn.

        It asks a busy service again when the service says, for 30 seconds.
        """
        given = urlencode({name: value for name, value in query.items() if value is not None})
        return self.read(f"{path}?{given}" if given else path).document

    def read(self, path: str) -> Answer:
        """Read a document with its headers, as `get` does."""
        began = self._clock()
        while True:
            answer = self._ask("GET", path)
            if answer.status == http.client.OK:
                return answer
            denied = refused(answer)
            if denied.later_s is None or self._clock() + denied.later_s > began + GIVE_UP_AFTER_S:
                raise denied
            self._pause(denied.later_s)

    def instruments(self) -> Sequence[Mapping[str, Any]]:
        """The instruments of the service; raises CannotGoOn."""
        document = self.get("/api/instruments")
        if not document.get("instruments"):
            message = f"{self.shown} lists no instruments"
            raise CannotGoOn(message)
        return list(document["instruments"])

    def readiness(self) -> Answer:
        """The answer of `/readyz`; raises NoAnswer."""
        return self._ask("GET", "/readyz")

    def asks_for_keys(self) -> bool:
        """Whether it refuses requests without a key; raises NoAnswer."""
        stranger = Service(self._parts)
        return stranger._ask("GET", "/api/instruments").status == http.client.UNAUTHORIZED

    def connect(self, order_id: str, after: int) -> Socket:
        """Open the stream of an order's events beyond `after`."""
        scheme = "wss" if self._parts.scheme == "https" else "ws"
        place = f"{self._parts.netloc}{self._base}"
        query = urlencode({"orderId": order_id, "after": after})
        address = f"{scheme}://{place}/ws/orders?{query}"
        self._pace.wait()
        socket = websocket.create_connection(
            address,
            timeout=TIMEOUT_S,
            header=self._headers,
            # No proxy, as for REST: the library would send even loopback through `http_proxy`. It
            # reads `http_no_proxy` only where a proxy is named.
            http_proxy_host="none",
            http_no_proxy=["*"],
            class_=UpdatesSocket,
        )
        return cast("UpdatesSocket", socket)

    def _ask(
        self, method: str, path: str, body: str | None = None, headers: Mapping[str, str] = NOTHING
    ) -> Answer:
        self._pace.wait()
        secure = self._parts.scheme == "https"
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        connection = kind(self._parts.hostname or "", self._parts.port, timeout=TIMEOUT_S)
        try:
            connection.connect()
        except ssl.SSLError as error:
            why = getattr(error, "verify_message", "") or error.reason
            message = f"no TLS connection to {self.shown}: {why}"
            raise NoAnswer(message, may_have_arrived=False) from error
        except OSError as error:
            message = f"nothing answers at {self.shown}: start it with make run"
            raise NoAnswer(message, may_have_arrived=False) from error
        message = f"no answer from an orderengine at {self.shown}"
        try:
            connection.request(method, f"{self._base}{path}", body, {**self._headers, **headers})
            answer = connection.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise NoAnswer(message, may_have_arrived=True) from error
        finally:
            connection.close()
        document = object_of(text)
        if document is None:
            # A gateway answers with its own page when it does not know the outcome either.
            in_doubt = answer.status >= http.client.INTERNAL_SERVER_ERROR
            in_doubt |= answer.status == http.client.ACCEPTED
            raise NoAnswer(message, may_have_arrived=in_doubt)
        answer_headers = {name.lower(): value for name, value in answer.getheaders()}
        self._pace.learn(answer_headers)
        return Answer(answer.status, document, answer_headers)


def refused(answer: Answer) -> RequestRefused:
    """The error for a refusal."""
    status, document, headers = answer
    code = str(document.get("code", status))
    hint = "; set ORDERENGINE_API_KEY to a key" if status == http.client.UNAUTHORIZED else ""
    is_busy = code in BUSY or status == http.client.TOO_MANY_REQUESTS
    later_s = retry_after_s(headers) if is_busy else None
    return RequestRefused(code, f"refused ({code}): {document.get('detail', '')}{hint}", later_s)


def object_of(text: bytes | None) -> dict[str, Any] | None:
    """The JSON object of a body; None for anything else."""
    try:
        parsed = json.loads(text or b"")
    except ValueError:
        return None
    return parsed if isinstance(parsed, dict) else None


def service_url(text: str) -> SplitResult:
    """Parse the URL of a service; raises ValueError if it is not one."""
    parts = urlsplit(text)
    try:
        host = (parts.hostname or "").encode("idna").decode()
        sendable = host and VISIBLE_ASCII.fullmatch(host + parts.path)
        usable = parts.scheme in {"http", "https"} and sendable and parts.port != 0
    except ValueError:  # a port that is no number, or out of range, or no name of a host
        usable = False
    if not usable:
        raise ValueError("must be an http:// or https:// URL")
    return parts
