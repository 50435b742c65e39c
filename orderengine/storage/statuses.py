"""The statuses of an order as SQL text, for constraints, indexes and statements."""

from collections.abc import Iterable

from orderengine.domain.moves import RoutingCause
from orderengine.domain.order import (
    IDLE_STATUSES,
    SOURCES,
    TERMINAL_STATUSES,
    MoveKind,
    OrderStatus,
)


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)


_RECOVERIES = _names(cause for cause in RoutingCause if cause.restarts_attempt)

IS_STATUS = f"status IN ({_names(OrderStatus)})"
IS_NEW = f"status = '{OrderStatus.PENDING}' AND version = 1"
IS_TRIGGERED = f"status = '{OrderStatus.PENDING}' AND version > 1 AND attempt = first_attempt"
"""In the first attempt since a trigger has started the order: a later one counts one more."""
IS_HERE = "(orders.placed_on IS NULL OR starts_with(orders.placed_on, CAST(:home AS text)))"
"""The order was placed on the network of the process; see `domain.home.Home`."""
IS_TERMINAL = f"status IN ({_names(TERMINAL_STATUSES)})"
IS_WAITING = f"status = '{OrderStatus.WAITING}'"
IS_IDLE = f"status IN ({_names(IDLE_STATUSES)})"
IS_EXPIRABLE = (
    f"status IN ({_names(status for status in OrderStatus if status in SOURCES[MoveKind.EXPIRE])})"
)
"""Statuses without a transaction that may land: an order may expire there, or be canceled."""

# An index has this condition. A statement of the release before takes each later `pending` for a
# failed attempt, and must find them here.
IS_COUNTED_AT_MOST = f"""{IS_TERMINAL} OR (status = '{OrderStatus.PENDING}' AND seq > 1)
     OR (status = '{OrderStatus.ROUTING}' AND (data ->> 'cause') IN ({_RECOVERIES}))
     OR (status = '{OrderStatus.WAITING}' AND seq > 1)"""

# Each part implies one of the index's condition, so that statements use the index. An event of a
# failed attempt, and of a rest, has its reason; that of a triggered or an amended order has none.
IS_COUNTED = f"""{IS_TERMINAL}
     OR (status = '{OrderStatus.PENDING}' AND seq > 1 AND (data ->> 'reason') IS NOT NULL)
     OR (status = '{OrderStatus.ROUTING}' AND (data ->> 'cause') IN ({_RECOVERIES}))
     OR (status = '{OrderStatus.WAITING}' AND seq > 1 AND (data ->> 'reason') IS NOT NULL)"""
"""The events that the metrics count: ends, failed attempts, recoveries and rests."""

MAY_HAVE_REQUEST = (
    f"status IN ({_names((OrderStatus.SUBMITTED, OrderStatus.CONFIRMED, OrderStatus.CANCELED))})"
)
"""The statuses of an order whose cancel was requested."""
