"""The load, generated in a process of its own: POSTs over kept-alive connections, and sockets."""

import itertools
import json
import re
import socket
import struct
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

import websocket

from orderengine.local.ports import LOOPBACK

TIMEOUT_S = 30.0
NORMAL_CLOSURE = 1000
ACCEPTED = 202
PATH = "/api/orders/execute"
BATCH_PATH = "/api/orders/batch"
HEADERS = {"Content-Type": "application/json"}
READ_BYTES = 65_536

# Wide enough for the default moves of the price, so that no order fails by chance.
SLIPPAGE_BPS = 300
QUANTITIES: Mapping[str, int | str] = {
    "AAPL": 1,
    "TSLA": 1,
    "NVDA": 2,
    "SPY": 1,
    "BTC": "0.01",
    "ETH": "0.3",
    "SOL": 2,
    "JUP": 200,
    "BONK": 5_000_000,
    "RAY": 50,
}
REQUESTS = tuple((symbol, side) for side in ("buy", "sell") for symbol in QUANTITIES)
"""Orders of some thousand USDC at most, of each instrument, bought and sold in turn.

Their own trades hardly move a pool: an order that finds no price within its tolerance is tried anew
after a pause, and a burst with one would measure the pause.
"""

BODIES = tuple(
    json.dumps(
        {
            "symbol": symbol,
            "side": side,
            "quantity": QUANTITIES[symbol],
            "slippageBps": SLIPPAGE_BPS,
        }
    )
    for symbol, side in REQUESTS
)


@dataclass(frozen=True, slots=True)
class Posted:
    """A client's view of its orders; times are seconds since 1970."""

    order_ids: list[str]
    first_sent_at: float
    last_answered_at: float
    latencies_ms: list[float]


@dataclass(frozen=True, slots=True)
class Followed:
    """A socket's view; `delays_ms` of the events that were stored after it was open."""

    seqs: list[int]
    close_code: int
    delays_ms: list[float]


class Refused(Exception):
    """The API did not accept an order."""


class Line:
    """A kept-alive connection that places orders.

    It writes HTTP by hand: the load runs beside the system under test, and a client of the standard
    library takes twice as long per request.
    """

    def __init__(self, port: int, key: str = "") -> None:
        headers = {"Host": f"{LOOPBACK}:{port}", **HEADERS}
        if key:
            headers["Authorization"] = f"Bearer {key}"
        self._headers = headers
        self._requests = [_request(headers, body) for body in BODIES]
        self._port = port
        self._socket = self._connected()

    def place(self, number: int) -> str:
        """Place one of the orders and return its id; raises Refused for any answer but 202."""
        self._socket.sendall(self._requests[number % len(self._requests)])
        head, body = self._answer()
        if _CLOSES.search(head):
            self._socket.close()
            self._socket = self._connected()
        if not head.startswith(_ACCEPTED):
            raise Refused(f"POST was answered with {head.splitlines()[0]!r}: {body[:200]!r}")
        return str(json.loads(body)["orderId"])

    def place_batch(self, size: int) -> None:
        """Place a batch of orders; raises Refused unless all are accepted."""
        bodies = ",".join(BODIES[number % len(BODIES)] for number in range(size))
        self._socket.sendall(_request(self._headers, f'{{"orders":[{bodies}]}}', BATCH_PATH))
        head, body = self._answer()
        accepted = body.count(b'"status":202')
        if accepted != size:
            raise Refused(f"{accepted} of {size} were accepted: {head[:20]!r} {body[:200]!r}")

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    def _connected(self) -> socket.socket:
        return socket.create_connection((LOOPBACK, self._port), TIMEOUT_S)

    def _answer(self) -> tuple[bytes, bytes]:
        head, end, body = b"", b"", self._read()
        while not end:
            head, end, body = body.partition(b"\r\n\r\n")
            if not end:
                body = head + self._read()
        length = _CONTENT_LENGTH.search(head)
        while length is not None and len(body) < int(length[1]):
            body += self._read()
        return head, body

    def _read(self) -> bytes:
        data = self._socket.recv(READ_BYTES)
        if not data:
            raise Refused("the API closed the connection")
        return data


def _request(headers: Mapping[str, str], body: str, path: str = PATH) -> bytes:
    lines = [f"{name}: {value}" for name, value in headers.items()]
    length = f"Content-Length: {len(body)}"
    return "\r\n".join([f"POST {path} HTTP/1.1", *lines, length, "", body]).encode()


_ACCEPTED = f"HTTP/1.1 {ACCEPTED} ".encode()
_CLOSES = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)
_CONTENT_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


def post(
    port: int, count: int, connections: int, rate_per_s: float | None = None, key: str = ""
) -> Posted:
    """Place orders; each connection sends its next order when it is free, or when it is due.

    With a rate, each order has a due time that does not depend on earlier answers, and its latency
    counts from there: a stalled server also pays for the requests that it delayed. `key`, if given,
    is sent with each order.
    """
    numbers = itertools.count()
    started = time.time() + 0.1
    calls: list[tuple[str, float, float]] = []

    def run() -> None:
        line = Line(port, key)
        while (number := next(numbers)) < count:
            due_at = started + number / rate_per_s if rate_per_s else started
            time.sleep(max(due_at - time.time(), 0.0))
            counted_from = due_at if rate_per_s else time.time()
            order_id = line.place(number)
            calls.append((order_id, counted_from, time.time()))
        line.close()

    with ThreadPoolExecutor(connections) as threads:
        for each in [threads.submit(run) for _ in range(connections)]:
            each.result()
    return Posted(
        order_ids=[order_id for order_id, _, _ in calls],
        first_sent_at=min(sent for _, sent, _ in calls),
        last_answered_at=max(answered for _, _, answered in calls),
        latencies_ms=[(answered - sent) * 1000 for _, sent, answered in calls],
    )


def post_batches(port: int, count: int, size: int, connections: int) -> float:
    """Place so many batches as fast as they are answered; returns the seconds that it took."""
    numbers = itertools.count()

    def run() -> None:
        line = Line(port)
        while next(numbers) < count:
            line.place_batch(size)
        line.close()

    started = time.perf_counter()
    with ThreadPoolExecutor(connections) as threads:
        for each in [threads.submit(run) for _ in range(connections)]:
            each.result()
    return time.perf_counter() - started


def post_and_follow(port: int, count: int, rate_per_s: float) -> list[Followed]:
    """Place orders at a fixed rate, and follow each to its end over a socket of its own."""
    started = time.time() + 0.1

    def run(number: int) -> Followed:
        time.sleep(max(started + number / rate_per_s - time.time(), 0.0))
        line = Line(port)
        order_id = line.place(number)
        line.close()
        return _follow(port, order_id)

    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(run, range(count)))


def _follow(port: int, order_id: str) -> Followed:
    url = f"ws://{LOOPBACK}:{port}/ws/orders?orderId={order_id}"
    client = websocket.create_connection(url, timeout=TIMEOUT_S)
    opened_at = time.time()
    seqs: list[int] = []
    delays_ms: list[float] = []
    close_code = 0
    for opcode, data in _frames(client):
        arrived_at = time.time()
        if opcode == websocket.ABNF.OPCODE_CLOSE:
            close_code = struct.unpack("!H", data[:2])[0]
            break
        event = json.loads(data)
        stored_at = datetime.fromisoformat(event["at"]).timestamp()
        seqs.append(event["seq"])
        if stored_at > opened_at:
            delays_ms.append((arrived_at - stored_at) * 1000)
    client.shutdown()  # type: ignore[no-untyped-call]
    return Followed(seqs, close_code, delays_ms)


def _frames(client: websocket.WebSocket) -> Iterator[tuple[int, bytes]]:
    while True:
        yield client.recv_data()
