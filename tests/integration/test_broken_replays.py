"""The replay of all orders, broken off half-way by a client that comes back with its last cursor.

The whole application serves it, from PostgreSQL, over a real socket.
"""

import socket
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from websocket import WebSocketConnectionClosedException

from tests.integration.operators import run
from tests.integration.streams import wait_until
from tests.integration.web_process import AllOrders, Web

ENDED = 800
STEPS = 5
BATCH = 100
"""Orders are read in batches of so many; only between two of them it is known what was sent."""
BROKEN_OFF_AT = 1500
SMALL = [(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)]

# Those that are open moved before all others: a mere time would send everything behind them again.
# The texts are long, so that the buffers of the kernel do not hold all of them.
_ORDERS = f"""
INSERT INTO orders (id, client_id, symbol, side, quantity, slippage_tolerance_bps, status, version,
                    attempt, due_at, created_at, updated_at)
SELECT gen_random_uuid(), 'local', 'AAPL', 'buy', 1, 100,
       CASE WHEN n <= 3 THEN 'routing' ELSE 'failed' END, CASE WHEN n <= 3 THEN 2 ELSE {STEPS} END,
       1, CASE WHEN n <= 3 THEN now() + interval '1 h' END, at, at
FROM (SELECT n, now() - interval '5 min' + n * interval '10 ms' AS at
      FROM generate_series(1, {ENDED + 3}) AS n) AS numbered"""  # noqa: S608 - constants
_EVENTS = """
INSERT INTO order_events (order_id, seq, status, attempt, occurred_at, data)
SELECT id, seq, CASE WHEN seq < version OR due_at IS NOT NULL THEN 'routing' ELSE status END, 1,
       updated_at, jsonb_build_object('cause', repeat('x', 3000))
FROM orders, generate_series(1, version) AS seq
WHERE NOT EXISTS (SELECT FROM order_events WHERE order_id = id)"""
_COMMITTED_LATE = """
INSERT INTO orders (id, client_id, symbol, side, quantity, slippage_tolerance_bps, status, version,
                    attempt, created_at, updated_at)
SELECT gen_random_uuid(), 'local', 'SOL', 'buy', 1, 100, 'failed', 2, 1, at, at
FROM (SELECT min(updated_at) AS at FROM orders WHERE due_at IS NULL) AS first"""
_END_ONE = """
WITH moved AS (
    UPDATE orders SET status = 'failed', version = version + 1, due_at = NULL, updated_at = now()
    WHERE id = (SELECT id FROM orders WHERE due_at IS NOT NULL LIMIT 1) RETURNING *)
INSERT INTO order_events (order_id, seq, status, attempt, data)
SELECT id, version, status, attempt, '{}' FROM moved"""


class WholeWeb(Web):
    """The application as it is served."""

    application = "orderengine.api.app:create_app()"
    ready_path = "/livez"

    def has_cut_off(self) -> bool:
        """True once a socket was closed because its client read too little."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics") as answer:
            return b'sockets_closed_total{reason="slow"} 1' in answer.read()


@pytest.fixture
def web(redis_url: str, database_url: str, database: Engine, tmp_path: Path) -> Iterator[WholeWeb]:
    run(database, _ORDERS)
    run(database, _EVENTS)
    url = database_url.replace("postgresql+psycopg2://", "postgresql://")
    with WholeWeb(redis_url, tmp_path / "web.log", DATABASE_URL=url, AUTH="off") as running:
        yield running


def break_off(told: AllOrders, web: WholeWeb) -> None:
    """Leave without a word."""
    del web
    told.client.shutdown()  # type: ignore[no-untyped-call]


def stop_reading(told: AllOrders, web: WholeWeb) -> None:
    """Read nothing until the server has given up, then what the buffers still have."""
    wait_until(web.has_cut_off)
    with pytest.raises((AssertionError, OSError, WebSocketConnectionClosedException)):
        while True:
            told.take()


def versions(database: Engine) -> dict[str, int]:
    with database.connect() as connection:
        found = connection.execute(text("SELECT id::text, version FROM orders"))
        return {row.id: row.version for row in found}


@pytest.mark.parametrize("part", [break_off, stop_reading], ids=["breaks off", "stops reading"])
def test_nothing_is_missed_and_little_told_again(
    web: WholeWeb, database: Engine, part: Callable[[AllOrders, WholeWeb], None]
) -> None:
    begin = (datetime.now(UTC) - timedelta(minutes=9)).isoformat().replace("+00:00", "Z")
    with web.follow_all(query=f"?cursor={begin}", sockopt=SMALL) as first:
        while sum(map(len, first.texts.values())) < BROKEN_OFF_AT or first.cursor is None:
            first.take()
        part(first, web)
    run(database, _COMMITTED_LATE)
    run(database, _END_ONE)
    run(database, _EVENTS)
    stored = versions(database)
    assert len(first.texts) < len(stored) - BATCH, "it was not broken off in the replay"
    with web.follow_all(query=f"?cursor={first.cursor}") as again:
        again.catch_up()
    told_twice = {key for key, texts in again.texts.items() if texts and first.texts.get(key)}
    print(len(stored), len(first.texts), len(again.texts), len(told_twice), first.cursor)
    assert len(told_twice) <= 2 * BATCH
    for order_id, version in stored.items():
        for seqs in (first.seqs(order_id), again.seqs(order_id)):
            assert seqs == list(range(1, len(seqs) + 1)), "on one connection"
        assert version in {len(first.seqs(order_id)), len(again.seqs(order_id))}
