"""One socket for all orders of a client, on the stack of the Procfile."""

import json
import signal
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager

import pytest
import redis
import websocket

from orderengine.local.ports import LOOPBACK
from tests.e2e.clients import bought_ticket, enter, keys
from tests.e2e.stack import TIMEOUT_S, Stack

ORDERS = 20


class Reader:
    """All messages that a client got, over all of its sockets."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self.seqs: dict[str, list[int]] = defaultdict(list)
        self.ended: set[str] = set()
        self.cursor: str | None = None
        self.is_caught_up = False
        self.repeated = 0

    @contextmanager
    def connected(self, query: str = "") -> Iterator[websocket.WebSocket]:
        url = f"ws://{LOOPBACK}:{self._stack.port}/ws/orders{query}"
        headers = {} if "ticket" in query else self._stack.headers
        client = websocket.create_connection(url, timeout=TIMEOUT_S, header=headers)
        try:
            yield client
        finally:
            client.shutdown()  # type: ignore[no-untyped-call]

    def take(self, client: websocket.WebSocket) -> None:
        """Read one message; one that another socket has already sent is checked and dropped."""
        text = client.recv()
        assert text, "the socket was closed"
        message = json.loads(text)
        if "cursor" in message:
            self.cursor = message["cursor"]
            self.is_caught_up = "replay" not in message
            return
        got = self.seqs[message["orderId"]]
        if message["seq"] <= len(got):
            self.repeated += 1
            return
        assert message["seq"] == len(got) + 1
        got.append(message["seq"])
        if message["status"] in {"confirmed", "failed"}:
            self.ended.add(message["orderId"])

    def take_until_ended(self, client: websocket.WebSocket, order_ids: Sequence[str]) -> None:
        while not self.ended >= set(order_ids):
            self.take(client)

    def catch_up(self, client: websocket.WebSocket) -> None:
        self.is_caught_up = False
        while not self.is_caught_up:
            self.take(client)


def post_all(stack: Stack, count: int) -> list[str]:
    return [stack.post("SOL", "buy", "1") for _ in range(count)]


def test_a_bot_follows_all_of_its_orders_on_one_socket(stack: Stack) -> None:
    enter(stack, "bob")
    foreign = stack.post("SOL", "buy", "1")
    enter(stack, "alice")
    reader = Reader(stack)
    with reader.connected() as client:
        reader.catch_up(client)
        orders = post_all(stack, ORDERS)
        reader.take_until_ended(client, orders)
    assert foreign not in reader.seqs
    assert all(reader.seqs[order_id] == [1, 2, 3, 4, 5] for order_id in orders)


def test_a_browser_opens_it_with_a_ticket(stack: Stack) -> None:
    enter(stack, "alice")
    ticket = bought_ticket(stack)
    reader = Reader(stack)
    with reader.connected(f"?ticket={ticket}") as client:
        orders = post_all(stack, 2)
        reader.take_until_ended(client, orders)
    with (
        pytest.raises(websocket.WebSocketBadStatusException, match="401"),
        reader.connected(f"?ticket={ticket}"),
    ):
        pass


def test_while_redis_loses_everything_nothing_is_missed(stack: Stack) -> None:
    enter(stack, "alice")
    reader = Reader(stack)
    with (
        reader.connected() as client,
        closing(redis.Redis.from_url(stack.redis_url)) as server,
    ):
        reader.catch_up(client)
        orders = []
        for order_id in (stack.post("SOL", "sell", "1") for _ in range(ORDERS)):
            orders.append(order_id)
            server.flushdb()
            server.client_kill_filter(_type="pubsub")
        reader.take_until_ended(client, orders)
    assert all(len(reader.seqs[order_id]) >= 5 for order_id in orders)


def test_over_restarts_of_the_web_a_cursor_brings_everything(stack: Stack) -> None:
    enter(stack, "alice")
    reader = Reader(stack)
    orders: list[str] = []
    query = ""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with reader.connected(query) as client:
            reader.catch_up(client)
            orders += post_all(stack, ORDERS)
            for _ in range(30):
                reader.take(client)
        query = f"?cursor={reader.cursor}"
        orders += post_all(stack, 3)
        stack.restart("web", number)
    with reader.connected(query) as client:
        reader.take_until_ended(client, orders)
    assert all(reader.seqs[order_id] == [1, 2, 3, 4, 5] for order_id in orders)


def test_a_revoked_key_closes_it_within_seconds(stack: Stack) -> None:
    made = enter(stack, "carol")
    reader = Reader(stack)
    with reader.connected() as client:
        reader.catch_up(client)
        keys(stack, "revoke", made["keyId"])
        client.settimeout(5.0)
        opcode, data = client.recv_data()
        assert (opcode, data[:2]) == (websocket.ABNF.OPCODE_CLOSE, (1008).to_bytes(2))
