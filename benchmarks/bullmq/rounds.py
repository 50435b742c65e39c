"""The rounds and their figures; pure."""

import statistics
from collections.abc import Mapping, Sequence

ALONE = "engine, accepted before"
HTTP = "engine, with HTTP"
PIPELINE = "BullMQ, queued before"
LIMITS: Mapping[str, float] = {ALONE: 1.0, HTTP: 0.7}
"""The ratio to BullMQ that each way is meant to reach."""

WIDTH = 34

Rates = Mapping[str, Sequence[float]]
"""Orders per second of each way, by round."""


def turn(names: Sequence[str], number: int) -> list[str]:
    """The order of a round: every other one goes backward, so that no way always comes first."""
    return list(names if number % 2 == 0 else reversed(names))


def table(rates: Rates) -> list[str]:
    """A line for each way, then one for each ratio: the median, the spread and each round."""
    lines = [_line(f"{name}, orders/s", values, 0) for name, values in rates.items()]
    for name, limit in LIMITS.items():
        ratios = [ours / theirs for ours, theirs in zip(rates[name], rates[PIPELINE], strict=True)]
        lines.append(f"{_line(f'{name} / BullMQ', ratios, 2)}   meant: {limit}")
    return lines


def _line(label: str, values: Sequence[float], digits: int) -> str:
    middle, low, high = (
        f"{value:.{digits}f}" for value in (statistics.median(values), min(values), max(values))
    )
    each = ", ".join(f"{value:.{digits}f}" for value in values)
    return f"{label:<{WIDTH}} {middle:>5}   ({low} to {high})   {each}"
