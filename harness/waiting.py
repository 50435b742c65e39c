"""Waiting for a condition."""

import os
import time
from collections.abc import Callable

POLL_S = 0.02
LONGEST_POLL_S = 0.1


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
    pause_s: float | None = None,
) -> None:
    """Poll until the condition holds; raises TimeoutError with the complaint.

    A busy machine gets more time, see `stretched`. Without `pause_s` the pauses are from POLL_S to
    LONGEST_POLL_S: the longer, the more time a look takes, and the longer it waits already. A look
    at a program must not take the processor from that program.
    """
    timeout_s = stretched(timeout_s)
    began = looked = time.monotonic()
    while not is_so():
        now = time.monotonic()
        if now > began + timeout_s:
            raise TimeoutError(f"{complaint} after {timeout_s:.0f} s")
        time.sleep(_pause_s(now - looked, now - began) if pause_s is None else pause_s)
        looked = time.monotonic()


def _pause_s(look_s: float, waited_s: float) -> float:
    return min(max(POLL_S, 3 * look_s, waited_s / 20), LONGEST_POLL_S)
