"""The metrics in Prometheus' text format; `docs/metrics.md` explains each one."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from flask import Blueprint, Response
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from orderengine.api.answers.problems import ErrorCode
from orderengine.api.context import current_ports
from orderengine.api.description.new_orders import REFUSALS
from orderengine.api.gate.access import require_operator
from orderengine.api.routes.live_metrics import network_metrics, wallet_metrics
from orderengine.api.routes.worker_metrics import fan_out, order_metrics, queues
from orderengine.api.updates.census import KINDS_BY_AGE, QUEUES
from orderengine.api.updates.connection import SocketEnd
from orderengine.dispatch.improper import Reason
from orderengine.domain.errors import FailureReason, StorageCause
from orderengine.domain.moves import RoutingCause
from orderengine.domain.order import OPEN_STATUSES, OrderStatus
from orderengine.execution.operations.counters import CounterName, Counts, Sample
from orderengine.execution.operations.figures import Figures, OpenOrders, Steps
from orderengine.execution.waiting.cancel import Outcome

PREFIX = "orderengine"
DEPENDENCIES = ("postgresql", "redis", "worker")
OUTCOMES = ("ok", "postponed", "failed")
DROPPED = tuple(reason.value for reason in Reason)

blueprint = Blueprint("metrics", __name__)


@blueprint.get("/metrics")
def get_metrics() -> Response:
    """Tell the figures; those of what gives no answer are absent, and `orderengine_up` says so."""
    require_operator()
    ports = current_ports()
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Told(_families(ports.monitor.figures())))
    return Response(generate_latest(registry), content_type=CONTENT_TYPE_PLAIN_0_0_4)


class _Told(Collector):
    def __init__(self, families: Iterator[Metric]) -> None:
        self._families = list(families)

    def collect(self) -> Sequence[Metric]:
        return self._families

    def describe(self) -> Sequence[Metric]:
        return self._families


def _families(figures: Figures) -> Iterator[Metric]:
    up = {name: int(name not in figures.missing) for name in DEPENDENCIES}
    yield _gauges("up", "1 if this dependency answers.", "dependency", up)
    yield _degraded(figures.causes)
    faults = {cause.value: 0 for cause in StorageCause}
    if figures.storage_fault is not None:
        faults[figures.storage_fault.cause.value] = 1
    yield _gauges("storage_fault", "1 for the cause that prevents writing orders.", "cause", faults)
    if figures.open_orders is not None:
        yield from _open_orders(figures.open_orders)
    if figures.steps is not None:
        yield from _steps(figures.steps)
    yield from _intake(figures.of_this_service)
    yield from _counts(figures)
    if figures.of_workers is not None:
        yield from order_metrics(PREFIX, figures.of_workers)
        yield from network_metrics(PREFIX, figures.of_workers, figures.of_this_service)
    if figures.queued is not None:
        yield from queues(PREFIX, figures.queued)
    yield from _streams(figures.of_this_service)


def _degraded(causes: Mapping[str, str]) -> Metric:
    text = "1 for each missing dependency, with its cause as in /readyz."
    family = GaugeMetricFamily(f"{PREFIX}_degraded", text, labels=("dependency", "cause"))
    for labels in causes.items():
        family.add_metric(labels, 1)
    return family


def _open_orders(found: OpenOrders) -> Iterator[Metric]:
    by_status = {status.value: found.by_status.get(status, 0) for status in _in_order()}
    yield _gauges("open_orders", "Orders that have started and not ended.", "status", by_status)
    text = "Orders that wait for a price or a pool."
    yield _gauges("waiting_orders", text, "symbol", found.watched)
    waiting = {status.value: found.waiting_s.get(status, 0.0) for status in _in_order()}
    text = "How long the first order of a status has been in it."
    yield _gauges("longest_wait_seconds", text, "status", waiting)
    yield _gauge(
        "oldest_open_order_age_seconds",
        "Seconds since the oldest open order was accepted, or started after it had waited.",
        found.oldest_s,
    )
    yield _gauge(
        "oldest_submitted_order_age_seconds",
        "Seconds since the earliest submission of an order that is still submitted.",
        found.oldest_submitted_s,
    )
    text = "Age of the oldest transaction that keeps PostgreSQL from cleaning up."
    yield _gauge("oldest_snapshot_age_seconds", text, found.oldest_snapshot_s)
    yield from wallet_metrics(PREFIX, found)
    text = "USDC that the orders of all clients have taken of this day's limits."
    yield _gauge("daily_notional_usdc", text, found.daily_usdc)
    text = "The largest share of its limit of this day that a client has taken."
    yield _gauge("daily_limit_used_ratio", text, found.daily_share)
    yield _gauge("stuck_orders", "Submitted orders without an answer for too long.", found.stuck)


def _steps(steps: Steps) -> Iterator[Metric]:
    ended = Counter({(OrderStatus.FAILED.value, reason.value): 0 for reason in FailureReason})
    for status in (OrderStatus.CONFIRMED, OrderStatus.CANCELED, OrderStatus.EXPIRED):
        ended[status.value, ""] = 0
    ended[OrderStatus.EXPIRED.value, FailureReason.NOT_FILLED.value] = 0
    rested = Counter({reason.value: 0 for reason in FailureReason})
    failed = Counter({reason.value: 0 for reason in FailureReason})
    recovered = Counter({cause.value: 0 for cause in RoutingCause if cause.restarts_attempt})
    for step, total in steps.items():
        if step.status.is_terminal:
            ended[step.status.value, step.cause] += total
        if step.status in {OrderStatus.PENDING, OrderStatus.FAILED}:
            failed[step.cause] += total
        if step.status is OrderStatus.ROUTING:
            recovered[step.cause] += total
        if step.status is OrderStatus.WAITING:
            rested[step.cause] += total
    family = CounterMetricFamily(
        f"{PREFIX}_orders_ended", "Orders that ended.", labels=("status", "reason")
    )
    for labels, total in ended.items():
        family.add_metric(labels, total)
    yield family
    yield _counters("rests", "Limit orders that waited again.", "reason", rested)
    yield _counters("attempts_failed", "Attempts that failed.", "reason", failed)
    yield _counters("recoveries", "Orders routed again in the same attempt.", "cause", recovered)


def _intake(own: Counts) -> Iterator[Metric]:
    accepted = _by_label(own, CounterName.ACCEPTED).get("", 0)
    yield _counter("orders_accepted", "Orders that this web service accepted.", accepted)
    known = dict.fromkeys((*REFUSALS, ErrorCode.INTERNAL_ERROR), 0)
    refused = known | _by_label(own, CounterName.REFUSALS)
    text = "Requests to place an order that this web service refused."
    yield _counters("orders_refused", text, "code", refused)
    canceled = {each.value: 0 for each in Outcome} | _by_label(own, CounterName.CANCELS)
    yield _counters(
        "cancels", "Orders that clients wanted to cancel, by the answer.", "outcome", canceled
    )


def _counts(figures: Figures) -> Iterator[Metric]:
    workers, own = figures.of_workers, figures.of_this_service
    if workers is not None:
        sent = {status.value: 0 for status in _in_order()} | _by_label(
            workers, CounterName.REDISPATCHES
        )
        yield _counters("redispatches", "Messages that recovery sent.", "status", sent)
        rounds = dict.fromkeys(OUTCOMES, 0) | _by_label(workers, CounterName.RECONCILER_ROUNDS)
        yield _counters("reconciler_rounds", "Rounds of the reconcilers.", "outcome", rounds)
        dropped = dict.fromkeys(DROPPED, 0) | _by_label(workers, CounterName.MESSAGES_DROPPED)
        text = "Malformed messages that a worker dropped."
        yield _counters("messages_dropped", text, "reason", dropped)
    for counter, name, text in (
        (
            CounterName.DISPATCH_FAILURES,
            "dispatch_failures",
            "Messages that the broker did not accept.",
        ),
        (
            CounterName.PUBLISH_FAILURES,
            "publish_failures",
            "Stored events that were not published.",
        ),
    ):
        failures = {"web": sum(_by_label(own, counter).values())}
        if workers is not None:
            failures["worker"] = sum(_by_label(workers, counter).values())
        yield _counters(name, text, "process", failures)


def _streams(own: Counts) -> Iterator[Metric]:
    closed = {end.value: 0 for end in SocketEnd} | _by_label(own, CounterName.SOCKETS_CLOSED)
    text = "Sockets that this web service closed or lost."
    yield _counters("sockets_closed", text, "reason", closed)
    text = "WebSockets and event streams of this web service."
    yield _gauge("open_sockets", text, own.get(Sample(CounterName.OPEN_SOCKETS), 0))
    yield _sockets(own)
    queued = {sample.label: own.get(sample, 0) for sample in QUEUES}
    text = "Open sockets, by the most messages that wait for the client."
    yield _gauges("socket_queues", text, "messages", queued)
    yield fan_out(PREFIX, own)
    rereads = own.get(Sample(CounterName.HUB_REREADS), 0)
    yield _counter("hub_rereads", "Events that this web service missed and read later.", rereads)
    losses = own.get(Sample(CounterName.SUBSCRIPTION_LOSSES), 0)
    text = "Redis subscriptions that this web service lost or could not make."
    yield _counter("subscription_losses", text, losses)


def _sockets(own: Counts) -> Metric:
    text = "Open sockets, by kind, and by the age that they are below; counted every five seconds."
    family = GaugeMetricFamily(f"{PREFIX}_sockets", text, labels=("kind", "age"))
    for sample in KINDS_BY_AGE:
        family.add_metric(sample.label.split(":"), own.get(sample, 0))
    return family


def _by_label(counts: Counts, counter: CounterName) -> dict[str, int]:
    return {sample.label: number for sample, number in counts.items() if sample.counter is counter}


def _in_order() -> list[OrderStatus]:
    """The statuses of orders that have started and not ended."""
    return [status for status in OPEN_STATUSES if not status.is_idle]


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"{PREFIX}_{name}", text, value=value)


def _gauges(name: str, text: str, label: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(f"{PREFIX}_{name}", text, labels=(label,))
    for each, value in values.items():
        family.add_metric((each,), value)
    return family


def _counter(name: str, text: str, value: int) -> Metric:
    return CounterMetricFamily(f"{PREFIX}_{name}", text, value=value)


def _counters(name: str, text: str, label: str, values: Mapping[str, int]) -> Metric:
    family = CounterMetricFamily(f"{PREFIX}_{name}", text, labels=(label,))
    for each, value in values.items():
        family.add_metric((each,), value)
    return family
