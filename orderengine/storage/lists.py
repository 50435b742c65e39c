"""The lists of a client's orders: one statement for each combination of filters.

A statement with optional filters has one plan, which suits only some of them, and a connection
keeps its first plan. So here each statement follows the order of exactly one index. A leading
column with a single value is a range and no equation: otherwise the planner may use an index of
another order and filter its rows.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from orderengine.domain.order import OPEN_STATUSES, OrderStatus
from orderengine.execution.queries.lists import OrderFilter, StatusGroup
from orderengine.postgres.database import BY_INDEX, Statement
from orderengine.storage.sql import ORDER_COLUMNS, SIGNED

POSITION = Statement(
    "SELECT created_at FROM orders WHERE id = :id AND client_id = :client_id", BY_INDEX
)


def page(order_filter: OrderFilter) -> tuple[Statement, Mapping[str, Any]]:
    """The statement and its values for one page of orders, newest first."""
    values: dict[str, Any] = {"client_id": order_filter.client_id, "limit": order_filter.limit}
    status = order_filter.status
    if isinstance(status, OrderStatus):
        values["status"] = status.value
    if order_filter.symbol is not None:
        values["symbol"] = order_filter.symbol
    if order_filter.before is not None:
        values |= {"created_at": order_filter.before.created_at, "id": order_filter.before.order_id}
    chosen = statement(
        wanted=(not status.is_terminal) if isinstance(status, OrderStatus) else status,
        by_symbol=order_filter.symbol is not None,
        beyond=order_filter.before is not None,
    )
    return chosen, values


@cache
def statement(*, wanted: bool | StatusGroup | None, by_symbol: bool, beyond: bool) -> Statement:
    """The statement for one open (True) or ended status, for a group, or for all orders.

    For one symbol, or all. With `beyond`, only orders behind a position.
    """
    if isinstance(wanted, bool):
        return _joined([_branch(":status", wanted, by_symbol=by_symbol, beyond=beyond)])
    if wanted is None and not by_symbol:
        return _joined([_ordered({}, "client_id = :client_id", beyond=beyond)])
    # No index has all open orders, or all orders of a symbol, in list order; each status has one.
    return _joined(
        [
            _branch(f"'{each.value}'", not each.is_terminal, by_symbol=by_symbol, beyond=beyond)
            for each in (OrderStatus if wanted is None else OPEN_STATUSES)
        ]
    )


def _branch(status: str, is_open: bool, *, by_symbol: bool, beyond: bool) -> str:  # noqa: FBT001
    where = f"client_id = :client_id AND due_at IS {'NOT NULL' if is_open else 'NULL'}"
    first = {"status": status}
    if by_symbol and is_open:
        where += " AND symbol = :symbol"  # filtered in the index, whose last column it is
    elif by_symbol:
        first = {"symbol": ":symbol", **first}
    return _ordered(first, where, beyond=beyond)


def _ordered(first: Mapping[str, str], where: str, *, beyond: bool) -> str:
    """Orders with these values in an index's first columns, in the order of the index.

    Each end of the range is one row comparison: with two, the scan may start at the wrong one.
    """
    names, values = list(first), list(first.values())
    if first:
        where += f" AND ({', '.join(names)}) >= ({', '.join(values)})"
    if beyond:
        names, values = [*names, "created_at", "id"], [*values, ":created_at", ":id"]
        where += f" AND ({', '.join(names)}) < ({', '.join(values)})"
    elif first:
        where += f" AND ({', '.join(names)}) <= ({', '.join(values)})"
    order = ", ".join(f"{name} DESC" for name in [*first, "created_at", "id"])
    return f"(SELECT * FROM orders WHERE {where} ORDER BY {order} LIMIT :limit)"  # noqa: S608 - constants


def _joined(branches: Sequence[str]) -> Statement:
    orders = " UNION ALL ".join(branches)
    if len(branches) > 1:
        orders += " ORDER BY created_at DESC, id DESC LIMIT :limit"
    # LATERAL looks up each transaction: with an unknown limit a join may read them all.
    return Statement(
        f"""
SELECT {ORDER_COLUMNS}
FROM ({orders}) AS o LEFT JOIN LATERAL (
    SELECT {SIGNED} FROM transactions WHERE signature = o.tx_hash LIMIT 1
) AS t ON true
ORDER BY o.created_at DESC, o.id DESC""",  # noqa: S608 - composed of constants
        BY_INDEX,
    )
