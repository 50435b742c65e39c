"""Clients' orders on PostgreSQL, for their streams."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Engine

from orderengine.execution.queries.latest_steps import ClientSnapshot, OrderState
from orderengine.postgres.database import BY_INDEX, Statement
from orderengine.storage.reader import ask

# Open and ended orders have an index each. ORDER BY follows it, so that the planner uses it even if
# one client has nearly all orders, or if the table was small a while ago. Ended orders come latest
# first: a stream that needs orders beyond the limit ends, and the other streams go on. The left
# join returns the time even where it finds nothing. `xmin` is only the lower half of a transaction
# number; the upper half comes from the latest number that has this lower half.
_LOOK = Statement(
    """
SELECT asked.client_id, now() AS looked_at, shot.horizon, found.id, found.version,
       found.updated_at, found.has_ended,
       shot.next - ((shot.next - found.written_in) & 4294967295) AS written_in
FROM (SELECT CAST(CAST(pg_snapshot_xmin(now) AS text) AS bigint) AS horizon,
             CAST(CAST(pg_snapshot_xmax(now) AS text) AS bigint) AS next
      FROM pg_current_snapshot() AS now) AS shot,
     unnest(CAST(:clients AS text[]), CAST(CAST(:since AS text[]) AS timestamptz[]))
     AS asked (client_id, ended_since)
LEFT JOIN LATERAL (
    (SELECT id, version, updated_at, false AS has_ended,
            CAST(CAST(xmin AS text) AS bigint) AS written_in FROM orders o
     WHERE o.client_id = asked.client_id AND o.due_at IS NOT NULL
     ORDER BY o.status, o.created_at, o.id LIMIT :limit)
    UNION ALL
    (SELECT id, version, updated_at, true, CAST(CAST(xmin AS text) AS bigint) FROM orders o
     WHERE o.client_id = asked.client_id AND o.due_at IS NULL
       AND o.updated_at >= asked.ended_since ORDER BY o.updated_at DESC LIMIT :limit)
) AS found ON true""",
    BY_INDEX,
)


class SqlClientOrders:
    """Implements `execution.queries.latest_steps.ClientOrders`: one statement for all clients."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def snapshot(
        self, ended_since: Mapping[str, datetime | None], limit: int
    ) -> Mapping[str, ClientSnapshot]:
        """For each client all open orders, and those whose last step began since the given time."""
        values: dict[str, Any] = {
            "clients": list(ended_since),
            "since": [since and since.isoformat() for since in ended_since.values()],
            "limit": limit,
        }
        rows = ask(self._engine, _LOOK, values)
        looked: dict[str, tuple[datetime, int]] = {}
        found: dict[str, dict[UUID, OrderState]] = defaultdict(dict)
        for row in rows:
            looked[row.client_id] = (row.looked_at.astimezone(UTC), row.horizon)
            if row.id is not None:
                moved_at = row.updated_at.astimezone(UTC)
                state = OrderState(row.version, moved_at, row.has_ended, row.written_in)
                found[row.client_id][row.id] = state
        return {client: ClientSnapshot(*when, found[client]) for client, when in looked.items()}
