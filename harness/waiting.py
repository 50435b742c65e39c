"""Waiting for a condition."""

import time
from collections.abc import Callable

POLL_S = 0.02


def wait_until(
    is_so: Callable[[], bool],
    timeout_s: float = 15.0,
    complaint: str = "the condition did not come true",
    *,
    pause_s: float = POLL_S,
) -> None:
    """Poll until the condition holds; raises TimeoutError with the complaint."""
    deadline = time.monotonic() + timeout_s
    while not is_so():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{complaint} after {timeout_s:.0f} s")
        time.sleep(pause_s)
