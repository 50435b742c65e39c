"""The statements that a test sends to the database."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from sqlalchemy import Engine, event

from orderengine.postgres import database as under_test


def explaining(statement: under_test.Statement) -> str:
    """The statement after EXPLAIN, with its settings in front."""
    local = statement.local
    return f"{local}EXPLAIN {statement.plain.removeprefix(local)}"


@contextmanager
def sent_statements(database: Engine) -> Iterator[list[str]]:
    """A list that fills with the statements, without those that only prepare one."""
    seen: list[str] = []
    run_one = under_test._run

    def record(*args: Any) -> None:
        seen.append(args[2])

    def run_recorded(
        connection: Any, statement: under_test.Statement, values: Any
    ) -> list[under_test.Row]:
        seen.append(statement.execute)
        return run_one(connection, statement, values)

    event.listen(database, "before_cursor_execute", record)
    try:
        with mock.patch.object(under_test, "_run", run_recorded):
            yield seen
    finally:
        event.remove(database, "before_cursor_execute", record)


LOAD_CONFIRMED = """
WITH o AS (
    INSERT INTO orders (id, client_id, symbol, side, quantity, slippage_tolerance_bps,
                        status, version, attempt)
    SELECT gen_random_uuid(), 'local', 'AAPL', 'buy', 1, 100, 'confirmed', 5, 1
    FROM generate_series(1, 4000) RETURNING id
)
INSERT INTO order_events (order_id, seq, status, attempt, occurred_at, data)
SELECT id, seq, (ARRAY['pending','routing','building','submitted','confirmed'])[seq], 1,
       now() - interval '1 day' + seq * interval '1 s', '{"cause": "order"}'
FROM o, generate_series(1, 5) AS seq"""
"""4,000 confirmed orders with their five events, stored by SQL."""
