"""What is measured of a live network, as Prometheus metric families."""

from collections import Counter
from collections.abc import Iterator, Mapping

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from orderengine.api.routes.worker_metrics import by_first, cumulative
from orderengine.execution.operations.counters import CounterName, Counts
from orderengine.execution.operations.figures import OpenOrders
from orderengine.execution.operations.order_metrics import BOUNDS, SUM

_COUNTERS = (
    (CounterName.LANDED, "landed", "Swaps that landed on a live network.", "error"),
    (CounterName.NOT_SIGNED, "not_signed", "Swaps refused before they were signed.", "reason"),
    (CounterName.FEES_PAID, "paid_lamports", "Lamports that landed swaps cost.", "for"),
)


_OF_WALLET = (
    ("wallet_sol", "SOL in the wallet.", "lamports", 10**9),
    ("wallet_usdc", "USDC in the wallet.", "usdc", 10**6),
    ("slots_behind", "Slots by which the node is behind.", "slots_behind", 1),
    ("wallet_strangers", "Transactions of the wallet that are not ours.", "strangers", 1),
)
_GONE = CounterName.SETTLEMENTS_GONE


def network_metrics(prefix: str, of_workers: Counts, of_web: Counts) -> Iterator[Metric]:
    """Requests of all processes to the nodes, and what the workers' swaps came to."""
    both = Counter(of_workers) + Counter(of_web)
    yield _rpc_times(prefix, both)
    errors = CounterMetricFamily(
        f"{prefix}_rpc_errors",
        "Requests to nodes without a useful answer.",
        labels=("method", "cause"),
    )
    for method, causes in sorted(by_first(both, CounterName.RPC_ERRORS).items()):
        for cause, total in sorted(causes.items()):
            errors.add_metric((method, cause), total)
    yield errors
    for counter, name, text, label in _COUNTERS:
        family = CounterMetricFamily(f"{prefix}_{name}", text, labels=(label,))
        for sample, total in sorted(of_workers.items()):
            if sample.counter is counter:
                family.add_metric((sample.label,), total)
        yield family
    gone = sum(total for each, total in of_workers.items() if each.counter is _GONE)
    text = "Settlements that were confirmed and are not final."
    yield CounterMetricFamily(f"{prefix}_settlements_gone", text, value=gone)


def wallet_metrics(prefix: str, found: OpenOrders) -> Iterator[Metric]:
    """What the workers last told of their wallets, and the orders that none of them serves."""
    for name, text, attribute, unit in _OF_WALLET:
        family = GaugeMetricFamily(f"{prefix}_{name}", text, labels=("network",))
        for wallet in found.wallets:
            value = getattr(wallet, attribute)
            if value is not None:
                family.add_metric((wallet.network,), value / unit)
        yield family
    text = "Open orders of another network or wallet."
    foreign = GaugeMetricFamily(f"{prefix}_foreign_orders", text, labels=("network",))
    for network, total in _by_network(found.foreign).items():
        foreign.add_metric((network,), total)
    yield foreign


def _by_network(foreign: Mapping[tuple[str, str], int]) -> Mapping[str, int]:
    totals: Counter[str] = Counter()
    for (network, _), total in foreign.items():
        totals[network] += total
    return totals


def _rpc_times(prefix: str, counts: Counts) -> Metric:
    text = "Time of requests to the nodes of a live network."
    family = HistogramMetricFamily(f"{prefix}_rpc_seconds", text, labels=("method",))
    for method, by_label in sorted(by_first(counts, CounterName.RPC_TIME).items()):
        buckets = cumulative(by_label, BOUNDS[CounterName.RPC_TIME])
        family.add_metric((method,), buckets, by_label.get(SUM, 0) / 1000)
    return family
