"""Measurements as Prometheus metric families: those of all workers, and how late sockets are."""

from collections.abc import Iterator, Mapping

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from orderengine.execution.operations.counters import CounterName, Counts
from orderengine.execution.operations.order_metrics import BEYOND, BOUNDS, SUM

HISTOGRAMS = (
    (CounterName.STAGE_TIME, "stage_seconds", "stage", "Time that orders spent in a status."),
    (
        CounterName.ORDER_TIME,
        "order_seconds",
        "status",
        "Time from the acceptance of orders to their end.",
    ),
    (
        CounterName.TRIGGER_TIME,
        "trigger_seconds",
        "type",
        "Time from when a price was seen to the start of the order that waited for it.",
    ),
    (
        CounterName.SLIPPAGE,
        "slippage_bps",
        "side",
        "Slippage of confirmed orders; positive is worse.",
    ),
)


def order_metrics(prefix: str, counts: Counts) -> Iterator[Metric]:
    """The histograms, attempts and quotes; a family has no sample before the first count."""
    for counter, name, label, text in HISTOGRAMS:
        family = HistogramMetricFamily(f"{prefix}_{name}", text, labels=(label,))
        for value, by_label in sorted(by_first(counts, counter).items()):
            family.add_metric(
                (value,), cumulative(by_label, BOUNDS[counter]), _sum_s(counter, by_label)
            )
        yield family
    attempts = CounterMetricFamily(
        f"{prefix}_attempts_taken",
        "Orders that ended, by their number of attempts.",
        labels=("attempts",),
    )
    for number, taken in sorted(by_first(counts, CounterName.ATTEMPTS).items()):
        attempts.add_metric((number,), taken[""])
    yield attempts
    quotes = CounterMetricFamily(
        f"{prefix}_quotes", "Results of the venues for each built route.", labels=("dex", "outcome")
    )
    for venue, outcomes in sorted(by_first(counts, CounterName.QUOTES).items()):
        for outcome, total in sorted(outcomes.items()):
            quotes.add_metric((venue, outcome), total)
    yield quotes
    stale = CounterMetricFamily(
        f"{prefix}_stale_prices",
        "Looks that started nothing because the price was too old.",
        labels=("symbol",),
    )
    for symbol, looks in sorted(by_first(counts, CounterName.STALE_PRICES).items()):
        stale.add_metric((symbol,), looks[""])
    yield stale


def fan_out(prefix: str, counts: Counts) -> Metric:
    """The histogram of how late events are when they leave for sockets."""
    counter = CounterName.FAN_OUT_TIME
    found = by_first(counts, counter).get("events", {})
    text = "Time from when an event was stored to its last byte on the way to a client."
    family = HistogramMetricFamily(f"{prefix}_fan_out_seconds", text)
    family.add_metric((), cumulative(found, BOUNDS[counter]), _sum_s(counter, found))
    return family


def queues(prefix: str, queued: Mapping[str, int]) -> Iterator[Metric]:
    """The number of messages that wait for a worker, by queue."""
    family = GaugeMetricFamily(
        f"{prefix}_queued_messages", "Messages that wait for a worker.", labels=("queue",)
    )
    for name, length in queued.items():
        family.add_metric((name,), length)
    yield family


def by_first(counts: Counts, counter: CounterName) -> dict[str, dict[str, int]]:
    """Counts of one kind, by the two parts of their labels."""
    by_label: dict[str, dict[str, int]] = {}
    for sample, number in counts.items():
        if sample.counter is counter:
            first, _, second = sample.label.partition(":")
            by_label.setdefault(first, {})[second] = number
    return by_label


def cumulative(by_label: Mapping[str, int], bounds: tuple[str, ...]) -> list[tuple[str, float]]:
    """The buckets of a histogram, each with all that lies below its bound."""
    total = 0
    buckets: list[tuple[str, float]] = []
    for bound in (*bounds, BEYOND):
        total += by_label.get(bound, 0)
        buckets.append((bound if bound == BEYOND else str(float(bound)), total))
    return buckets


def _sum_s(counter: CounterName, by_label: Mapping[str, int]) -> float | None:
    # A histogram of values that may be negative has no sum, because a sum must only grow.
    return None if counter is CounterName.SLIPPAGE else by_label.get(SUM, 0) / 1000
