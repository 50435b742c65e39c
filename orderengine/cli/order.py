"""Place one order and watch it: `python -m orderengine.cli.order AAPL buy 10`.

Exits with 0 when the order is confirmed, 1 when it failed, 2 when it was refused or nothing
answers.
"""

import argparse
import http.client
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol
from urllib.parse import SplitResult, urlsplit

import websocket

DEFAULT_URL = "http://127.0.0.1:3000"
TIMEOUT_S = 10.0
RECONNECT_AFTER_S = 0.5
GIVE_UP_AFTER_S = 30.0
TERMINAL = {"confirmed": 0, "failed": 1}
EXIT_REFUSED = 2
EXIT_INTERRUPTED = 130

Event = Mapping[str, Any]


class CannotGoOn(Exception):
    """The order was refused, or its service is out of reach; the message says it in one line."""


class Socket(Protocol):
    """The part of a WebSocket that following needs."""

    def recv(self) -> str | bytes:
        """The next message; empty when the server closed."""

    def close(self) -> None:
        """Close the connection."""


class Service:
    """An orderengine at a URL."""

    def __init__(self, url: SplitResult) -> None:
        self._parts = url
        self._base = url.path.rstrip("/")
        self._shown = url.geturl()

    def place(self, order: Mapping[str, Any]) -> str:
        """Place an order: its id; raises CannotGoOn."""
        status, document = self._ask("POST", "/api/orders/execute", order)
        if status != http.client.ACCEPTED:
            message = f"refused ({document.get('code', status)}): {document.get('detail', '')}"
            raise CannotGoOn(message)
        return str(document["orderId"])

    def instruments(self) -> Sequence[Mapping[str, Any]]:
        """What can be traded; raises CannotGoOn."""
        status, document = self._ask("GET", "/api/instruments")
        if status != http.client.OK or not document.get("instruments"):
            message = f"{self._shown} tells of no instruments (status {status})"
            raise CannotGoOn(message)
        return list(document["instruments"])

    def connect(self, order_id: str, after: int) -> Socket:
        """Open the stream of an order's events beyond `after`."""
        scheme = "wss" if self._parts.scheme == "https" else "ws"
        place = f"{self._parts.netloc}{self._base}"
        address = f"{scheme}://{place}/ws/orders?orderId={order_id}&after={after}"
        return websocket.create_connection(address, timeout=TIMEOUT_S)

    def _ask(
        self, method: str, path: str, document: Mapping[str, Any] | None = None
    ) -> tuple[int, dict[str, Any]]:
        secure = self._parts.scheme == "https"
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        connection = kind(self._parts.hostname or "", self._parts.port, timeout=TIMEOUT_S)
        try:
            connection.connect()
        except OSError as error:
            message = f"nothing answers at {self._shown}: start it with make run"
            raise CannotGoOn(message) from error
        try:
            body = None if document is None else json.dumps(document)
            headers = {} if document is None else {"Content-Type": "application/json"}
            connection.request(method, f"{self._base}{path}", body, headers)
            return _read(connection.getresponse())
        except (OSError, http.client.HTTPException, ValueError) as error:
            doubt = "" if document is None else "; the order may run"
            message = f"no answer of an orderengine came from {self._shown}{doubt}"
            raise CannotGoOn(message) from error
        finally:
            connection.close()


def _read(answer: http.client.HTTPResponse) -> tuple[int, dict[str, Any]]:
    parsed = json.loads(answer.read())
    if not isinstance(parsed, dict):
        raise http.client.HTTPException("the answer is no JSON object")
    return answer.status, parsed


def follow(
    connect: Callable[[int], Socket],
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> Iterator[Event]:
    """The events of an order as they arrive, up to the terminal one, over any lost connection.

    Raises CannotGoOn when the stream is refused, or out of reach for 30 seconds.
    """
    seen, alive_at = 0, clock()
    while True:
        try:
            socket = connect(seen)
            alive_at = clock()
            for event in _receive(socket):
                seen = event["seq"]
                yield event
                if event["status"] in TERMINAL:
                    return
        except websocket.WebSocketBadStatusException as error:
            if error.status_code < http.client.INTERNAL_SERVER_ERROR:
                message = f"the stream was refused with status {error.status_code}"
                raise CannotGoOn(message) from error
        except (OSError, websocket.WebSocketException):
            pass  # a lost connection: the next one goes on after the last event seen
        if clock() - alive_at > GIVE_UP_AFTER_S:
            raise CannotGoOn("the stream is gone; the order goes on without a watcher")
        pause(RECONNECT_AFTER_S)


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


def main(arguments: Sequence[str] | None = None) -> int:
    """Place one order and print its way; returns the exit code."""
    options = _parse(arguments)
    service = Service(options.url)
    order = {"symbol": options.symbol, "side": options.side, "quantity": options.quantity}
    more = (
        ("slippageBps", options.slippage_bps),
        ("worstPrice", options.worst_price),
        ("maxLegs", options.max_legs),
    )
    order |= {name: value for name, value in more if value is not None}
    started = time.monotonic()
    try:
        order_id = service.place(order)
        print(f"order {order_id}: {options.side} {options.quantity} {options.symbol}", flush=True)
        status = ""
        for event in follow(lambda after: service.connect(order_id, after)):
            status = event["status"]
            place = f"{time.monotonic() - started:8.3f} s  {status:<9}  attempt {event['attempt']}"
            print(f"{place}  {telling(event)}".rstrip(), flush=True)
    except CannotGoOn as error:
        print(error, file=sys.stderr)
        return EXIT_REFUSED
    except KeyboardInterrupt:
        print("stopped watching; the order goes on", file=sys.stderr)
        return EXIT_INTERRUPTED
    return TERMINAL[status]


def _receive(socket: Socket) -> Iterator[Event]:
    try:
        while text := socket.recv():
            yield json.loads(text)
    finally:
        socket.close()


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m orderengine.cli.order", description="Place one order and watch it."
    )
    parser.add_argument("symbol", help="for example AAPL")
    parser.add_argument("side", help="buy or sell")
    parser.add_argument("quantity", help="whole tokens, for example 10 or 0.5")
    parser.add_argument("--slippage-bps", type=int, help="the tolerance, 100 if not given")
    parser.add_argument("--worst-price", help="in USDC for one token; binds every attempt")
    parser.add_argument("--max-legs", type=int, help="over how many venues it may be split")
    parser.add_argument("--url", default=DEFAULT_URL, type=service_url, help="where it runs")
    return parser.parse_args(arguments)


def service_url(text: str) -> SplitResult:
    """Read the URL of a service; raises what argparse turns into a message."""
    parts = urlsplit(text)
    try:
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:  # a port that is no number, or out of range
        usable = False
    if not usable:
        raise argparse.ArgumentTypeError("must be an http:// or https:// URL")
    return parts


if __name__ == "__main__":
    sys.exit(main())
