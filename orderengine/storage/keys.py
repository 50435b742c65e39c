"""The store of keys and tickets on PostgreSQL."""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Engine

from orderengine.domain.access import ApiKey, Caller, KeyRecord
from orderengine.postgres.database import Row, Statement
from orderengine.storage.reader import Reader, ask

_ADD = Statement(
    """
INSERT INTO api_keys (id, client_id, digest) VALUES (:id, :client_id, :digest) RETURNING id"""
)

# The look-up also notes the use; a process looks a key up every few seconds.
_USE = Statement(
    """
WITH used AS (
    UPDATE api_keys SET last_used_at = now()
    WHERE id = :id AND digest = :digest AND revoked_at IS NULL
      AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute')
)
SELECT id, client_id, digest FROM api_keys WHERE id = :id AND revoked_at IS NULL"""
)

_KNOWN = Statement(
    "SELECT id, client_id, digest FROM api_keys WHERE id = :id AND revoked_at IS NULL"
)

_REVOKE = Statement(
    """
UPDATE api_keys SET revoked_at = now() WHERE id = :id AND revoked_at IS NULL RETURNING id"""
)

_REVOKED = Statement(
    """
SELECT id FROM api_keys WHERE id = ANY(CAST(:ids AS text[])) AND revoked_at IS NOT NULL"""
)

_ALL = Statement(
    """
SELECT id, client_id, created_at, last_used_at, revoked_at FROM api_keys
ORDER BY client_id, created_at, id"""
)

# Each new ticket deletes a few expired ones, so that few more are stored than are valid.
_ADD_TICKET = Statement(
    """
WITH old AS (
    SELECT digest FROM socket_tickets WHERE expires_at < now()
    ORDER BY expires_at LIMIT 10 FOR UPDATE SKIP LOCKED
), swept AS (
    DELETE FROM socket_tickets t USING old WHERE t.digest = old.digest
)
INSERT INTO socket_tickets (digest, client_id, key_id, expires_at)
VALUES (:digest, :client_id, :key_id, now() + make_interval(secs => :lifetime_s))
RETURNING expires_at"""
)

_TAKE_TICKET = Statement(
    """
WITH taken AS (
    DELETE FROM socket_tickets WHERE digest = :digest RETURNING client_id, key_id, expires_at
)
SELECT taken.client_id, taken.key_id
FROM taken LEFT JOIN api_keys k ON k.id = taken.key_id
WHERE taken.expires_at > now() AND k.revoked_at IS NULL"""
)


class SqlKeys:
    """Implements `execution.intake.keys.Keys`; each change is one statement, one transaction."""

    def __init__(self, engine: Engine, read_engine: Engine | None = None) -> None:
        self._engine = engine
        self._reading = Reader(engine, read_engine)

    def add(self, key: ApiKey) -> None:
        """Store a new key."""
        values = {"id": key.key_id, "client_id": key.client_id, "digest": key.digest}
        self._run(_ADD, values)

    def use(self, key_id: str, digest: bytes) -> ApiKey | None:
        """The key with this id, unless it is revoked; notes its use at most once a minute.

        While no server takes writes, it reads from `read_engine`, if given, and notes nothing. A
        key missing there may have been made a moment ago.
        """
        values = {"id": key_id, "digest": digest}
        rows = self._reading.rows(_USE, values, instead=_KNOWN)
        return ApiKey(rows[0].id, rows[0].client_id, bytes(rows[0].digest)) if rows else None

    def revoke(self, key_id: str) -> bool:
        """Revoke a key; False if there is no valid key with this id."""
        return bool(self._run(_REVOKE, {"id": key_id}))

    def revoked(self, key_ids: Collection[str]) -> set[str]:
        """Those of the keys that were revoked."""
        return {row.id for row in self._run(_REVOKED, {"ids": list(key_ids)})}

    def all(self) -> list[KeyRecord]:
        """Every key, revoked ones included, sorted by client and age, oldest first."""
        return [
            KeyRecord(
                key_id=row.id,
                client_id=row.client_id,
                created_at=row.created_at.astimezone(UTC),
                last_used_at=_utc(row.last_used_at),
                revoked_at=_utc(row.revoked_at),
            )
            for row in self._run(_ALL, {})
        ]

    def add_ticket(self, digest: bytes, caller: Caller, lifetime_s: int) -> datetime:
        """Store a ticket; returns when it expires."""
        values = {
            "digest": digest,
            "client_id": caller.client_id,
            "key_id": caller.key_id,
            "lifetime_s": lifetime_s,
        }
        (row,) = self._run(_ADD_TICKET, values)
        expires_at: datetime = row.expires_at
        return expires_at.astimezone(UTC)

    def take_ticket(self, digest: bytes) -> Caller | None:
        """Delete a ticket and return its caller; None if the ticket or its key is not valid."""
        rows = self._run(_TAKE_TICKET, {"digest": digest})
        return Caller(rows[0].client_id, rows[0].key_id) if rows else None

    def _run(self, statement: Statement, values: Mapping[str, Any]) -> list[Row]:
        return ask(self._engine, statement, values)


def _utc(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.astimezone(UTC)
