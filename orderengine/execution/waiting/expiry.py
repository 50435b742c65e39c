"""Ends orders whose time has passed."""

from orderengine.execution.chain.engine import Engine

PART = 200
"""The most orders that one statement ends."""
MOST_PARTS = 10
"""So that thousands of expiries at one moment do not hold up recovery."""


def expire_due(engine: Engine) -> int:
    """End the orders whose `expires_at` has passed, except submitted ones; returns how many.

    The network decides how a submitted order ends. Any number of processes may do this at once.
    Raises StorageUnavailable.
    """
    total = 0
    for _ in range(MOST_PARTS):
        moved = engine.orders.expire_due(PART)
        engine.tell(moved)
        total += len(moved)
        if len(moved) < PART:
            break
    return total
