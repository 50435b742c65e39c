"""The halt of all trading, as a row: while it is there, nothing triggers and nothing is signed."""

import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Engine

from orderengine.postgres.database import Row, Statement
from orderengine.storage.reader import ask
from orderengine.storage.statuses import IS_EXPIRABLE

FRESH_S = 1.0

_HALT = Statement(
    """
WITH added AS (
    INSERT INTO trading_halts (id, halted_at) VALUES (1, now())
    ON CONFLICT (id) DO NOTHING RETURNING halted_at
)
SELECT halted_at FROM added UNION ALL SELECT halted_at FROM trading_halts"""
)
# Recovery takes up the orders that a halt has stopped, and counts each. Without a new budget orders
# that meet a few halts in a row would be given up.
_RESUME = Statement(
    f"""
WITH ended AS (
    DELETE FROM trading_halts RETURNING halted_at
), stopped AS (
    SELECT id FROM orders
    WHERE due_at < 'infinity' AND recoveries > 0 AND {IS_EXPIRABLE} AND EXISTS (SELECT FROM ended)
    ORDER BY id FOR NO KEY UPDATE
), again AS (
    UPDATE orders SET recoveries = 0 FROM stopped WHERE orders.id = stopped.id
)
SELECT halted_at FROM ended"""  # noqa: S608 - composed of constants
)
_SINCE = Statement("SELECT halted_at FROM trading_halts")

NOT_HALTED = "NOT EXISTS (SELECT FROM trading_halts)"
"""The condition of the statements that a halt stops."""


class SqlHalts:
    """Implements `execution.operations.halting.Halts`; `clock` counts seconds."""

    def __init__(self, engine: Engine, clock: Callable[[], float] = time.monotonic) -> None:
        self._engine = engine
        self._clock = clock
        self._lock = threading.Lock()
        self._known: tuple[float, bool] = (float("-inf"), False)

    def halt(self) -> datetime:
        """Halt; returns since when it is halted."""
        since: datetime = self._run(_HALT, {})[0].halted_at
        return since.astimezone(UTC)

    def resume(self) -> bool:
        """Resume; False if nothing was halted."""
        return bool(self._run(_RESUME, {}))

    def since(self) -> datetime | None:
        """Since when it is halted; None if it is not."""
        rows = self._run(_SINCE, {})
        return rows[0].halted_at.astimezone(UTC) if rows else None

    def is_halted(self) -> bool:
        """Whether it is halted, as read within the last second."""
        with self._lock:
            read_at, known = self._known
        now = self._clock()
        if now - read_at < FRESH_S:
            return known
        found = self.since() is not None
        with self._lock:
            self._known = (now, found)
        return found

    def _run(self, statement: Statement, values: Mapping[str, Any]) -> list[Row]:
        return ask(self._engine, statement, values)
