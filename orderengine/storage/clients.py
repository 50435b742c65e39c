"""Clients' orders on PostgreSQL, for their streams."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Engine

from orderengine.domain.order import OrderStatus
from orderengine.execution.queries.latest_steps import LONGEST_COMMIT, ClientSnapshot, OrderState
from orderengine.postgres.database import BY_INDEX, Row, Statement
from orderengine.storage.reader import ask
from orderengine.storage.statuses import IS_WAITING

# `xmin` is only the lower half of a transaction number; the upper half comes from the latest number
# that has this lower half.
_WRITTEN_IN = "shot.next - ((shot.next - CAST(CAST(o.xmin AS text) AS bigint)) & 4294967295)"


def _moving(which: str) -> str:
    return f"""
    (SELECT id, version, updated_at, false AS has_ended, false AS is_waiting,
            {_WRITTEN_IN} AS written_in FROM orders o
     WHERE o.client_id = asked.client_id AND o.due_at IS NOT NULL
       AND o.status {which} '{OrderStatus.WAITING}'
     ORDER BY o.status, o.created_at, o.id LIMIT :limit)"""  # noqa: S608 - composed of constants


# Orders that move, wait and have ended have an index each; the statuses beside the one that waits
# are two parts of theirs. ORDER BY follows the index, so that the planner uses it even if one
# client has nearly all orders, or if the table was small a while ago. Ended orders come latest
# first: a stream that needs orders beyond the limit ends, and the other streams go on. The left
# join returns the time even where it finds nothing.
#
# A waiting order whose step was not visible at an earlier look was written by a transaction that
# had not ended then, however early it began. The time only bounds how many rows are read.
_LOOK = Statement(
    f"""
WITH asked AS MATERIALIZED (
    SELECT each.*, oldest.updated_at AS oldest_waiting
    FROM unnest(CAST(:clients AS text[]), CAST(CAST(:since AS text[]) AS timestamptz[]),
                CAST(:waiting_from AS bigint[])) AS each (client_id, ended_since, waiting_from)
    LEFT JOIN LATERAL (
        SELECT o.updated_at FROM orders o
        WHERE o.client_id = each.client_id AND o.{IS_WAITING} ORDER BY o.updated_at LIMIT 1
    ) AS oldest ON true
)
SELECT asked.client_id, now() AS looked_at, shot.horizon, found.id, found.version,
       found.updated_at, found.has_ended, found.is_waiting, found.written_in, asked.oldest_waiting
FROM (SELECT CAST(CAST(pg_snapshot_xmin(now) AS text) AS bigint) AS horizon,
             CAST(CAST(pg_snapshot_xmax(now) AS text) AS bigint) AS next
      FROM pg_current_snapshot() AS now) AS shot,
     asked
LEFT JOIN LATERAL ({_moving("<")}
    UNION ALL {_moving(">")}
    UNION ALL
    (SELECT id, version, updated_at, false, true, {_WRITTEN_IN} FROM orders o
     WHERE o.client_id = asked.client_id AND o.{IS_WAITING}
       AND o.updated_at >= CASE WHEN asked.waiting_from IS NULL THEN '-infinity'
                           ELSE asked.ended_since - make_interval(secs => :longest_commit_s) END
       AND (asked.waiting_from IS NULL OR {_WRITTEN_IN} >= asked.waiting_from)
     ORDER BY o.updated_at DESC LIMIT :limit)
    UNION ALL
    (SELECT id, version, updated_at, true, false, {_WRITTEN_IN} FROM orders o
     WHERE o.client_id = asked.client_id AND o.due_at IS NULL
       AND o.updated_at >= asked.ended_since ORDER BY o.updated_at DESC LIMIT :limit)
) AS found ON true""",  # noqa: S608 - composed of constants
    BY_INDEX,
)


class SqlClientOrders:
    """Implements `execution.queries.latest_steps.ClientOrders`: one statement for all clients."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def snapshot(
        self,
        ended_since: Mapping[str, datetime | None],
        limit: int,
        waiting_from: Mapping[str, int] | None = None,
    ) -> Mapping[str, ClientSnapshot]:
        """For each client all open orders, or the changed ones, and those that ended since."""
        known = waiting_from or {}
        values: dict[str, Any] = {
            "clients": list(ended_since),
            "since": [since and since.isoformat() for since in ended_since.values()],
            "waiting_from": [known.get(client) for client in ended_since],
            "limit": limit,
            "longest_commit_s": LONGEST_COMMIT.total_seconds(),
        }
        looked: dict[str, Row] = {}
        found: dict[str, dict[UUID, OrderState]] = defaultdict(dict)
        for row in ask(self._engine, _LOOK, values):
            looked[row.client_id] = row
            if row.id is not None:
                found[row.client_id][row.id] = OrderState(
                    row.version,
                    row.updated_at.astimezone(UTC),
                    row.has_ended,
                    row.written_in,
                    row.is_waiting,
                )
        return {
            client: ClientSnapshot(
                row.looked_at.astimezone(UTC),
                row.horizon,
                found[client],
                row.oldest_waiting and row.oldest_waiting.astimezone(UTC),
                client not in known,
            )
            for client, row in looked.items()
        }
