"""What one worker looks at for all, in PostgreSQL: the marks are beside the wallet."""

# ruff: noqa: S608 - statements are composed of constants

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Engine

from orderengine.domain.order import OrderStatus
from orderengine.execution.second_looks import Settled, SettledPart
from orderengine.postgres.database import BY_INDEX, Row, Statement
from orderengine.storage.reader import ask
from orderengine.storage.sql import LOOKED_UP_BY_KEY
from orderengine.storage.statuses import IS_COUNTED

FINAL_PAUSE_S = 4.0
"""The least time between two looks at settlements, of all workers together."""
STRANGERS_PAUSE_S = 60.0
FIRST_LOOK_S = 600.0
"""How far back the very first look at settlements goes."""

# The mark is written by whoever has looked: a worker that is killed meanwhile leaves it as it was.
_BEGIN_SETTLED = Statement(
    """
UPDATE wallets SET final_looked_at = clock_timestamp()
WHERE network = :network AND (final_looked_at IS NULL
      OR final_looked_at < clock_timestamp() - make_interval(secs => :pause_s))
RETURNING coalesce(final_until, now() - make_interval(secs => :first_s)) AS since,
          now() - make_interval(secs => :age_s) AS until"""
)

# By the index of counted events, in which each order's last one is. All of one moment, or none.
SETTLED = Statement(
    f"""
SELECT e.occurred_at, extract(epoch FROM now() - e.occurred_at) AS age_s,
       t.signature, t.network, t.slot
FROM (
    SELECT order_id, occurred_at FROM order_events
    WHERE occurred_at > :since AND occurred_at <= :until
      AND status = '{OrderStatus.CONFIRMED}' AND ({IS_COUNTED})
    ORDER BY occurred_at FETCH FIRST :limit ROWS WITH TIES
) AS e
CROSS JOIN LATERAL (SELECT tx_hash FROM orders WHERE id = e.order_id LIMIT 1) AS o
CROSS JOIN LATERAL (
    SELECT signature, network, slot FROM transactions WHERE signature = o.tx_hash LIMIT 1
) AS t
ORDER BY e.occurred_at""",
    BY_INDEX,
)

_ARE_FINAL = Statement(
    """
UPDATE wallets SET final_until = :until
WHERE network = :network AND (final_until IS NULL OR final_until < :until)
RETURNING network"""
)

_NOTE_FAILED = Statement(
    """
INSERT INTO failed_landings (signature, network, slot)
VALUES (:signature, :network, CAST(:slot AS bigint))
ON CONFLICT (signature) DO NOTHING
RETURNING signature"""
)

_FAILED = Statement(
    """
SELECT signature, network, slot, seen_at AS occurred_at,
       extract(epoch FROM now() - seen_at) AS age_s
FROM failed_landings
WHERE network = :network AND seen_at <= now() - make_interval(secs => :age_s)
ORDER BY seen_at LIMIT :limit"""
)

_FORGET_FAILED = Statement(
    """
DELETE FROM failed_landings WHERE signature = ANY(CAST(:signatures AS text[]))
RETURNING signature"""
)

_BEGIN_STRANGERS = Statement(
    """
UPDATE wallets SET strangers_looked_at = clock_timestamp()
WHERE network = :network AND (strangers_looked_at IS NULL
      OR strangers_looked_at < clock_timestamp() - make_interval(secs => :pause_s))
RETURNING network"""
)

_UNKNOWN = Statement(
    """
SELECT asked.signature FROM unnest(CAST(:signatures AS text[])) AS asked (signature)
WHERE (
    SELECT t.signature FROM transactions t WHERE t.signature = asked.signature LIMIT 1
) IS NULL""",
    LOOKED_UP_BY_KEY,
)

_NOTE_STRANGERS = Statement(
    "UPDATE wallets SET strangers = :count WHERE network = :network RETURNING network"
)


class SqlSecondLooks:
    """Implements `execution.second_looks.SecondLooks`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def begin_settled(self, network: str, age_s: float, limit: int) -> SettledPart | None:
        """The settlements that are at least so old and were not seen final."""
        values = {"network": network, "age_s": age_s, "pause_s": FINAL_PAUSE_S}
        begun = self._run(_BEGIN_SETTLED, values | {"first_s": FIRST_LOOK_S})
        if not begun:
            return None
        (mark,) = begun
        span = {"since": mark.since, "until": mark.until, "limit": limit}
        rows = self._run(SETTLED, span)
        until = mark.until if len(rows) < limit else rows[-1].occurred_at
        found = [_settled(row) for row in rows if row.network == network]
        return SettledPart(found, until.astimezone(UTC))

    def are_final(self, network: str, until: datetime) -> None:
        """Note that all settlements up to then need no other look."""
        self._run(_ARE_FINAL, {"network": network, "until": until})

    def note_failed(self, network: str, signature: str, slot: int) -> None:
        """Remember a transaction that landed with an error."""
        self._run(_NOTE_FAILED, {"network": network, "signature": signature, "slot": slot})

    def failed(self, network: str, age_s: float, limit: int) -> Sequence[Settled]:
        """Up to `limit` of those that were noted at least so long ago, the oldest first."""
        values = {"network": network, "age_s": age_s, "limit": limit}
        return [_settled(row) for row in self._run(_FAILED, values)]

    def forget_failed(self, signatures: Collection[str]) -> None:
        """Forget transactions that need no other look."""
        self._run(_FORGET_FAILED, {"signatures": list(signatures)})

    def begin_strangers(self, network: str) -> bool:
        """Whether it is time to look at the wallet's transactions."""
        values = {"network": network, "pause_s": STRANGERS_PAUSE_S}
        return bool(self._run(_BEGIN_STRANGERS, values))

    def unknown(self, signatures: Sequence[str]) -> Collection[str]:
        """Those of these transactions that no order of this database has had."""
        rows = self._run(_UNKNOWN, {"signatures": list(signatures)})
        return {row.signature for row in rows}

    def note_strangers(self, network: str, count: int) -> None:
        """Note how many of the wallet's transactions are unknown here."""
        self._run(_NOTE_STRANGERS, {"network": network, "count": count})

    def _run(self, statement: Statement, values: Mapping[str, Any]) -> list[Row]:
        return ask(self._engine, statement, values)


def _settled(row: Row) -> Settled:
    at, age_s = row.occurred_at.astimezone(UTC), float(row.age_s)
    return Settled(row.signature, row.slot or 0, at, age_s)
