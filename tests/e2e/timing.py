"""Times of events and log lines, and how their spans overlap."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from itertools import accumulate
from typing import Any

Span = tuple[datetime, datetime]


def at(event: Mapping[str, Any]) -> datetime:
    """When an event was stored."""
    return datetime.fromisoformat(event["at"])


def logged_at(line: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(line["timestamp"])


def seconds_between(first: Mapping[str, Any], second: Mapping[str, Any]) -> float:
    return (at(second) - at(first)) / timedelta(seconds=1)


def most_at_once(spans: Iterable[Span]) -> int:
    """The most spans that overlap; one that ends as another begins does not overlap it."""
    steps = [step for start, end in spans for step in ((start, 1), (end, -1))]
    return max(accumulate(change for _, change in sorted(steps)))
