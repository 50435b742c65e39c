"""The condition for every figure: no order lost, none executed twice, no event missing."""

from dataclasses import dataclass

from sqlalchemy import Engine, text

from orderengine.domain.order import OrderStatus
from orderengine.storage.statuses import IS_TERMINAL

_TALLY = text(
    f"""
WITH events AS (
    SELECT order_id, count(*) AS events, min(seq) AS first_seq, max(seq) AS last_seq
    FROM order_events GROUP BY order_id
), executions AS (
    SELECT order_id, count(*) AS times FROM sim_transactions
    WHERE outcome = 'executed' OR (outcome IS NULL AND lands_at <= clock_timestamp())
    GROUP BY order_id
), settled AS (
    SELECT order_id, count(*) AS times FROM settlements GROUP BY order_id
)
SELECT count(*) AS orders,
       count(*) FILTER (WHERE o.status = '{OrderStatus.CONFIRMED}') AS confirmed,
       count(*) FILTER (WHERE NOT o.{IS_TERMINAL}) AS unfinished,
       count(*) FILTER (WHERE (e.events, e.first_seq, e.last_seq)
                        IS DISTINCT FROM (o.version, 1, o.version)) AS with_gaps,
       count(*) FILTER (WHERE coalesce(x.times, 0)
                        <> CAST(o.status = '{OrderStatus.CONFIRMED}' AS integer)
                        OR coalesce(s.times, 0) <> coalesce(x.times, 0)) AS misexecuted
FROM orders o
LEFT JOIN events e ON e.order_id = o.id
LEFT JOIN executions x ON x.order_id = o.id
LEFT JOIN settled s ON s.order_id = o.id"""
)


class Lost(Exception):
    """An order is missing, unfinished or wrong, so there is no figure."""


@dataclass(frozen=True, slots=True)
class Tally:
    """PostgreSQL's counts of the orders placed so far.

    `with_gaps`: version, last seq and number of events differ. `misexecuted`: the network's ledger
    or the settlements do not have exactly one execution for a confirmed order, or have one for
    another order.
    """

    orders: int
    confirmed: int
    unfinished: int
    with_gaps: int
    misexecuted: int


def read_tally(database: Engine) -> Tally:
    """Count all orders of a database."""
    with database.connect() as connection:
        return Tally(**connection.execute(_TALLY).mappings().one())


def require_none_lost(tally: Tally, placed: int) -> None:
    """Raise Lost unless each of `placed` orders is stored, confirmed, executed once, gapless."""
    wanted = Tally(orders=placed, confirmed=placed, unfinished=0, with_gaps=0, misexecuted=0)
    if tally != wanted:
        raise Lost(f"{placed} orders were placed, and PostgreSQL has {tally}")
