"""The load of baseline (b), in a process of its own: threads place orders without HTTP."""

import os
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import text

EMPTY = text(
    "TRUNCATE naive.orders, naive.order_events, naive.transactions, naive.ledger, naive.settlements"
)

TALLY = text(
    """
SELECT count(*) AS orders, count(*) FILTER (WHERE o.status = 'confirmed') AS confirmed,
       count(*) FILTER (WHERE e.events = 5 AND s.signature = o.tx_hash) AS complete,
       extract(epoch FROM max(e.last_at))::double precision AS last_at
FROM naive.orders o LEFT JOIN (
    SELECT order_id, count(*) AS events, max(at) AS last_at
    FROM naive.order_events GROUP BY order_id
) e ON e.order_id = o.id LEFT JOIN naive.settlements s ON s.order_id = o.id"""
)
"""The progress of the orders, and the time of the last step."""


def prepare(environ: Mapping[str, str]) -> None:
    """Set the environment, which the chain's module reads at its import."""
    os.environ.update(environ)


def create_tables() -> None:
    """Create the schema and the tables."""
    from benchmarks.naive_chain import SCHEMA, Base, engine

    with engine.begin() as connection:
        connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}"))
        Base.metadata.create_all(connection)


def place(count: int, threads: int) -> float:
    """Place orders; returns the start of the first one, in seconds since 1970."""
    from benchmarks.naive_chain import place as place_one

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda _: None, range(threads)))  # starts all threads before the clock
        started = time.time()
        for each in [pool.submit(place_one) for _ in range(count)]:
            each.result()
    return started
