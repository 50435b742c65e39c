"""The statuses of an order as SQL text, for constraints, indexes and statements."""

from collections.abc import Iterable

from orderengine.domain.moves import RoutingCause
from orderengine.domain.order import TERMINAL_STATUSES, OrderStatus


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)


_RECOVERIES = _names(cause for cause in RoutingCause if cause.restarts_attempt)

IS_STATUS = f"status IN ({_names(OrderStatus)})"
IS_NEW = f"status = '{OrderStatus.PENDING}' AND version = 1"
IS_TERMINAL = f"status IN ({_names(TERMINAL_STATUSES)})"

# An index has this condition, and statements repeat it to use the index. An order is `pending`
# again only after a failed attempt: `seq` 1 is its acceptance.
IS_COUNTED = f"""{IS_TERMINAL} OR (status = '{OrderStatus.PENDING}' AND seq > 1)
     OR (status = '{OrderStatus.ROUTING}' AND (data ->> 'cause') IN ({_RECOVERIES}))"""
"""The events that the metrics count: ends, failed attempts and recoveries."""
