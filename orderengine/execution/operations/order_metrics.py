"""Measures orders: times, prices and venues, from their moves and events.

A move is measured from the order in hand. Only the events hold the time spent in each status; the
reconciler's thread, not a stage, reads them once the order has ended.
"""

import functools
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from itertools import groupby, pairwise

from orderengine.domain.events import Step
from orderengine.domain.order import Order, OrderStatus
from orderengine.domain.routing import Route
from orderengine.execution.operations.counters import CounterName, Metrics
from orderengine.execution.ports import Orders

SECONDS = ("0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10", "30", "60", "300")
FAN_OUT_S = ("0.001", "0.0025", "0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5")
BPS = ("-100", "-50", "-20", "-10", "-5", "0", "5", "10", "20", "50", "100", "200", "500")
BOUNDS: Mapping[CounterName, tuple[str, ...]] = {
    CounterName.STAGE_TIME: SECONDS,
    CounterName.ORDER_TIME: SECONDS,
    CounterName.TRIGGER_TIME: SECONDS,
    CounterName.FAN_OUT_TIME: FAN_OUT_S,
    CounterName.RPC_TIME: SECONDS,
    CounterName.SLIPPAGE: BPS,
}
"""The upper bounds of each histogram; the last bucket, `+Inf`, holds all greater values."""

BEYOND = "+Inf"
SUM = "sumMs"
READ_AT_ONCE = 200


class QuoteOutcome(StrEnum):
    """The outcome of a venue's quote."""

    WON = "won"
    LOST = "lost"
    MISSING = "missing"


def record_move(metrics: Metrics, order: Order) -> None:
    """Measure an order that has just moved."""
    if order.status is OrderStatus.BUILDING and order.route is not None:
        _record_route(metrics, order.route)
    if not order.status.is_terminal:
        return
    metrics.count(CounterName.ATTEMPTS, str(order.attempt - order.first_attempt + 1))
    metrics.ended(order.order_id)
    if order.fill is not None:
        _observe(metrics, CounterName.SLIPPAGE, order.side.value, order.fill.slippage_bps)


def record_trigger(metrics: Metrics, order: Order, seen_at: datetime) -> None:
    """Measure the time from when its price was seen to the start of an order."""
    _observe_time(metrics, CounterName.TRIGGER_TIME, order.type.value, seen_at, order.updated_at)


def record_ended(metrics: Metrics, orders: Orders) -> None:
    """Measure the times of the orders that ended recently.

    Raises StorageUnavailable; orders not read by then stay unmeasured.
    """
    ended = metrics.take_ended()
    for first in range(0, len(ended), READ_AT_ONCE):
        steps = orders.steps_of(ended[first : first + READ_AT_ONCE])
        for _, of_order in groupby(steps, key=lambda step: step.order_id):
            record_times(metrics, list(of_order))


def record_times(metrics: Metrics, steps: Sequence[Step]) -> None:
    """Measure the time in each status and in total, by the database's clock.

    Time in an idle status, which may be weeks, is left out; the total counts from the last start.
    """
    for before, after in pairwise(steps):
        if not before.status.is_idle:
            _observe_s(metrics, CounterName.STAGE_TIME, before.status.value, before, after)
    begun = [after for before, after in pairwise(steps) if before.status.is_idle]
    first, last = (begun or steps[:1])[-1], steps[-1]
    if last.status.is_terminal and first is not last:
        _observe_s(metrics, CounterName.ORDER_TIME, last.status.value, first, last)


def _record_route(metrics: Metrics, route: Route) -> None:
    winners = {leg.venue for leg in route.legs}
    quoted = {quote.venue for quote in route.quotes} | winners
    for venue in sorted(quoted):
        outcome = QuoteOutcome.WON if venue in winners else QuoteOutcome.LOST
        metrics.count(CounterName.QUOTES, f"{venue}:{outcome}")
    for venue in sorted(set(route.refusals) - quoted):
        metrics.count(CounterName.QUOTES, f"{venue}:{QuoteOutcome.MISSING}")


def _observe_s(metrics: Metrics, counter: CounterName, label: str, first: Step, last: Step) -> None:
    _observe_time(metrics, counter, label, first.occurred_at, last.occurred_at)


def _observe_time(
    metrics: Metrics, counter: CounterName, label: str, since: datetime, until: datetime
) -> None:
    observe_seconds(metrics, counter, label, Decimal(str((until - since).total_seconds())))


def observe_seconds(metrics: Metrics, counter: CounterName, label: str, seconds: Decimal) -> None:
    """Measure a time in a histogram."""
    _observe(metrics, counter, label, seconds)
    metrics.count(counter, f"{label}:{SUM}", round(seconds * 1000))


def _observe(metrics: Metrics, counter: CounterName, label: str, value: Decimal) -> None:
    metrics.count(counter, f"{label}:{bucket(value, BOUNDS[counter])}")


def bucket(value: Decimal, bounds: Iterable[str]) -> str:
    """The first bound that is not below the value."""
    return next((bound for bound in bounds if value <= _decimal(bound)), BEYOND)


_decimal = functools.cache(Decimal)
