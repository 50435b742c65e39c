"""A table of many orders, and how much a statement reads of it."""

import json
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest import mock
from uuid import uuid4

from sqlalchemy import Engine, text

from harness.statements import unbounded
from orderengine.postgres import database as engine_module
from orderengine.postgres.database import create_database_engine

ORDERS = 250_000
OPEN = 7_500
TABLES = (
    "orders",
    "order_events",
    "transactions",
    "settlements",
    "price_watches",
    "trading_halts",
    "wallets",
    "idempotency_keys",
    "daily_notionals",
    "daily_charges",
    "step_totals",
    "step_totals_mark",
    "sim_transactions",
    "sim_switch",
)

# Client `big` has a backlog of its newest orders, and its rare orders are the oldest: a plan that
# scans in list order finds them last. Every tenth order is of another client.
_LOAD = """
INSERT INTO orders (id, client_id, symbol, side, quantity, slippage_tolerance_bps, status, version,
                    attempt, due_at, created_at, updated_at)
SELECT gen_random_uuid(), CASE WHEN n % 10 = 0 THEN 'client-' || n % 100 ELSE 'big' END,
       CASE WHEN n % 7500 = 11 THEN 'RARE' ELSE (ARRAY['AAPL', 'SOL', 'BTC'])[1 + n % 3] END,
       'buy', 1, 100, status, 1, 1,
       CASE WHEN status NOT IN ('confirmed', 'failed') THEN now() + interval '1 day' END, at, at
FROM (
    SELECT n, now() - interval '1 day' + n * interval '10 ms' AS at,
           CASE WHEN n > :size - :open AND n % 2500 = 1 THEN 'routing'
                WHEN n > :size - :open THEN 'pending'
                WHEN n < 20 THEN 'submitted'
                WHEN n < 60 THEN 'failed' ELSE 'confirmed' END AS status
    FROM generate_series(1, :size) AS n
) AS numbered"""

# The last steps of old orders; all but the latest are already summed up.
_LOAD_EVENTS = """
INSERT INTO order_events (order_id, seq, status, attempt, occurred_at, data)
SELECT gen_random_uuid(), 5, 'confirmed', 1, now() - n * interval '1 s', '{}'
FROM generate_series(1, :size) AS n"""
_COUNT_EVENTS = """
INSERT INTO step_totals_mark (id, counted_until)
SELECT 1, now() - interval '500 s'"""


@contextmanager
def scratch_database(url: str, size: int = 0) -> Iterator[Engine]:
    """The tables in a schema of their own, and one connection to it; `size` orders are loaded."""
    owner = create_database_engine(url, pool_size=1, application="tests-owner")
    schema = f"plans_{uuid4().hex}"
    with owner.connect() as connection:
        connection.execute(text(f"CREATE SCHEMA {schema}"))
        for table in TABLES:
            connection.execute(
                text(
                    f"CREATE UNLOGGED TABLE {schema}.{table}"
                    f" (LIKE public.{table} INCLUDING DEFAULTS)"
                    " WITH (autovacuum_enabled = false)"
                )
            )
    database = _connected(url, schema)
    try:
        with unbounded():
            if size:
                load(database, size)
            _create_indexes(database, schema)
        yield database
    finally:
        database.dispose()
        with owner.connect() as connection:
            connection.execute(text(f"DROP SCHEMA {schema} CASCADE"))
        owner.dispose()


def load(database: Engine, size: int) -> None:
    """Fill the table of orders."""
    with unbounded(), database.connect() as connection:
        connection.execute(text(_LOAD), {"size": size, "open": size * OPEN // ORDERS})
        connection.execute(text(_LOAD_EVENTS), {"size": size // 5})
        connection.execute(text(_COUNT_EVENTS))


def analyze_all(database: Engine) -> None:
    """Let the planner know the tables."""
    with unbounded(), database.connect() as connection:
        connection.execute(text("ANALYZE"))


def _connected(url: str, schema: str) -> Engine:
    return create_database_engine(
        f"{url}{'&' if '?' in url else '?'}options=-csearch_path%3D{schema}",
        pool_size=1,
        max_overflow=0,
        application="tests-plans",
    )


def _create_indexes(database: Engine, schema: str) -> None:
    with database.connect() as connection:
        connection.execute(text("SET maintenance_work_mem = '256MB'"))
        found = connection.execute(
            text(
                "SELECT indexdef FROM pg_indexes"
                " WHERE schemaname = 'public' AND tablename = ANY(:tables)"
            ),
            {"tables": list(TABLES)},
        ).scalars()
        for definition in list(found):
            connection.execute(text(definition.replace(" ON public.", f" ON {schema}.")))


@dataclass(frozen=True, slots=True)
class Read:
    """How much a statement has read: blocks of 8 KiB, and rows out of tables."""

    blocks: int
    rows: int
    plan: Any


def what_is_read(database: Engine, call: Callable[[], object]) -> list[Read]:
    """Repeat a call's statements as prepared on its connection; returns what each one reads."""
    return [
        _read(_explained(database, statement.execute, values, "ANALYZE, BUFFERS"))
        for statement, values in _statements_of(call)
    ]


def _read(plan: Any) -> Read:
    return Read(
        blocks=plan["Shared Hit Blocks"] + plan["Shared Read Blocks"],
        rows=sum(map(_scanned, _nodes(plan))),
        plan=plan,
    )


def unsought(database: Engine, call: Callable[[], object]) -> list[str]:
    """The tables that a call's statements read otherwise than by the keys of an index.

    The statements are planned as prepared on its connection, and run by the call alone.
    """
    return [
        f"{node['Node Type']} of {node['Relation Name']}"
        for statement, values in _statements_of(call)
        for node in _nodes(_explained(database, statement.execute, values, "COSTS OFF"))
        if node["Node Type"].endswith("Scan")
        and "Relation Name" in node
        and "Index Cond" not in node
    ]


def read_by(database: Engine, call: Callable[[], object], tables: Collection[str]) -> set[str]:
    """How a call's statements read these tables: the kind of scan, and the index.

    The statements are planned as prepared on its connection, and run by the call alone.
    """
    return {
        f"{node['Node Type']} by {node.get('Index Name')}"
        for statement, values in _statements_of(call)
        for node in _nodes(_explained(database, statement.execute, values, "COSTS OFF"))
        if node.get("Relation Name") in tables and node["Node Type"].endswith("Scan")
    }


def _statements_of(call: Callable[[], object]) -> list[tuple[Any, Any]]:
    sent: list[tuple[Any, Any]] = []
    run_one = engine_module._run

    def record(connection: Any, statement: engine_module.Statement, values: Any) -> Any:
        sent.append((statement, values))
        return run_one(connection, statement, values)

    with mock.patch.object(engine_module, "_run", record):
        call()
    return sent


def what_would_be_read(database: Engine, call: Callable[[], object]) -> list[Read]:
    """The same for statements that were prepared before, which only their explanation runs."""
    sent: list[tuple[Any, Any]] = []

    def record(_: Any, statement: engine_module.Statement, values: Any) -> list[Any]:
        sent.append((statement, values))
        return []

    with mock.patch.object(engine_module, "_run", record):
        call()
    how = "ANALYZE, BUFFERS"
    plans = (_explained(database, statement.execute, values, how) for statement, values in sent)
    return list(map(_read, plans))


def _explained(database: Engine, execute: str, values: Any, how: str) -> Any:
    told = execute.replace("EXECUTE ", f"EXPLAIN ({how}, FORMAT JSON) EXECUTE ")
    connection = database.raw_connection()
    try:
        cursor = connection.cursor()
        cursor.execute(told, values)
        (found,) = cursor.fetchall()[0]
    finally:
        connection.close()
    (explained,) = json.loads(found) if isinstance(found, str) else found
    return explained["Plan"]


def _nodes(plan: Any) -> Iterator[Any]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from _nodes(child)


def _scanned(node: Any) -> int:
    if not node["Node Type"].endswith("Scan"):
        return 0
    rows: float = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
    return round(rows * int(node["Actual Loops"]))
