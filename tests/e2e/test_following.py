"""Following all orders without keys, while several post and one commit comes late."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from uuid import uuid4

import websocket
from sqlalchemy import Connection, Engine, text

from orderengine.local.ports import LOOPBACK
from tests.e2e.stack import TIMEOUT_S, Stack

POSTERS = 8
PAGE = 5


class ListFollower:
    """Lists the newest orders, page by page, until it meets one that it has seen."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self.seen: set[str] = set()

    def ask(self) -> None:
        query = f"?limit={PAGE}"
        while True:
            page = self._stack.get(f"/api/orders{query}")
            new = {order["orderId"] for order in page["orders"]} - self.seen
            self.seen |= new
            if len(new) < PAGE or page["nextCursor"] is None:
                return
            query = f"?limit={PAGE}&cursor={page['nextCursor']}"


class SocketFollower:
    """Reads the socket of all orders."""

    def __init__(self, client: websocket.WebSocket) -> None:
        self._client = client
        self.seqs: dict[str, list[int]] = {}

    def read_until(self, orders: set[str]) -> None:
        while not orders <= self.seqs.keys():
            self.read()

    def read(self) -> dict[str, object]:
        message: dict[str, object] = json.loads(self._client.recv())
        if "orderId" in message:
            self.seqs.setdefault(str(message["orderId"]), []).append(int(str(message["seq"])))
        return message


@contextmanager
def follow(stack: Stack) -> Iterator[SocketFollower]:
    url = f"ws://{LOOPBACK}:{stack.port}/ws/orders"
    client = websocket.create_connection(url, timeout=TIMEOUT_S)
    try:
        yield SocketFollower(client)
    finally:
        client.shutdown()  # type: ignore[no-untyped-call]


# Stores an order like a web process, in a transaction that is still open.
BEGIN_ACCEPTING = text(
    """
WITH o AS (
    INSERT INTO orders (id, client_id, symbol, side, quantity, slippage_tolerance_bps, max_legs,
                        status, version, attempt, recoveries, created_at, updated_at, due_at)
    VALUES (:id, 'local', 'SOL', 'buy', :quantity, 100, 1, 'pending', 1, 1, 0, now(), now(), now())
    RETURNING *
)
INSERT INTO order_events (order_id, seq, status, attempt, occurred_at, data)
SELECT id, 1, status, 1, created_at, '{}' FROM o"""
)


def begin_accepting(connection: Connection) -> tuple[Connection, str]:
    """Store an order that stays invisible until the connection commits."""
    order_id = str(uuid4())
    slow = connection.execution_options(isolation_level="READ COMMITTED")
    slow.execute(BEGIN_ACCEPTING, {"id": order_id, "quantity": Decimal(1)})
    return slow, order_id


def test_the_socket_misses_no_order_and_the_list_misses_the_late_one(
    stack: Stack, stack_database: Engine
) -> None:
    by_list = ListFollower(stack)
    with follow(stack) as by_socket, stack_database.connect() as connection:
        while "cursor" not in by_socket.read():
            pass
        slow, late = begin_accepting(connection)
        posted = set(stack.post_many(POSTERS, "SOL"))
        by_list.ask()
        slow.commit()
        for _ in range(2):
            posted |= set(stack.post_many(POSTERS, "SOL"))
            by_list.ask()
        by_socket.read_until(posted | {late})
    assert posted <= by_list.seen
    assert late not in by_list.seen, "it stands behind what the list's reader has"
    assert set(by_socket.seqs) == posted | {late}
    for seqs in by_socket.seqs.values():
        assert seqs == list(range(1, len(seqs) + 1))
