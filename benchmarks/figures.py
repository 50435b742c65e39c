"""Percentiles, rates and bounds; pure."""

import math
from collections.abc import Sequence


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that `percent` of all values do not exceed (nearest rank)."""
    if not values:
        raise ValueError("no percentile of nothing")
    rank = math.ceil(len(values) * percent / 100)
    return sorted(values)[max(rank, 1) - 1]


def steady_rate(times: Sequence[float]) -> float:
    """Events per second from the 10th to the 90th percentile of the events' times.

    Leaves out a burst's beginning and its slow end.
    """
    ordered = sorted(times)
    first, last = len(ordered) // 10, len(ordered) * 9 // 10 - 1
    if last <= first or ordered[last] == ordered[first]:
        raise ValueError("too few events for a rate")
    return (last - first) / (ordered[last] - ordered[first])


def mean_slowest_ms(low_ms: float, high_ms: float, draws: int) -> float:
    """The mean of the largest of some uniform draws: low + (high - low) · n / (n + 1)."""
    return low_ms + (high_ms - low_ms) * draws / (draws + 1)


def slots_per_minute(slots: int, held_ms: float) -> float:
    """How often slots can be taken per minute if each is held for `held_ms` at a time."""
    return slots * 60_000 / held_ms
