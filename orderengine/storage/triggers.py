"""Orders that wait, on PostgreSQL: who watches them, and whose price has come."""

# ruff: noqa: S608 - statements are composed of constants

from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Engine

from orderengine.domain.errors import FailureReason
from orderengine.domain.order import Order, OrderStatus
from orderengine.domain.side import Side
from orderengine.domain.terms import OrderType
from orderengine.execution.unreadable import Unreadable
from orderengine.execution.waiting.prices import SeenPrice, starts_below
from orderengine.execution.waiting.watching import NextLook, Watched
from orderengine.postgres.arrays import BY_KEY, array, array_parameter, columns_of, unnest
from orderengine.postgres.database import BY_INDEX, Row, Statement
from orderengine.storage.leases import HOLD, RELEASE
from orderengine.storage.reader import ask
from orderengine.storage.rows import RowReader
from orderengine.storage.sql import LATEST_TRANSACTION, ORDER_COLUMNS
from orderengine.storage.statuses import IS_WAITING

_MAY_START = """(o.rearm_at IS NULL OR o.rearm_at <= {seen_at})
  AND (o.expires_at IS NULL OR o.expires_at > clock_timestamp())"""


def _candidates(come: str, order: str) -> Statement:
    return Statement(
        f"""
SELECT {ORDER_COLUMNS} FROM orders o {LATEST_TRANSACTION}
WHERE o.symbol = :symbol AND o.type = :type AND o.side = :side AND o.{IS_WAITING} AND {come}
  AND {_MAY_START.format(seen_at=":seen_at")}
ORDER BY {order}, o.created_at, o.id LIMIT :limit""",
        BY_INDEX,
    )


_BELOW, _ABOVE = "o.watch_price >= ", "o.watch_price <= "
STARTS_BELOW = _candidates(f"{_BELOW}:price", "o.watch_price DESC")
"""Orders that start at or below their price, the highest first."""
STARTS_ABOVE = _candidates(f"{_ABOVE}:price", "o.watch_price")

_KIND = {
    "symbol": "text",
    "type": "text",
    "side": "text",
    "is_below": "boolean",
    "price": "numeric",
    "seen_at": "timestamptz",
}


def _first(come: str, order: str) -> str:
    return f"""(SELECT 1 FROM orders o
         WHERE o.symbol = m.symbol AND o.type = m.type AND o.side = m.side AND o.{IS_WAITING}
           AND {come}m.price AND {_MAY_START.format(seen_at="m.seen_at")}
         ORDER BY {order} LIMIT 1) IS NOT NULL"""


# One look at the index for each kind, by a scalar query, as for the leases.
COME = Statement(
    f"""
SELECT m.symbol, m.type, m.side FROM {unnest(_KIND, "m")}
WHERE CASE WHEN m.is_below THEN {_first(_BELOW, "o.watch_price DESC")}
           ELSE {_first(_ABOVE, "o.watch_price")} END""",
    {**BY_INDEX, "plan_cache_mode": "force_generic_plan"},
)

# For a parameter the planner cannot use an index of waiting orders alone, which it may prefer to
# that of the ids, and then reads from end to end.
_STILL_WAITS = "status = CAST(:waiting AS text)"
_WAITS = {"waiting": OrderStatus.WAITING.value}

# Rows that another statement has locked are moving: they need no other price.
PUT_OFF = Statement(
    f"""
WITH wanted AS (
    SELECT orders.id, m.watch_price, m.because
    FROM orders JOIN {
        unnest(
            {"id": "uuid", "at_version": "integer", "watch_price": "numeric", "because": "text"},
            "m",
        )
    } ON orders.id = m.id
    WHERE orders.id = ANY({array_parameter("id", "uuid")}) AND version = m.at_version
      AND {_STILL_WAITS}
      AND (orders.watch_price, held_because) IS DISTINCT FROM (m.watch_price, m.because)
    ORDER BY orders.id FOR NO KEY UPDATE OF orders SKIP LOCKED
)
UPDATE orders SET watch_price = wanted.watch_price, held_because = wanted.because
FROM wanted WHERE orders.id = wanted.id
RETURNING orders.id""",
    BY_KEY,
)

LOOK_ANEW = Statement(
    f"""
WITH put_off AS (
    SELECT id FROM orders
    WHERE symbol = :symbol AND {IS_WAITING}
      AND (watch_price IS DISTINCT FROM coalesce(limit_price, stop_price, min_liquidity)
           OR held_because IS NOT NULL)
    ORDER BY id FOR NO KEY UPDATE SKIP LOCKED
), again AS (
    UPDATE orders
    SET watch_price = coalesce(limit_price, stop_price, min_liquidity), held_because = NULL
    FROM put_off WHERE orders.id = put_off.id
)
UPDATE price_watches
SET waiting = (SELECT count(*) FROM orders o WHERE o.symbol = :symbol AND o.{IS_WAITING})
WHERE symbol = :symbol AND holder = :holder
RETURNING symbol""",
    {"enable_seqscan": "off"},
)

# One look at the index finds the next symbol. Without the order and the limit for each symbol, or
# without the ids for the lock, the planner may read all orders that wait.
HOLD_UNKNOWN = Statement(
    f"""
WITH RECURSIVE found AS (
    (SELECT symbol FROM orders WHERE {IS_WAITING} ORDER BY symbol LIMIT 1)
    UNION ALL
    SELECT (SELECT o.symbol FROM orders o WHERE o.{IS_WAITING} AND o.symbol > found.symbol
            ORDER BY o.symbol LIMIT 1)
    FROM found WHERE found.symbol IS NOT NULL
), untold AS MATERIALIZED (
    SELECT each.id FROM found CROSS JOIN LATERAL (
        SELECT o.id FROM orders o
        WHERE o.symbol = found.symbol AND o.{IS_WAITING}
          AND o.held_because IS DISTINCT FROM '{FailureReason.UNKNOWN_SYMBOL}'
        ORDER BY o.symbol, o.type, o.side, o.watch_price LIMIT 1000
    ) AS each
    WHERE found.symbol <> ALL(CAST(:symbols AS text[]))
), held AS (
    SELECT id FROM orders WHERE id = ANY(ARRAY(SELECT id FROM untold)) AND {_STILL_WAITS}
    ORDER BY id FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE orders SET held_because = '{FailureReason.UNKNOWN_SYMBOL}'
FROM held WHERE orders.id = held.id
RETURNING orders.id""",
    {**BY_INDEX, "enable_sort": "on", "plan_cache_mode": "force_generic_plan"},
)

STILL_AT = Statement(
    f"""
SELECT o.id FROM {unnest({"id": "uuid", "at_version": "integer"}, "m")}
JOIN orders o ON o.id = m.id
WHERE o.version = m.at_version""",
    BY_KEY,
)


class SqlWaiting:
    """Implements `execution.waiting.watching.Waiting`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._reader = RowReader()

    def hold(
        self, holder: str, symbols: Sequence[str], lease_s: float
    ) -> dict[Watched, Decimal | None]:
        """Take or keep the watch over those symbols that no other watcher holds."""
        values = {"holder": holder, "symbols": list(symbols), "lease_s": lease_s}
        rows = self._run(HOLD, values)
        return {
            Watched(row.symbol, OrderType(row.type), Side(row.side)): row.watch_price
            for row in rows
        }

    def release(self, holder: str) -> None:
        """Give up the watch over all symbols."""
        self._run(RELEASE, {"holder": holder})

    def come(self, seen: Mapping[Watched, SeenPrice]) -> Collection[Watched]:
        """Those of these kinds that have candidates at their price."""
        rows = [
            {
                "symbol": each.symbol,
                "type": each.type.value,
                "side": each.side.value,
                "is_below": starts_below(each.type, each.side),
                "price": price.price,
                "seen_at": price.at,
            }
            for each, price in seen.items()
        ]
        found = self._run(COME, columns_of(rows)) if rows else []
        return {Watched(row.symbol, OrderType(row.type), Side(row.side)) for row in found}

    def candidates(self, watched: Watched, seen: SeenPrice, limit: int) -> list[Order | Unreadable]:
        """Orders whose watched price has come, or whose pool is deep enough."""
        rows = self._run(statement_of(watched), probe_values(watched, seen, limit))
        return [self._reader.readable(row) for row in rows]

    def put_off(self, looks: Sequence[NextLook]) -> None:
        """Set the prices at which orders are looked at next."""
        rows = [
            {
                "id": each.order_id,
                "at_version": each.version,
                "watch_price": each.watch_price,
                "because": each.because and each.because.value,
            }
            for each in looks
        ]
        if rows:
            self._run(PUT_OFF, columns_of(rows) | _WAITS)

    def look_anew(self, holder: str, symbol: str) -> None:
        """Look at all orders of a symbol at their own prices again, and note how many wait."""
        self._run(LOOK_ANEW, {"holder": holder, "symbol": symbol})

    def hold_unknown(self, symbols: Sequence[str]) -> Collection[UUID]:
        """Note at orders of other symbols than these why they wait."""
        values = {"symbols": list(symbols), **_WAITS}
        return [row.id for row in self._run(HOLD_UNKNOWN, values)]

    def still_at(self, versions: Mapping[UUID, int]) -> Collection[UUID]:
        """Those of these orders that no worker has taken since this version."""
        values = {"id": array(list(versions)), "at_version": array(list(versions.values()))}
        return {row.id for row in self._run(STILL_AT, values)}

    def _run(self, statement: Statement, values: Mapping[str, Any]) -> list[Row]:
        return ask(self._engine, statement, values)


def statement_of(watched: Watched) -> Statement:
    """The statement that finds the candidates of this kind."""
    return STARTS_BELOW if starts_below(watched.type, watched.side) else STARTS_ABOVE


def probe_values(watched: Watched, seen: SeenPrice, limit: int) -> dict[str, Any]:
    """The parameters of these statements."""
    return {
        "symbol": watched.symbol,
        "type": watched.type.value,
        "side": watched.side.value,
        "price": seen.price,
        "seen_at": seen.at,
        "limit": limit,
    }
