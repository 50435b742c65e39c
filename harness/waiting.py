"""Waiting for a condition."""

import os
import time
from collections.abc import Callable

POLL_S = 0.02


def stretched(limit_s: float) -> float:
    """A limit for an idle machine, as this one can keep it: longer by its runnable work per core.

    Only for limits that a defect exceeds many times over, such as a time-out that is missing.
    """
    return limit_s * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def wait_until(
    is_so: Callable[[], bool],
    timeout_s: float = 15.0,
    complaint: str = "the condition did not come true",
    *,
    pause_s: float = POLL_S,
) -> None:
    """Poll until the condition holds; raises TimeoutError with the complaint.

    A busy machine gets more time, see `stretched`.
    """
    timeout_s = stretched(timeout_s)
    deadline = time.monotonic() + timeout_s
    while not is_so():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{complaint} after {timeout_s:.0f} s")
        time.sleep(pause_s)
