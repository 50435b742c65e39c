"""Puts orders that wait into the tables at once, as one tick of a watcher is to find them."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Engine, text

CLIENT = "local"
"""The client of all requests while keys are off."""

_ORDERS = """
INSERT INTO orders (id, client_id, symbol, side, quantity, status, version, attempt, due_at, type,
                    time_in_force, limit_price, stop_price, trigger_on, min_liquidity, worst_price,
                    slippage_tolerance_bps, watch_price, expires_at, created_at, updated_at)
SELECT gen_random_uuid(), client_id, symbol, side, quantity, 'waiting', 1, 1, 'infinity', type,
       CASE type WHEN 'sniper' THEN 'GTD' ELSE 'GTC' END,
       CASE type WHEN 'limit' THEN price END, CASE type WHEN 'stop' THEN price END,
       CASE type WHEN 'sniper' THEN 'poolOpened' END, CASE type WHEN 'sniper' THEN 0 END,
       CASE type WHEN 'sniper' THEN price END, CASE type WHEN 'stop' THEN 1000 END,
       CASE type WHEN 'sniper' THEN 0 ELSE price END,
       CASE type WHEN 'sniper' THEN now() + interval '1 day' END,
       now() - CAST(:age AS interval), now() - CAST(:age AS interval)
FROM ({rows}) AS wanted
RETURNING id, updated_at"""

_EVENTS = """
INSERT INTO order_events (order_id, seq, status, attempt, occurred_at, data)
SELECT id, 1, 'waiting', 1, updated_at, '{}' FROM o"""

_ALIKE = """
    SELECT :client AS client_id, :symbol AS symbol, :side AS side,
           CAST(:quantity AS numeric) AS quantity, :type AS type, CAST(:price AS numeric) AS price
    FROM generate_series(1, :count)"""

# Beyond the price of now: limits to buy and stops to sell below it, the others above it. One in
# twenty is of the client that the requests are of.
_CROWD = """
    SELECT CASE WHEN n % 20 = 7 THEN :client ELSE 'client-' || n % 97 END AS client_id,
           symbol, side, CAST(1 AS numeric) AS quantity, type,
           round(CAST(listed AS numeric) * CASE WHEN (side = 'buy') = (type = 'limit')
                 THEN 0.80 - n % 7919 * 0.00001 ELSE 1.20 + n % 7919 * 0.00001 END, 12) AS price
    FROM (
        SELECT n, (CAST(:symbols AS text[]))[1 + n % :symbol_count] AS symbol,
               (CAST(:prices AS text[]))[1 + n % :symbol_count] AS listed,
               (ARRAY['buy', 'sell'])[1 + n / :symbol_count % 2] AS side,
               CASE WHEN n / :symbol_count / 2 % 3 = 0 THEN 'stop' ELSE 'limit' END AS type
        FROM generate_series(1, :count) AS n
    ) AS numbered"""


def _insert(rows: str) -> str:
    return f"WITH o AS ({_ORDERS.format(rows=rows)}), event AS ({_EVENTS}) SELECT id FROM o"


def add_alike(database: Engine, **terms: Any) -> list[str]:
    """Add orders with the same terms in one transaction; returns their ids.

    The terms are `symbol`, `side`, `quantity`, `type`, `price` and `count`. The price is that of a
    limit, of a stop, or the worst one of a sniper that waits for an open pool.
    """
    with database.connect() as connection:
        found = connection.execute(text(_insert(_ALIKE)), {"client": CLIENT, "age": "0", **terms})
        return [str(order_id) for order_id in found.scalars()]


def add_crowd(database: Engine, listed: Mapping[str, str], count: int) -> None:
    """Add so many orders over all these symbols, none of which starts, and vacuum.

    They were placed an hour before: most orders that wait have done so for long.
    """
    values = {
        "client": CLIENT,
        "age": "1 hour",
        "symbols": list(listed),
        "prices": list(listed.values()),
        "symbol_count": len(listed),
        "count": count,
    }
    with database.connect() as connection:
        connection.execute(text(_insert(_CROWD)), values)
    vacuum(database)


def vacuum(database: Engine) -> None:
    """Vacuum and analyze what the orders are in."""
    with database.connect() as connection:
        connection.execute(text("VACUUM ANALYZE orders, order_events, price_watches"))


def times_of(database: Engine, order_ids: Sequence[str], status: str) -> dict[str, float]:
    """When each of these orders first had this status, in seconds since 1970."""
    statement = text(
        "SELECT order_id, min(extract(epoch FROM occurred_at))::float8 AS at FROM order_events"
        " WHERE order_id = ANY(CAST(:ids AS uuid[])) AND status = :status GROUP BY order_id"
    )
    with database.connect() as connection:
        found = connection.execute(statement, {"ids": list(order_ids), "status": status})
        return {str(row.order_id): row.at for row in found}


def priced_at(database: Engine, order_ids: Sequence[str]) -> float:
    """The time of the first price that has started one of these orders, in seconds since 1970."""
    statement = text(
        "SELECT min(extract(epoch FROM CAST(data ->> 'pricedAt' AS timestamptz)))::float8"
        " FROM order_events WHERE order_id = ANY(CAST(:ids AS uuid[])) AND seq = 2"
    )
    with database.connect() as connection:
        at: float = connection.execute(statement, {"ids": list(order_ids)}).scalar_one()
    return at
