"""Times of events and log lines, and how their spans overlap."""

import contextlib
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import Any
from urllib.error import HTTPError

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


def placed_with_an_end(place: Callable[[datetime], str]) -> tuple[str, datetime]:
    """An order that ends soon, and when; a slow machine gets more time to place it.

    `place` raises AssertionError or HTTPError if it is too late for that end.
    """
    for life_s in (2, 4, 8, 16):
        with contextlib.suppress(AssertionError, HTTPError):
            ends_at = datetime.now(UTC) + timedelta(seconds=life_s)
            return place(ends_at), ends_at
    ends_at = datetime.now(UTC) + timedelta(seconds=32)
    return place(ends_at), ends_at
