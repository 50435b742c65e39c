"""The store of orders on PostgreSQL."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC
from typing import Any
from uuid import UUID

from psycopg2.errors import ForeignKeyViolation, LockNotAvailable
from sqlalchemy import Engine
from sqlalchemy.exc import IntegrityError

from orderengine.domain.delays import RecoveryDelays
from orderengine.domain.errors import (
    ClientOrderIdTaken,
    FailureReason,
    IdempotencyConflict,
    OrderUnreadable,
    StorageUnavailable,
)
from orderengine.domain.events import Moved, OrderEvent, Step
from orderengine.domain.fill import SignedTransaction
from orderengine.domain.home import Home, anywhere
from orderengine.domain.idempotency import AcceptedBefore, fingerprint
from orderengine.domain.json_text import json_text
from orderengine.domain.moves import Fail, Move, Submit
from orderengine.domain.order import NewOrder, Order, OrderStatus, known_status
from orderengine.execution.ports import PlannedMove, PreparedStart
from orderengine.execution.queries.lists import OrderFilter, Position
from orderengine.execution.unreadable import Unreadable, UnreadableEvent
from orderengine.execution.waiting.endings import CanceledPart
from orderengine.postgres.arrays import array
from orderengine.postgres.database import Row, Statement
from orderengine.storage import claims, endings, lists, moves, sql
from orderengine.storage import prepared as starts
from orderengine.storage.columns import row_values
from orderengine.storage.daily import charge_values, limits_told
from orderengine.storage.reader import Reader, ask
from orderengine.storage.rows import RowReader, moved_from, readable_beginning

KEY_WAIT_MS = 1000
"""How long a request waits for another request that is storing the same key."""
_new_row = row_values(NewOrder)


class SqlOrders:
    """Implements `execution.ports.Orders`; each write is one statement and one transaction.

    While no server takes writes, orders and events are read from `read_engine`, if given. Orders of
    another network or wallet than those of `home` are neither moved nor claimed.
    """

    def __init__(
        self,
        engine: Engine,
        read_engine: Engine | None = None,
        delays: RecoveryDelays = RecoveryDelays(),  # noqa: B008 - immutable
        home: Callable[[], Home] = anywhere,
    ) -> None:
        self._engine = engine
        self._delays = delays
        self._home = home
        self._reading = Reader(engine, read_engine)
        self._reader = RowReader()

    def accept(self, order: NewOrder) -> Moved:
        """Store a new order at version 1, `pending`, with its first event."""
        statement = sql.ACCEPT_CHARGED if order.daily else sql.ACCEPT
        rows = self._run(statement, self._new_values(order))
        if not rows:
            values = {"client_id": order.client_id, "client_order_id": order.client_order_id}
            raise ClientOrderIdTaken(self._run(sql.NAMED, values)[0].id)
        return moved_from(rows[0])

    def accept_once(self, order: NewOrder, key: str) -> Moved | None:
        """Store a new order under the client's key; None if the key is taken."""
        keyed = {"key": key, "fingerprint": fingerprint(order), "wait_ms": str(KEY_WAIT_MS)}
        statement = sql.ACCEPT_ONCE_CHARGED if order.daily else sql.ACCEPT_ONCE
        try:
            rows = self._run(statement, self._new_values(order) | keyed)
        except StorageUnavailable as error:
            if isinstance(getattr(error.__cause__, "orig", None), LockNotAvailable):
                raise IdempotencyConflict("a request with this key is being stored") from error
            raise
        except IntegrityError as error:
            if isinstance(error.orig, ForeignKeyViolation):
                return None  # another request took the clientOrderId at the same time
            raise
        return moved_from(rows[0]) if rows else None

    def accepted_before(self, client_id: str, key: str) -> AcceptedBefore | None:
        """The order accepted under a client's key, or None."""
        rows = self._run(sql.ACCEPTED_BEFORE, {"client_id": client_id, "key": key})
        if not rows:
            return None
        (row,) = rows
        return AcceptedBefore(row.order_id, row.accepted_at.astimezone(UTC), bytes(row.fingerprint))

    def named(self, client_id: str, client_order_id: str) -> Order | None:
        """The client's order with this clientOrderId, or None."""
        values = {"client_id": client_id, "client_order_id": client_order_id}
        rows = self._reading.rows(sql.NAMED, values)
        return self._reader.order(rows[0]) if rows else None

    def forget_keys(self, age_s: float, limit: int) -> int:
        """Delete up to `limit` keys that are older than `age_s` seconds; returns how many."""
        return len(self._run(sql.FORGET_KEYS, {"age_s": age_s, "limit": limit}))

    def move(self, order_id: UUID, version: int, move: Move) -> Moved | None:
        """Make a move if the order is still at `version` and the move is allowed; else None."""
        return self._move_one(PlannedMove(order_id, version, move))

    def _move_one(self, planned: PlannedMove) -> Moved | None:
        rows = self._move([planned])
        return moved_from(rows[0], _written(planned.move)) if rows else None

    def move_all(self, planned: Sequence[PlannedMove]) -> list[Moved | None]:
        """Make moves of one kind, each as `move` does, in one statement.

        None also for an order that moved, but whose row this release cannot read: it must not stop
        the others. Raises ValueError for moves of several kinds, or for two moves of one order.
        """
        if not planned:
            return []
        if len(planned) == 1:
            return [self._move_one(planned[0])]
        rows = {row.id: row for row in self._move(planned)}
        return [
            self._reader.moved(rows[each.order_id], _written(each.move))
            if each.order_id in rows
            else None
            for each in planned
        ]

    def claim_pending(self, order_id: UUID, version: int, others: int) -> list[Moved]:
        """Start routing of an order, and of up to `others` more that no worker has taken.

        The order itself comes first, then the others, the oldest first. Leaves out rows that this
        release cannot read.
        """
        values = claims.claim_values(order_id, version, others, self._delays, self._home())
        rows = self._run(claims.CLAIM_PENDING, values)
        rows.sort(key=lambda row: (row.id != order_id, row.created_at, row.id))
        return [moved for moved in map(self._reader.moved, rows) if moved is not None]

    def start_prepared(self, prepared: Sequence[PreparedStart]) -> list[list[Moved]]:
        """Make the first three moves of orders whose route is in hand, in one statement."""
        if not prepared:
            return []
        values = starts.start_values(prepared, self._delays, self._home())
        rows = {row.id: row for row in self._run(starts.START_PREPARED, values)}
        built = {key: self._reader.moved(row) for key, row in rows.items()}
        return [
            starts.steps_of(rows[each.order_id], last) if (last := built.get(each.order_id)) else []
            for each in prepared
        ]

    def give_up(self, order_id: UUID, version: int, failure: Fail) -> bool:
        """Fail an order without reading it; False if it has ended or is not at `version`."""
        return bool(self._move([PlannedMove(order_id, version, failure)]))

    def hold(self, order_ids: Collection[UUID], because: FailureReason) -> None:
        """Note at submitted orders why the network cannot tell what became of them."""
        ids = [str(each) for each in order_ids]
        self._run(sql.HOLD_SUBMITTED, {"ids": ids, "because": because.value})

    def count_recovery(self, order_id: UUID, version: int) -> bool:
        """Count a recovery of a pending order before its move; False if it has moved."""
        values = {"id": order_id, "version": version, "home": self._home().network}
        return bool(self._run(sql.COUNT_RECOVERY, values))

    def get(self, order_id: UUID) -> Order | None:
        """The current order, or None."""
        rows = self._reading.rows(sql.GET, {"id": order_id})
        return self._reader.order(rows[0]) if rows else None

    def events(self, order_id: UUID, after: int = 0) -> list[OrderEvent]:
        """The order's events with `seq` > `after`, in order, up to the first unreadable one.

        Raises OrderUnreadable if the order's very first event is unreadable.
        """
        values = {"id": order_id, "after": after}
        rows = self._reading.rows(sql.EVENTS, values, needed=after == 0)
        found = [self._reader.readable_event(row) for row in rows]
        known = readable_beginning(found)
        if found and not known and not after:
            raise OrderUnreadable(f"another release has written the events of order {order_id}")
        return known

    def events_after(self, seen: Mapping[UUID, int]) -> list[OrderEvent | UnreadableEvent]:
        """The events of many orders with `seq` > the given one, sorted per order."""
        # As texts of arrays: a stream asks for thousands of orders at once.
        ids = b"".join([key.bytes for key in seen]).hex(",", 16)
        values = {"ids": f"{{{ids}}}", "seqs": f"{{{','.join(map(str, seen.values()))}}}"}
        rows = self._reading.rows(sql.EVENTS_AFTER, values, needed=False)
        return [self._reader.readable_event(row) for row in rows]

    def steps_of(self, order_ids: Collection[UUID]) -> list[Step]:
        """The steps of many orders without their data, sorted per order."""
        rows = self._reading.rows(sql.STEPS_OF, {"ids": array(list(order_ids))}, needed=False)
        known = ((row, known_status(row.status)) for row in rows)
        return [Step(row.order_id, status, row.occurred_at) for row, status in known if status]

    def mark(self) -> str:
        """A text that stays the same only while nothing is committed, here or elsewhere."""
        (row,) = self._reading.rows(sql.MARK, {})
        return str(row.mark)

    def page(self, wanted: OrderFilter) -> list[Order]:
        """Up to `limit` orders, newest first."""
        found: list[Order] = []
        # Fill a page up if it has unreadable orders: a short page would look like the last.
        while len(found) < wanted.limit:
            rest = replace(wanted, limit=wanted.limit - len(found))
            rows = self._run(*lists.page(rest))
            found += [
                order for order in map(self._reader.readable, rows) if isinstance(order, Order)
            ]
            if len(rows) < rest.limit:
                break
            wanted = replace(wanted, before=Position(rows[-1].created_at, rows[-1].id))
        return found

    def position(self, client_id: str, order_id: UUID) -> Position | None:
        """The position of a client's order in the list, or None if there is no such order."""
        rows = self._run(lists.POSITION, {"client_id": client_id, "id": order_id})
        return Position(rows[0].created_at.astimezone(UTC), order_id) if rows else None

    def count_open(self, client_id: str, limit: int) -> int:
        """How many open orders a client has; counting stops at `limit`."""
        (row,) = self._run(sql.COUNT_OPEN, {"client_id": client_id, "limit": limit})
        return int(row.total)

    def count_waiting(self, client_id: str, limit: int) -> int:
        """How many orders of a client wait for their condition; counting stops at `limit`."""
        (row,) = self._run(sql.COUNT_WAITING, {"client_id": client_id, "limit": limit})
        return int(row.total)

    def claim_due(self, limit: int) -> list[Order | Unreadable]:
        """Claim orders due for recovery, oldest first, and postpone their next recovery."""
        home = self._home()
        values = {
            "limit": limit,
            "home": home.network,
            "wallet": home.wallet,
            "stage_s": self._delays.stage_s,
            "submitted_s": self._delays.submitted_s,
        }
        return [self._reader.readable(row) for row in self._run(sql.CLAIM_DUE, values)]

    def cancel(self, client_id: str, order_id: UUID) -> Moved | None:
        """Cancel a client's order, or ask to; None if it may not be canceled any more."""
        values = {"id": order_id, "client_id": client_id, **endings.cancel_values()}
        rows = self._run(endings.CANCEL, values)
        return moved_from(rows[0]) if rows else None

    def cancel_all(
        self, client_id: str, symbol: str | None, after: UUID, limit: int
    ) -> CanceledPart:
        """Cancel up to `limit` open orders of a client, or ask to, in the order of their ids."""
        return endings.cancel_all(self._run, self._reader, client_id, symbol, after, limit)

    def expire_due(self, limit: int) -> list[Moved]:
        """End up to `limit` orders whose time has passed, except submitted ones."""
        rows = endings.expire_due(self._run, limit)
        rows.sort(key=lambda row: row.id)
        return [moved for moved in map(self._reader.moved, rows) if moved is not None]

    def _move(self, planned: Sequence[PlannedMove]) -> list[Row]:
        values = moves.move_values(planned, self._delays) | {"home": self._home().network}
        return self._run(moves.MOVES[type(planned[0].move)], values)

    def _new_values(self, order: NewOrder) -> dict[str, Any]:
        return {
            **_new_row(order),
            **begun(order),
            "due_s": self._delays.intake_s,
            "data": json_text(dict(order.data)),
            **charge_values(order.daily),
        }

    def _run(self, statement: Statement, values: Mapping[str, Any]) -> list[Row]:
        with limits_told():
            return ask(self._engine, statement, values)


def begun(order: NewOrder) -> dict[str, Any]:
    """The values with which a new order begins, besides those that it was requested with."""
    status = OrderStatus.WAITING if order.waits else OrderStatus.PENDING
    return {
        "status": status.value,
        "watch_price": order.watched_price,
        "waits": order.waits,
    }


def _written(move: Move) -> SignedTransaction | None:
    return move.transaction if isinstance(move, Submit) else None
