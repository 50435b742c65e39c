"""Checks, before an order is accepted, how far ahead its `expiresAt` is."""

from orderengine.domain.errors import OrderDenied
from orderengine.domain.order import NewOrder
from orderengine.domain.terms import expiry_violation
from orderengine.execution.ports import Clock, Orders


def require_lifetime(orders: Orders, clock: Clock, request: NewOrder, key: str | None) -> None:
    """Refuse an order that expires too soon or too late, unless it was accepted under its key.

    A client that repeats its request must get its order's answer, although its time has passed.
    Raises OrderDenied, or StorageUnavailable if the time is not known.
    """
    if request.expires_at is None:
        return
    found = expiry_violation(request.expires_at, clock.now())
    if found and not (key and orders.accepted_before(request.client_id, key)):
        raise OrderDenied(found)
