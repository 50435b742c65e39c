"""The statements of the pipeline; pure.

The tables are the engine's with all their columns, indexes and checks, in a schema of their own. A
hop writes the columns that the engine's move writes, with the values of an order that the engine
executed, and its event, in one statement.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

SCHEMA = "bullmq"
_DUE_S = 60

HOPS: Mapping[str, tuple[str, Sequence[str]]] = {
    "route": ("routing", ()),
    "build": ("building", ("route", "dex", "quoted_price", "quote_amount", "limit_amount")),
    "submit": ("submitted", ("tx_hash",)),
    "confirm": ("confirmed", ("fill", "executed_price", "slippage_bps")),
}
"""Each queue with the status that it leads to, and the columns that it sets."""

CREATE_TABLES = f"""
CREATE SCHEMA {SCHEMA};
CREATE TABLE {SCHEMA}.orders (LIKE public.orders INCLUDING ALL);
CREATE TABLE {SCHEMA}.order_events (LIKE public.order_events INCLUDING ALL);
ALTER TABLE {SCHEMA}.order_events ADD FOREIGN KEY (order_id) REFERENCES {SCHEMA}.orders"""

ACCEPT = f"""
WITH accepted AS (
    INSERT INTO {SCHEMA}.orders (id, client_id, symbol, side, quantity, slippage_tolerance_bps,
                                 status, version, attempt, due_at)
    SELECT gen_random_uuid(), client_id, symbol, side, quantity, slippage_tolerance_bps,
           'pending', 1, 1, now() + make_interval(secs => {_DUE_S})
    FROM public.orders, generate_series(1, $2::integer) WHERE id = $1
    RETURNING *
), event AS (
    INSERT INTO {SCHEMA}.order_events (order_id, seq, status, attempt, occurred_at, data)
    SELECT id, version, status, attempt, updated_at, '{{}}' FROM accepted
)
SELECT id FROM accepted"""
"""Store new orders that are like order $1, $2 of them."""

IS_OPEN = f"SELECT EXISTS (SELECT FROM {SCHEMA}.orders WHERE due_at IS NOT NULL)"

TALLY = f"""
SELECT count(*) AS orders, count(*) FILTER (WHERE status = 'confirmed') AS confirmed,
       count(*) FILTER (WHERE version = 5 AND events = 5) AS complete,
       CAST(extract(epoch FROM max(updated_at)) AS double precision) AS last_at
FROM {SCHEMA}.orders LEFT JOIN (
    SELECT order_id, count(*) AS events FROM {SCHEMA}.order_events GROUP BY order_id
) AS e ON order_id = id"""
"""The progress of all orders, and the time of the last hop in seconds since 1970."""

SAMPLE = """
SELECT r.columns, e.data FROM orders o
JOIN LATERAL (
    SELECT jsonb_object_agg(key, value) AS columns FROM jsonb_each_text(to_jsonb(o))
) AS r ON true
JOIN LATERAL (
    SELECT jsonb_object_agg(status, data) AS data FROM order_events WHERE order_id = o.id
) AS e ON true
WHERE o.status = 'confirmed' AND o.attempt = 1 ORDER BY o.created_at LIMIT 1"""
"""An order that the engine executed: its columns as text, and the data of its events by status."""


@dataclass(frozen=True, slots=True)
class Hop:
    """A queue and its write: the statement, its values after $1 and $2, and the event's data."""

    queue: str
    statement: str
    values: Sequence[str]
    data: Mapping[str, Any]


def hops_like(columns: Mapping[str, str], data: Mapping[str, Mapping[str, Any]]) -> list[Hop]:
    """The hops in order, with the columns of an executed order and its events' data by status."""
    return [
        Hop(
            queue=queue,
            statement=_advance(names, is_last=status == "confirmed"),
            values=[status, json.dumps(data[status]), *(columns[name] for name in names)],
            data=data[status],
        )
        for queue, (status, names) in HOPS.items()
    ]


def _advance(names: Sequence[str], *, is_last: bool) -> str:
    """The write of a hop for order $1 at version $2, with status $3 and data $4 of its event."""
    due = "NULL" if is_last else f"now() + make_interval(secs => {_DUE_S})"
    changes = "".join(f", {name} = ${number}" for number, name in enumerate(names, 5))
    return f"""
WITH moved AS (
    UPDATE {SCHEMA}.orders
    SET status = $3, version = version + 1, updated_at = now(), due_at = {due}{changes}
    WHERE id = $1 AND version = $2
    RETURNING id, version, status, attempt, updated_at
)
INSERT INTO {SCHEMA}.order_events (order_id, seq, status, attempt, occurred_at, data)
SELECT id, version, status, attempt, updated_at, CAST($4 AS jsonb) FROM moved
RETURNING seq, status, attempt, occurred_at"""
