"""The store of orders on PostgreSQL, for many orders of one client at once."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from psycopg2.errors import ForeignKeyViolation, LockNotAvailable
from sqlalchemy import Engine
from sqlalchemy.exc import IntegrityError

from orderengine.domain.delays import RecoveryDelays
from orderengine.domain.errors import IdempotencyConflict, StorageUnavailable
from orderengine.domain.events import Moved
from orderengine.domain.json_text import json_text
from orderengine.domain.order import NewOrder
from orderengine.execution.intake.accept import Accepted
from orderengine.execution.intake.batch import Attempt, BatchKey, Denied, KeptBatch, Placed
from orderengine.postgres.database import Row, Statement
from orderengine.storage import sql
from orderengine.storage.columns import row_values
from orderengine.storage.daily import charge_values, limits_told
from orderengine.storage.orders import KEY_WAIT_MS, begun
from orderengine.storage.reader import ask
from orderengine.storage.rows import moved_event_from, order_from

_new_row = row_values(NewOrder)

TRIES = 3
"""How often a batch is stored anew because another request took one of its names meanwhile."""


class SqlBatches:
    """Implements `execution.intake.batch.Batches`; a batch is one statement, so one transaction."""

    def __init__(
        self,
        engine: Engine,
        delays: RecoveryDelays = RecoveryDelays(),  # noqa: B008 - immutable
    ) -> None:
        self._engine = engine
        self._delays = delays

    def accept_all(
        self, wanted: Sequence[NewOrder | Denied], key: BatchKey | None = None
    ) -> list[Moved]:
        """Store new orders with their first events; returns those stored, by their ids."""
        orders = [each for each in wanted if isinstance(each, NewOrder)]
        values = {
            "client_id": orders[0].client_id,
            "orders": json_text([_order_document(each) for each in orders]),
            "due_s": self._delays.intake_s,
        }
        if key is None:
            rows = self._run(sql.ACCEPT_ALL, values)
        else:
            kept = json_text([_kept_document(each) for each in wanted])
            keyed = {"key": key.key, "fingerprint": key.fingerprint, "batch": kept}
            rows = self._claim(values | keyed | {"wait_ms": str(KEY_WAIT_MS)})
        return [Moved(order_from(row), moved_event_from(row)) for row in rows]

    def batch_before(self, client_id: str, key: str) -> KeptBatch | None:
        """What was accepted under a client's key, or None."""
        rows = self._run(sql.BATCH_BEFORE, {"client_id": client_id, "key": key})
        if not rows:
            return None
        stored = {row.id: _placed(row) for row in rows if row.id is not None}
        said = sorted((row.place, row.said) for row in rows if row.place is not None)
        kept = [_kept(document) for _, document in said]
        return KeptBatch(bytes(rows[0].fingerprint), kept, stored)

    def holders(self, client_id: str, client_order_ids: Sequence[str]) -> dict[str, UUID]:
        """The ids of the client's orders that have these clientOrderIds."""
        values = {"client_id": client_id, "names": list(client_order_ids)}
        return {row.client_order_id: row.id for row in self._run(sql.HOLDERS, values)}

    def _claim(self, values: Mapping[str, Any]) -> list[Row]:
        for _ in range(TRIES):
            try:
                return self._run(sql.ACCEPT_ALL_ONCE, values)
            except StorageUnavailable as error:
                if isinstance(getattr(error.__cause__, "orig", None), LockNotAvailable):
                    told = "a request with this key or clientOrderId is being stored"
                    raise IdempotencyConflict(told) from error
                raise
            except IntegrityError as error:
                # Another request took the clientOrderId of the order that the key was to name.
                if not isinstance(error.orig, ForeignKeyViolation):
                    raise
        raise IdempotencyConflict("other requests store the same clientOrderIds")

    def _run(self, statement: Statement, values: Mapping[str, Any]) -> list[Row]:
        with limits_told():
            return ask(self._engine, statement, values)


def _order_document(order: NewOrder) -> dict[str, Any]:
    """The columns of an order as JSON, and the data of its first event."""
    values = _new_row(order) | begun(order) | charge_values(order.daily)
    row = {name: _plain(value) for name, value in values.items()}
    return {**row, "data": dict(order.data)}


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Decimal | UUID | datetime) else value


def _kept_document(order: NewOrder | Denied) -> dict[str, Any]:
    if isinstance(order, Denied):
        return {"denied": dict(order.answer)}
    named = {} if order.client_order_id is None else {"clientOrderId": order.client_order_id}
    return {"orderId": str(order.order_id), **named}


def _kept(document: Mapping[str, Any]) -> Attempt | Denied:
    if "denied" in document:
        return Denied(document["denied"])
    return Attempt(UUID(document["orderId"]), document.get("clientOrderId"))


def _placed(row: Row) -> Placed:
    order = order_from(row)
    return Placed(order, Accepted(row.id, order.created_at, replayed=True))
