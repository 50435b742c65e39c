"""Housekeeping: periodic chores that any process may do, in batches."""

from orderengine.execution.intake.accept import KEY_LIFETIME
from orderengine.execution.intake.daily import Days
from orderengine.execution.operations.figures import OrderFigures
from orderengine.execution.ports import Orders

BATCH = 1000


def run_housekeeping(orders: Orders, figures: OrderFigures, days: Days) -> bool:
    """Do one batch of each chore; True if a batch was full, so that more may be left.

    Safe in any number of processes at once. Raises StorageUnavailable.
    """
    forgotten = orders.forget_keys(KEY_LIFETIME.total_seconds(), BATCH)
    summed = figures.sum_up(BATCH)
    return max(forgotten, summed, days.forget(BATCH)) >= BATCH
