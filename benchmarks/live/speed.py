"""Orders/s from the first POST to the last order's end, as fast as four connections place them."""

import statistics
from dataclasses import dataclass, field

from benchmarks.figures import percentile, steady_rate
from benchmarks.live.desk import Desk, Size, live_desk, simulated_desk
from benchmarks.stack import NO_DELAYS
from benchmarks.waiting.desk import Figure, settle

LEAST_RATIO = 0.5
LEAST_FAR_PER_S = 40.0
FAR_MS = 100


def near(size: Size) -> list[Figure]:
    """The localnet beside the simulated network without delays, in the same rounds."""
    figures: list[Figure] = []
    sizes = [(size.orders, size.rounds), (size.long_orders, size.long_rounds)]
    for block_ms in size.block_ms:
        with simulated_desk(**NO_DELAYS) as simulated, live_desk(block_ms) as live:
            for count, rounds in sizes:
                theirs, ours = _Bursts(simulated), _Bursts(live)
                for _ in range(rounds):
                    theirs.run(count)
                    ours.run(count)
                figures += _beside(theirs, ours, f"blocks of {block_ms} ms, bursts of {count}")
            simulated.check()
            live.check()
    return figures


def _beside(theirs: "_Bursts", ours: "_Bursts", name: str) -> list[Figure]:
    whole, steady = (
        [one / other for one, other in zip(*each, strict=True)]
        for each in ((ours.per_s, theirs.per_s), (ours.steady_per_s, theirs.steady_per_s))
    )
    middle = statistics.median
    return [
        *theirs.figures(f"simulated network, {name}"),
        *ours.figures(f"localnet, {name}"),
        Figure("localnet / simulated, lowest of the rounds", min(whole), "x"),
        Figure("localnet / simulated, median", middle(whole), "x", None, LEAST_RATIO),
        Figure("  without the first and the last tenth", middle(steady), "x", None, LEAST_RATIO),
    ]


def far(size: Size) -> list[Figure]:
    """A node of which each answer comes 100 ms later, each for itself; ten slots."""
    figures: list[Figure] = []
    for block_ms in size.block_ms:
        with live_desk(block_ms, ORDER_CONCURRENCY="10") as live:
            live.fault(latencyMs=FAR_MS)
            bursts = _Bursts(live)
            before = live.requests()
            for _ in range(size.rounds):
                bursts.run(size.orders)
            asked = live.requests() - before
            live.check()
        name = f"answers after {FAR_MS} ms, blocks of {block_ms} ms"
        orders = size.orders * size.rounds
        figures += [
            *bursts.figures(name, LEAST_FAR_PER_S),
            *(
                Figure(f"{method} for an order", count / orders, "requests")
                for method, count in asked.most_common()
            ),
        ]
    return figures


@dataclass
class _Bursts:
    """Bursts at one desk: orders/s of each, whole and without its beginning and end."""

    desk: Desk
    per_s: list[float] = field(default_factory=list)
    steady_per_s: list[float] = field(default_factory=list)
    took_ms: list[float] = field(default_factory=list)
    cpu_ms: list[dict[str, float]] = field(default_factory=list)
    failed: list[int] = field(default_factory=list)

    def run(self, count: int) -> None:
        settle()
        bench, stack = self.desk.bench, self.desk.stack
        before, failed = self.desk.cpu_ms(), self.desk.failed_attempts()
        posted = bench.post(stack, count)
        bench.finish(stack)
        after = self.desk.cpu_ms()
        ended_at = bench.finished_at(posted.order_ids)
        self.cpu_ms.append({name: (after[name] - before[name]) / count for name in after})
        self.per_s.append(count / (max(ended_at) - posted.first_sent_at))
        self.steady_per_s.append(steady_rate(ended_at))
        self.took_ms += posted.latencies_ms
        self.failed.append(self.desk.failed_attempts() - failed)

    def figures(self, name: str, at_least: float | None = None) -> list[Figure]:
        median = statistics.median(self.per_s)
        return [
            Figure(f"{name}, lowest of the rounds", min(self.per_s), "orders/s"),
            Figure(f"{name}, median", median, "orders/s", None, at_least),
            Figure(
                "  without the first and the last tenth of each burst",
                statistics.median(self.steady_per_s),
                "orders/s",
            ),
            Figure("  attempts that failed, most of the rounds", max(self.failed)),
            Figure("  POST, p99", percentile(self.took_ms, 99), "ms"),
            *(
                Figure(
                    f"  CPU of an order, {name}",
                    statistics.median(each[name] for each in self.cpu_ms),
                    "ms",
                )
                for name in self.cpu_ms[0]
            ),
        ]
