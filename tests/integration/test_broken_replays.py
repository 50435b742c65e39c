"""The replay of all orders to a client that disconnects and comes back with its last cursor.

The whole application serves it, from PostgreSQL, over a real socket.
"""

import contextlib
import socket
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from websocket import WebSocketException

from harness.waiting import wait_until
from tests.integration.operators import run
from tests.integration.web_process import AllOrders, WholeWeb

ENDED = 800
STEPS = 5
BATCH = 100
"""Orders are read in batches of this size, with a cursor between two batches."""
BROKEN_OFF_AT = 1000
SMALL = [(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)]

# The open orders moved before all others, so a cursor with a mere time would replay everything. The
# texts are too long for the buffers of the kernel.
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


def has_cut_off(web: WholeWeb) -> bool:
    """True once a socket was closed because its client read too little."""
    with urllib.request.urlopen(f"{web.url}/metrics") as answer:  # noqa: S310
        return b'sockets_closed_total{reason="slow"} 1' in answer.read()


@pytest.fixture
def web(redis_url: str, database_url: str, database: Engine, tmp_path: Path) -> Iterator[WholeWeb]:
    run(database, _ORDERS)
    run(database, _EVENTS)
    url = database_url.replace("postgresql+psycopg2://", "postgresql://")
    with WholeWeb(redis_url, tmp_path, DATABASE_URL=url, AUTH="off") as running:
        yield running


def take_until_broken_off(told: AllOrders) -> None:
    while sum(map(len, told.texts.values())) < BROKEN_OFF_AT:
        told.take()


def take_what_is_left(told: AllOrders) -> None:
    """Read the buffered rest of a closed socket, which may end in the middle of a message."""
    with contextlib.suppress(AssertionError, OSError, WebSocketException):
        while True:
            told.take()


def versions(database: Engine) -> dict[str, int]:
    with database.connect() as connection:
        found = connection.execute(text("SELECT id::text, version FROM orders"))
        return {row.id: row.version for row in found}


def test_a_client_that_comes_back_misses_nothing_and_is_told_little_again(
    web: WholeWeb, database: Engine
) -> None:
    begin = (datetime.now(UTC) - timedelta(minutes=9)).isoformat().replace("+00:00", "Z")
    with web.follow_all(query=f"?cursor={begin}") as leaving:
        take_until_broken_off(leaving)
    for late in (_COMMITTED_LATE, _END_ONE, _EVENTS):
        run(database, late)
    with web.follow_all(query=f"?cursor={leaving.cursor}", sockopt=SMALL) as stopping:
        take_until_broken_off(stopping)
        wait_until(lambda: has_cut_off(web), 30.0, pause_s=0.1)
        take_what_is_left(stopping)
    with web.follow_all(query=f"?cursor={stopping.cursor}") as staying:
        staying.catch_up()
    stored = versions(database)
    connections = (leaving, stopping, staying)
    assert len(leaving.texts.keys() | stopping.texts.keys()) < len(stored) - BATCH
    for order_id, version in stored.items():
        told = [len(each.texts.get(order_id, ())) for each in connections]
        assert max(told) == version
        for each, number in zip(connections, told, strict=True):
            assert each.seqs(order_id) == list(range(1, number + 1))
    for before, after in pairwise(connections):
        again = [key for key, texts in after.texts.items() if texts and before.texts[key]]
        assert len(again) <= 2 * BATCH, "it goes on from where it was broken off"
