"""The store of orders for operators."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Engine

from orderengine.domain.events import OrderEvent
from orderengine.domain.home import SIMULATED
from orderengine.domain.order import Order
from orderengine.execution.operations.archive import ORDER_COLUMNS, Lag, OpenOrder, Prunable, Row
from orderengine.postgres.database import BY_INDEX, Statement
from orderengine.postgres.database import Row as SqlRow
from orderengine.storage.columns import stored
from orderengine.storage.reader import ask
from orderengine.storage.statuses import IS_TERMINAL

MOST_COUNTED = 100_000

_OPEN_ORDER_COLUMNS = f"""id, status, attempt, version, recoveries, redispatched, tx_hash,
       coalesce(placed_on, (SELECT coalesce(t.network, '{SIMULATED}') FROM transactions t
                            WHERE t.signature = orders.tx_hash)) AS placed_on,
       (SELECT t.wallet FROM transactions t WHERE t.signature = orders.tx_hash) AS wallet,
       extract(epoch FROM now() - updated_at) AS unmoved_s,
       extract(epoch FROM due_at - now()) AS due_in_s"""  # noqa: S608 - composed of constants

_OPEN_ORDERS = Statement(
    f"""
SELECT {_OPEN_ORDER_COLUMNS} FROM orders WHERE due_at < 'infinity' ORDER BY due_at LIMIT :limit""",  # noqa: S608 - composed of constants
    BY_INDEX,
)

_LAG = Statement(
    """
SELECT count(*) AS total, coalesce(extract(epoch FROM now() - min(due_at)), 0) AS oldest_s
FROM orders WHERE due_at <= now()""",
    BY_INDEX,
)

# Status and version stay: messages in flight remain valid, and one that comes late is a no-op.
_MAKE_DUE = Statement(
    f"""
UPDATE orders SET due_at = now(), redispatched = 0
WHERE id = :id AND due_at < 'infinity'
RETURNING {_OPEN_ORDER_COLUMNS}"""  # noqa: S608 - composed of constants
)


_COLUMNS = {each.name: f"o.{each.column}" for each in stored(Order)}
_ELSEWHERE = {
    "dex": "o.dex",
    "quotedPrice": "o.quoted_price",
    "executedPrice": "o.executed_price",
    "slippagePct": "o.slippage_bps / 100",
    "fee": "s.fee",
    "baseAmount": "s.base_amount",
    "quoteAmount": "s.quote_amount",
    "txHash": "o.tx_hash",
    "landedAt": "s.landed_at",
    "reason": "o.failure_reason",
    "detail": "CASE WHEN o.failure_reason IS NOT NULL"
    " THEN o.failed_attempts -> -1 ->> 'detail' END",
}
"""What an export reads beside the columns of an order's own fields; `s` is its settlement."""
_EXPORTED_ORDER = ", ".join(
    f'{(_COLUMNS | _ELSEWHERE)[name]} AS "{name}"' for name in ORDER_COLUMNS
)
_EXPORTED_EVENT = ", ".join(f'{each.column} AS "{each.name}"' for each in stored(OrderEvent))


def _order_rows(where: str = "") -> Statement:
    # LATERAL looks up one settlement per order: with an unknown limit a join may read them all.
    return Statement(
        f"""
SELECT {_EXPORTED_ORDER}
FROM orders o LEFT JOIN LATERAL (
    SELECT * FROM settlements WHERE order_id = o.id LIMIT 1
) AS s ON true
{where}ORDER BY o.id LIMIT :limit""",  # noqa: S608 - composed of constants
        BY_INDEX,
    )


def _event_rows(where: str = "") -> Statement:
    return Statement(
        f"""
SELECT {_EXPORTED_EVENT} FROM order_events
{where}ORDER BY order_id, seq LIMIT :limit""",  # noqa: S608 - composed of constants
        BY_INDEX,
    )


# One statement for the first page, one for the others: the single plan of a statement with an
# optional condition would read all pages before the requested one.
_FIRST_ORDERS = _order_rows()
_NEXT_ORDERS = _order_rows("WHERE o.id > :after ")
_FIRST_EVENTS = _event_rows()
_NEXT_EVENTS = _event_rows("WHERE (order_id, seq) > (:after, :seq) ")

_ESTIMATE = Statement(
    """
SELECT greatest(reltuples, 0) AS total FROM pg_class WHERE oid = to_regclass(:table)"""
)

# The index of the counted events holds each order's last event, ordered by time. Events beyond the
# mark stay: each look at the metrics counts them again.
_ENDED = f"""order_events
    WHERE {IS_TERMINAL} AND occurred_at < now() - make_interval(secs => :age_s)
      AND occurred_at <= (SELECT counted_until FROM step_totals_mark)
    ORDER BY occurred_at LIMIT :limit"""  # noqa: S608 - composed of constants

_PRUNABLE = Statement(
    f"""
SELECT count(*) AS orders, coalesce(sum(seq), 0) AS events
FROM (SELECT seq FROM {_ENDED}) AS ended""",  # noqa: S608 - composed of constants
    BY_INDEX,
)

_PRUNABLE_IDS = Statement(
    f"SELECT order_id FROM {_ENDED}",  # noqa: S608 - composed of constants
    BY_INDEX,
)

_FORGET_EVENTS = Statement(
    """
WITH gone AS (
    DELETE FROM order_events e USING orders o
    WHERE o.id = ANY(CAST(CAST(:ids AS text[]) AS uuid[])) AND o.due_at IS NULL
      AND e.order_id = o.id
    RETURNING 1
)
SELECT count(*) AS total FROM gone""",
    {"enable_seqscan": "off"},
)


class SqlArchive:
    """Implements `execution.operations.archive.Archive`; the page size bounds each statement."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def open_orders(self, limit: int) -> list[OpenOrder]:
        """Started orders, sorted by when recovery is to look at them."""
        return [_open_order(row) for row in self._run(_OPEN_ORDERS, {"limit": limit})]

    def lag(self) -> Lag:
        """How late recovery is."""
        (row,) = self._run(_LAG, {})
        return Lag(row.total, float(row.oldest_s))

    def make_due(self, order_id: UUID) -> OpenOrder | None:
        """Make an open order due for recovery at once; None if it has not started, or has ended."""
        rows = self._run(_MAKE_DUE, {"id": order_id})
        return _open_order(rows[0]) if rows else None

    def order_rows(self, after: UUID | None, limit: int) -> list[Row]:
        """Orders sorted by id, starting after `after`."""
        chosen = _FIRST_ORDERS if after is None else _NEXT_ORDERS
        rows = self._run(chosen, {"after": after, "limit": limit})
        return [row._asdict() for row in rows]

    def event_rows(self, after: tuple[UUID, int] | None, limit: int) -> list[Row]:
        """Events sorted by order and `seq`, starting after `after`."""
        order_id, seq = after or (None, None)
        chosen = _FIRST_EVENTS if after is None else _NEXT_EVENTS
        rows = self._run(chosen, {"after": order_id, "seq": seq, "limit": limit})
        return [row._asdict() for row in rows]

    def estimate(self, table: str) -> int:
        """The approximate number of rows of a table at its last ANALYZE; 0 for a missing table."""
        rows = self._run(_ESTIMATE, {"table": table})
        return int(rows[0].total) if rows else 0

    def prunable(self, age_s: float) -> Prunable:
        """What `prune` would delete; counts at most 100,000 orders."""
        (row,) = self._run(_PRUNABLE, {"age_s": age_s, "limit": MOST_COUNTED})
        return Prunable(row.orders, int(row.events), row.orders == MOST_COUNTED)

    def prunable_ids(self, age_s: float, limit: int) -> list[UUID]:
        """Orders that ended longer ago, are counted in the totals, and still have events."""
        rows = self._run(_PRUNABLE_IDS, {"age_s": age_s, "limit": limit})
        return [row.order_id for row in rows]

    def forget_events(self, order_ids: Collection[UUID]) -> int:
        """Delete the events of these orders, except open ones; returns how many."""
        (row,) = self._run(_FORGET_EVENTS, {"ids": [str(each) for each in order_ids]})
        return int(row.total)

    def _run(self, statement: Statement, values: Mapping[str, Any]) -> Sequence[SqlRow]:
        return ask(self._engine, statement, values)


def _open_order(row: SqlRow) -> OpenOrder:
    return OpenOrder(
        order_id=row.id,
        status=row.status,
        attempt=row.attempt,
        version=row.version,
        unmoved_s=float(row.unmoved_s),
        due_in_s=float(row.due_in_s),
        recoveries=row.recoveries,
        redispatched=row.redispatched,
        tx_hash=row.tx_hash,
        placed_on=row.placed_on,
        wallet=row.wallet,
    )
