"""Limits on new orders, beyond the rates that the gate has counted."""

from typing import TYPE_CHECKING

from orderengine.api.answers.problems import RETRY_AFTER_S, ErrorCode, Refused

if TYPE_CHECKING:
    from orderengine.bootstrap.web import WebPorts


def refusal_for(ports: "WebPorts", client_id: str, besides: int = 0) -> Refused | None:
    """The refusal of one more order of a client; None if it may be placed.

    `besides` are orders that the same request places before it. Raises StorageUnavailable.
    """
    later = {"Retry-After": str(RETRY_AFTER_S)}
    if ports.limits.orders_disabled:
        detail = "the operator has disabled new orders; accepted orders continue"
        return Refused(503, ErrorCode.ORDERS_DISABLED, detail, headers=later)
    if not ports.open_orders.allows(client_id, besides):
        limit = ports.open_orders.limit
        detail = (
            f"{limit} orders of this client are open, the most allowed; retry when one has ended"
        )
        return Refused(429, ErrorCode.TOO_MANY_OPEN_ORDERS, detail, headers=later)
    if not ports.queue_limit.has_room(besides):
        detail = f"{ports.queue_limit.limit} orders are waiting for a worker; retry shortly"
        return Refused(503, ErrorCode.QUEUE_FULL, detail, headers=later)
    return None
