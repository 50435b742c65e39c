"""Housekeeping: what has to be done once in a while, by whoever comes by, a batch at a time."""

from orderengine.execution.intake import KEY_LIFETIME
from orderengine.execution.ports import Orders
from orderengine.execution.watch import OrderFigures

BATCH = 1000


def keep_house(orders: Orders, figures: OrderFigures) -> bool:
    """Do one batch of each chore; true if one of them was full, so that more may be waiting.

    Safe in any number of processes at once. Raises StorageUnavailable.
    """
    forgotten = orders.forget_keys(KEY_LIFETIME.total_seconds(), BATCH)
    summed = figures.sum_up(BATCH)
    return max(forgotten, summed) >= BATCH
