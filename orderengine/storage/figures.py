"""Figures of all orders, computed in the database."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Engine

from orderengine.domain.home import SIMULATED
from orderengine.domain.moves import TRIGGERED
from orderengine.domain.order import OrderStatus, known_status
from orderengine.domain.terms import OrderType
from orderengine.execution.operations.figures import OpenOrders, SigningWallet, StepKind, Steps
from orderengine.postgres.database import BY_INDEX, Row, Statement
from orderengine.storage.daily import TODAY
from orderengine.storage.reader import ask
from orderengine.storage.statuses import IS_COUNTED, IS_WAITING

SETTLED_S = 60.0
"""After this long hardly any statement can still add an event with an older time: statements end
within seconds, unless they wait for a lock in the server."""
MAX_RECENT = 50_000
FOREIGN_AFTER_S = 15.0
"""Orders that have moved within so many seconds are not looked at for their network."""
SERVED_S = 20.0
"""How long a network counts as served after a worker has said so; workers say it every 5 s."""

# Orders that wait for their condition are left out: there may be very many, for weeks. The inner
# order makes the planner read the index of due orders; one sorted by status has the others, too. An
# order that has waited is as old as its latest start, which its events tell.
_OPEN_ORDERS = Statement(
    f"""
SELECT status, count(*) AS total, extract(epoch FROM now() - min(started_at)) AS oldest_s,
       extract(epoch FROM now() - min(updated_at)) AS longest_s,
       count(*) FILTER (WHERE updated_at < now() - make_interval(secs => :stuck_after_s)) AS late
FROM (
    SELECT status, updated_at, CASE WHEN type = '{OrderType.MARKET}' THEN created_at ELSE coalesce((
        SELECT e.occurred_at FROM order_events e
        WHERE e.order_id = o.id AND e.data ->> 'cause' = '{TRIGGERED}'
        ORDER BY e.seq DESC LIMIT 1
    ), created_at) END AS started_at
    FROM orders o WHERE due_at < 'infinity' ORDER BY due_at
) AS started GROUP BY status""",  # noqa: S608 - composed of constants
    BY_INDEX,
)

# Counted by the watcher, once a minute: each look here would count all of them. It counts no symbol
# without orders that wait.
_WATCHED = Statement(
    f"""
SELECT w.symbol, CASE WHEN (SELECT 1 FROM orders o WHERE o.symbol = w.symbol AND o.{IS_WAITING}
                            LIMIT 1) IS NULL THEN 0 ELSE w.waiting END AS waiting
FROM price_watches w ORDER BY w.symbol""",  # noqa: S608 - composed of constants
    BY_INDEX,
)

# Those that moved lately are this network's, unless it has just changed. An order that is not
# signed has no wallet, and one of an earlier release no network. No order of a network that workers
# serve is left alone, whichever of them has told of itself last.
_FOREIGN = Statement(
    f"""
WITH own AS (
    SELECT network, wallet FROM wallets WHERE CAST(:live AS boolean)
      AND seen_at >= least((SELECT max(seen_at) FROM wallets),
                           now() - make_interval(secs => :served_s))
)
SELECT coalesce(t.network, o.placed_on, '{SIMULATED}') AS network, coalesce(t.wallet, '') AS wallet,
       count(*) AS total
FROM (
    SELECT status, placed_on,
           CASE WHEN status = '{OrderStatus.SUBMITTED}' THEN tx_hash END AS signature
    FROM orders WHERE due_at < 'infinity'
      AND updated_at < now() - make_interval(secs => :settled_s) ORDER BY due_at
) AS o
LEFT JOIN LATERAL (
    SELECT network, wallet FROM transactions WHERE signature = o.signature LIMIT 1
) AS t ON true
WHERE CASE WHEN status = '{OrderStatus.SUBMITTED}'
           THEN (SELECT true FROM own WHERE (own.network, own.wallet) = (t.network, t.wallet)
                 UNION ALL SELECT true WHERE t.network IS NULL AND NOT CAST(:live AS boolean)
                 LIMIT 1) IS NULL
           WHEN CAST(:live AS boolean) THEN EXISTS (SELECT FROM own) AND o.placed_on IS NOT NULL
                AND NOT EXISTS (SELECT FROM own WHERE own.network = o.placed_on)
           ELSE o.placed_on <> '{SIMULATED}' END
GROUP BY 1, 2""",  # noqa: S608 - composed of constants
    BY_INDEX,
)

_WALLETS = Statement(
    """
SELECT network, lamports, usdc, slots_behind, strangers,
       extract(epoch FROM now() - told_at) AS told_s FROM wallets
WHERE told_at > now() - interval '1 minute' AND lamports IS NOT NULL AND usdc IS NOT NULL
ORDER BY network"""
)

# A server hides the transactions of other users from a role that may not see them.
_SNAPSHOT = Statement(
    """
SELECT coalesce(max(extract(epoch FROM clock_timestamp() - xact_start)), 0) AS oldest_s
FROM pg_stat_activity
WHERE backend_xmin IS NOT NULL AND datname = current_database() AND pid <> pg_backend_pid()"""
)

_DAILY = Statement(
    f"""
SELECT coalesce(sum(charged), 0) AS usdc, coalesce(max(charged / nullif(most, 0)), 0) AS share
FROM daily_notionals WHERE day = {TODAY}"""  # noqa: S608 - composed of constants
)

# One snapshot of both tables, so that a concurrent `sum_up` neither hides nor doubles a step.
_STEPS = Statement(
    f"""
WITH recent AS (
    SELECT status, coalesce(data ->> 'reason', data ->> 'cause', '') AS cause
    FROM order_events
    WHERE occurred_at > (SELECT counted_until FROM step_totals_mark) AND ({IS_COUNTED})
    ORDER BY occurred_at LIMIT :max_recent
)
SELECT status, cause, sum(total) AS total FROM (
    SELECT status, cause, total FROM step_totals
    UNION ALL SELECT status, cause, count(*) FROM recent GROUP BY status, cause
) AS steps GROUP BY status, cause""",  # noqa: S608 - composed of constants
    BY_INDEX,
)

# Whoever locks the mark sums up from its current position; the others find nothing to do.
_SUM_UP = Statement(
    f"""
WITH mark AS (
    SELECT counted_until AS since FROM step_totals_mark FOR UPDATE SKIP LOCKED
), batch AS (
    SELECT since, (
        SELECT max(occurred_at) FROM (
            SELECT occurred_at FROM order_events
            WHERE occurred_at > since AND ({IS_COUNTED})
              AND occurred_at <= now() - make_interval(secs => :settled_s)
            ORDER BY occurred_at LIMIT :limit
        ) AS oldest
    ) AS until FROM mark
), moved AS (
    UPDATE step_totals_mark SET counted_until = until FROM batch
    WHERE until IS NOT NULL
    RETURNING since, until
), counted AS (
    SELECT status, coalesce(data ->> 'reason', data ->> 'cause', '') AS cause, count(*) AS total
    FROM moved JOIN order_events ON occurred_at > since AND occurred_at <= until
    WHERE ({IS_COUNTED}) GROUP BY 1, 2
), added AS (
    INSERT INTO step_totals (status, cause, total) SELECT status, cause, total FROM counted
    ON CONFLICT (status, cause) DO UPDATE SET total = step_totals.total + excluded.total
)
SELECT coalesce(sum(total), 0) AS total FROM counted"""  # noqa: S608 - composed of constants
)


class SqlFigures:
    """Implements `execution.operations.figures.OrderFigures`.

    Reads only open orders and recent events. `stuck_after_s` is how long an order may be submitted
    before it counts as stuck; `is_live` says if orders settle on a live network.
    """

    def __init__(self, engine: Engine, stuck_after_s: float, *, is_live: bool = False) -> None:
        self._engine = engine
        self._stuck_after_s = stuck_after_s
        self._is_live = is_live

    def open_orders(self) -> OpenOrders:
        """The orders that have started and not ended."""
        found = self._run(_OPEN_ORDERS, {"stuck_after_s": self._stuck_after_s})
        by_name = {row.status: row for row in found}
        # Orders with a status of a later release count for the age of the oldest open order, too.
        rows = {status: by_name[status] for status in OrderStatus if status in by_name}
        submitted = rows.get(OrderStatus.SUBMITTED)
        (daily,) = self._run(_DAILY, {})
        return OpenOrders(
            by_status={status: row.total for status, row in rows.items()},
            oldest_s=max((float(row.oldest_s) for row in found), default=0.0),
            oldest_submitted_s=float(submitted.longest_s) if submitted else 0.0,
            stuck=submitted.late if submitted else 0,
            watched={row.symbol: row.waiting for row in self._run(_WATCHED, {})},
            oldest_snapshot_s=float(self._run(_SNAPSHOT, {})[0].oldest_s),
            daily_usdc=float(daily.usdc),
            daily_share=float(daily.share),
            waiting_s={status: float(row.longest_s) for status, row in rows.items()},
            foreign=self._foreign() if rows else {},
            wallets=self._wallets() if self._is_live else (),
        )

    def _foreign(self) -> Mapping[tuple[str, str], int]:
        """Orders that were placed on another network, or signed with another wallet, by both."""
        values = {
            "live": self._is_live,
            "settled_s": FOREIGN_AFTER_S,
            "served_s": SERVED_S,
        }
        rows = self._run(_FOREIGN, values)
        return {(row.network, row.wallet): int(row.total) for row in rows}

    def _wallets(self) -> Sequence[SigningWallet]:
        return [
            SigningWallet(
                row.network,
                int(row.lamports),
                int(row.usdc),
                int(row.slots_behind or 0),
                row.strangers,
                float(row.told_s),
            )
            for row in self._run(_WALLETS, {})
        ]

    def steps(self) -> Steps:
        """Totals of ended orders, failed attempts and recoveries since the beginning."""
        rows = self._run(_STEPS, {"max_recent": MAX_RECENT})
        known = ((known_status(row.status), row) for row in rows)
        return {StepKind(status, row.cause): int(row.total) for status, row in known if status}

    def sum_up(self, limit: int) -> int:
        """Add about `limit` steps older than `SETTLED_S` to the running totals; returns how many.

        Any number of processes may call this at once: one adds, the others do nothing.
        """
        (row,) = self._run(_SUM_UP, {"limit": limit, "settled_s": SETTLED_S})
        return int(row.total)

    def _run(self, statement: Statement, values: Mapping[str, Any]) -> list[Row]:
        return ask(self._engine, statement, values)
