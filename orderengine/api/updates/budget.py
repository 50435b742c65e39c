"""Budgets: how much a client may send."""

import time
from collections.abc import Callable

BUDGET_BYTES = 16 * 1024
BUDGET_BYTES_PER_S = 256
BUDGET_FRAMES = 128
BUDGET_FRAMES_PER_S = 4
"""The budgets cover a client's pongs, its own pings, and its messages, which are ignored."""


class Budget:
    """Limits a client's input: `burst` units at once, refilled by `per_s` a second."""

    __slots__ = ("_at", "_burst", "_clock", "_left", "_per_s")

    def __init__(self, burst: int, per_s: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._burst = float(burst)
        self._per_s = per_s
        self._clock = clock
        self._left = float(burst)
        self._at = clock()

    def spend(self, count: int) -> bool:
        """Spend `count` units; False if that overdraws the budget."""
        now = self._clock()
        self._left = min(self._burst, self._left + (now - self._at) * self._per_s) - count
        self._at = now
        return self._left >= 0
