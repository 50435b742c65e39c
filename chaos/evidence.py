"""The evidence at the end, collected from outside: PostgreSQL, the ledger, REST, sockets."""

import json
import time
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import Engine, text

from chaos.changes import Change
from chaos.load import Answer
from chaos.watch import Watched
from orderengine.domain.order import OrderStatus
from orderengine.local.ports import LOOPBACK
from orderengine.storage.statuses import IS_TERMINAL

PAGE = 100
READ_LIMIT_S = 30.0
READ_AGAIN_S = 0.5


@dataclass(frozen=True, slots=True)
class StoredOrder:
    """A row of `orders`; `filled` holds its fill's amounts; times are seconds since 1970.

    `is_told_late` means that its last event says that a cancel came too late. `is_beyond_limit`
    means that its fill is worse than its limit. `signed_at` is its last signature's time.
    """

    order_id: str
    status: str
    version: int
    attempt: int
    is_due: bool
    tx_hash: str | None
    filled: tuple[int, int] | None
    created_at: float
    ended_at: float | None
    failure_reason: str | None
    is_to_be_canceled: bool = False
    is_told_late: bool = False
    is_beyond_limit: bool = False
    expires_at: float | None = None
    signed_at: float | None = None


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """A row of `order_events`."""

    seq: int
    status: str
    attempt: int


@dataclass(frozen=True, slots=True)
class Execution:
    """A swap in base units that the network has executed, or that the engine has booked."""

    signature: str
    base_amount: int | None
    quote_amount: int | None


@dataclass(frozen=True, slots=True)
class Outage:
    """The time in which a server was away: seconds on the monotonic clock."""

    server: str
    began_at: float
    ended_at: float


@dataclass(frozen=True, slots=True)
class QueueSample:
    """The number of waiting messages, and the number of open orders a moment before."""

    at: float
    messages: int
    open_orders: int


@dataclass(frozen=True, slots=True)
class Backlog:
    """A backlog: the last worker's end, and when all waiting orders were done; since 1970.

    Before it, from `usual_from` on, orders came at the usual rate.
    """

    usual_from: float
    began_at: float
    drained_at: float


@dataclass(frozen=True)
class Evidence:
    """All evidence; events, executions (the network's) and settlements (the engine's) by order.

    `shown` is the status of each order as REST lists it; `ends` lists processes that ended without
    being told to. `deadlocks` are lines of PostgreSQL's log.
    """

    orders: Mapping[str, StoredOrder]
    events: Mapping[str, Sequence[StoredEvent]]
    executions: Mapping[str, Sequence[Execution]]
    settlements: Mapping[str, Sequence[Execution]]
    shown: Mapping[str, str]
    answers: Sequence[Answer] = ()
    watched: Sequence[Watched] = ()
    outages: Sequence[Outage] = ()
    queues: Sequence[QueueSample] = ()
    backlogs: Sequence[Backlog] = ()
    changes: Sequence[Change] = ()
    ends: Sequence[str] = ()
    deadlocks: Sequence[str] = ()


Finding = tuple[str | None, str]
"""An order, if there is one, and how it breaks an invariant."""

_ORDERS = text(
    f"""
SELECT id::text AS id, status, version, attempt, due_at IS NOT NULL AS is_due, tx_hash,
       failure_reason,
       fill ->> 'baseAmount' AS base_amount, fill ->> 'quoteAmount' AS quote_amount,
       extract(epoch FROM created_at)::float8 AS created_at,
       (SELECT extract(epoch FROM max(occurred_at))::float8 FROM order_events
        WHERE order_id = orders.id AND order_events.{IS_TERMINAL}) AS ended_at,
       cancel_requested_at IS NOT NULL AS is_to_be_canceled,
       coalesce(CASE side WHEN 'buy' THEN executed_price > limit_price
                ELSE executed_price < limit_price END, false) AS is_beyond_limit,
       extract(epoch FROM expires_at)::float8 AS expires_at,
       (SELECT extract(epoch FROM max(occurred_at))::float8 FROM order_events
        WHERE order_id = orders.id AND NOT data ? 'cancelRequested'
          AND order_events.status = '{OrderStatus.SUBMITTED}') AS signed_at,
       EXISTS (SELECT FROM order_events
               WHERE order_id = orders.id AND data ? 'cancelTooLate') AS is_told_late
FROM orders"""  # noqa: S608 - composed of constants
)
_EVENTS = text(
    "SELECT order_id::text AS id, seq, status, attempt FROM order_events ORDER BY order_id, seq"
)
# A transaction that landed but was never looked at counts as executed.
_EXECUTIONS = text(
    """
SELECT order_id::text AS id, signature, executed_base_amount AS base_amount,
       executed_quote_amount AS quote_amount
FROM sim_transactions
WHERE outcome = 'executed' OR (outcome IS NULL AND lands_at <= clock_timestamp())"""
)
_SETTLEMENTS = text(
    "SELECT order_id::text AS id, signature, base_amount, quote_amount FROM settlements"
)


def collect(
    database: Engine,
    port: int,
    answers: Sequence[Answer],
    watched: Sequence[Watched],
    outages: Sequence[Outage],
) -> Evidence:
    """Read everything once; by now the engine is at rest."""
    with database.connect() as connection:
        orders = {row.id: _order(row) for row in connection.execute(_ORDERS)}
        events: dict[str, list[StoredEvent]] = {}
        for row in connection.execute(_EVENTS):
            event = StoredEvent(row.seq, row.status, row.attempt)
            events.setdefault(row.id, []).append(event)
        executions = _by_order(connection.execute(_EXECUTIONS))
        settlements = _by_order(connection.execute(_SETTLEMENTS))
    return Evidence(
        orders, events, executions, settlements, _shown(port), answers, watched, outages
    )


def dump(database: Engine, order_ids: Sequence[str]) -> dict[str, Any]:
    """All rows of some orders, for human readers."""
    tables = {
        "orders": "id",
        "order_events": "order_id",
        "transactions": "order_id",
        "settlements": "order_id",
        "sim_transactions": "order_id",
    }
    with database.connect() as connection:
        return {
            table: [
                row[0]
                for row in connection.execute(
                    text(
                        f"SELECT to_jsonb(t) FROM {table} t"  # noqa: S608 - names of our own
                        f" WHERE {column} = ANY(CAST(:ids AS uuid[])) ORDER BY {column}"
                    ),
                    {"ids": list(order_ids)},
                )
            ]
            for table, column in tables.items()
        }


def _order(row: Any) -> StoredOrder:
    filled = None
    if row.base_amount is not None:
        filled = (int(row.base_amount), int(row.quote_amount))
    return StoredOrder(
        order_id=row.id,
        status=row.status,
        version=row.version,
        attempt=row.attempt,
        is_due=row.is_due,
        tx_hash=row.tx_hash,
        filled=filled,
        created_at=row.created_at,
        ended_at=row.ended_at,
        failure_reason=row.failure_reason,
        is_to_be_canceled=row.is_to_be_canceled,
        is_told_late=row.is_told_late,
        is_beyond_limit=row.is_beyond_limit,
        expires_at=row.expires_at,
        signed_at=row.signed_at,
    )


def _by_order(rows: Any) -> dict[str, list[Execution]]:
    found: dict[str, list[Execution]] = {}
    for row in rows:
        execution = Execution(row.signature, _units(row.base_amount), _units(row.quote_amount))
        found.setdefault(row.id, []).append(execution)
    return found


def _units(value: Decimal | None) -> int | None:
    return None if value is None else int(value)


def read_patiently(port: int, path: str) -> str:
    """The answer of the web to a GET, repeated while it has none; raises OSError after a while."""
    url = f"http://{LOOPBACK}:{port}{path}"
    deadline = time.monotonic() + READ_LIMIT_S
    while True:
        try:
            with urllib.request.urlopen(url, timeout=READ_LIMIT_S) as answer:
                return str(answer.read().decode())
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(READ_AGAIN_S)


def _shown(port: int) -> dict[str, str]:
    """The status of every order, page by page, as a client reads it."""
    shown: dict[str, str] = {}
    cursor = ""
    while True:
        page = json.loads(read_patiently(port, f"/api/orders?limit={PAGE}{cursor}"))
        shown |= {each["orderId"]: each["status"] for each in page["orders"]}
        if not page.get("nextCursor"):
            return shown
        cursor = f"&cursor={page['nextCursor']}"
