"""Throughput of a burst, the cost per order, and the two baselines, in alternating rounds."""

import contextlib
import signal
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.accounting import Accountant, Cost
from benchmarks.baselines import POOLS, NaiveChain, PlainLoop
from benchmarks.bench import Bench, Figures, middle
from benchmarks.client import Posted
from benchmarks.figures import percentile
from benchmarks.stack import Stack
from harness.processes import Processes

SETTLE_S = 0.3
TEXT_CHARS = 300


@dataclass
class Contender:
    """One way to execute a burst of orders; orders per second and cost per order, by round."""

    run: Callable[[int], float]
    rates: list[float] = field(default_factory=list)
    costs: list[Cost] = field(default_factory=list)


class EngineBurst:
    """The engine: a few connections POST as fast as they can, until the last order is done."""

    def __init__(self, bench: Bench, stack: Stack) -> None:
        self.accepted_per_s: list[float] = []
        self.post_ms: list[float] = []
        self._bench = bench
        self._stack = stack

    def orders_per_s(self, count: int) -> float:
        """From the first POST sent to the last order's end."""
        posted = self._bench.post(self._stack, count)
        self._bench.finish(self._stack)
        self.accepted_per_s.append(count / (posted.last_answered_at - posted.first_sent_at))
        self.post_ms += posted.latencies_ms
        return count / (self._last_end(posted) - posted.first_sent_at)

    def orders_per_s_worker_alone(self, count: int) -> float:
        """The same burst, but workers start after all of it is accepted, without web's load."""
        with frozen(self._stack, self._stack.worker_names):
            posted = self._bench.post(self._stack, count)
            resumed_at = time.time()
        self._bench.finish(self._stack)
        return count / (self._last_end(posted) - resumed_at)

    def _last_end(self, posted: Posted) -> float:
        return max(self._bench.finished_at(posted.order_ids))


@contextlib.contextmanager
def frozen(programs: Processes, names: Sequence[str]) -> Iterator[None]:
    """Freeze these programs during this block."""
    for name in names:
        programs.signal(name, signal.SIGSTOP)
    try:
        yield
    finally:
        for name in names:
            programs.signal(name, signal.SIGCONT)


def measure(bench: Bench, stack: Stack) -> Figures:
    """Run all rounds; in each one every contender executes the same number of orders."""
    with contextlib.ExitStack() as programs:
        chains = [programs.enter_context(NaiveChain(bench, pool)) for pool in POOLS]
        loop = programs.enter_context(PlainLoop(bench, stack))
        accountant = _accountant(bench, stack)
        for pids in (*(chain.pids for chain in chains), loop.pids):
            accountant.roots.update(pids)
        engine = EngineBurst(bench, stack)
        contenders = {
            "engine": Contender(engine.orders_per_s),
            **{chain.name: Contender(chain.orders_per_s) for chain in chains},
            "loop": Contender(loop.orders_per_s),
            "worker alone": Contender(engine.orders_per_s_worker_alone),
        }
        idle = _idle_rates(accountant, bench.size.idle_s)
        for _ in range(bench.size.rounds):
            for contender in contenders.values():
                _run(contender, bench.size.orders, accountant, idle)
    bench.check()
    return _figures(engine, contenders, [chain.name for chain in chains])


def _run(contender: Contender, count: int, accountant: Accountant, idle: Cost) -> None:
    time.sleep(SETTLE_S)
    before = accountant.snapshot()
    contender.rates.append(contender.run(count))
    time.sleep(SETTLE_S)
    contender.costs.append(accountant.snapshot().cost_since(before, idle, count))


def _accountant(bench: Bench, stack: Stack) -> Accountant:
    servers = bench.servers
    roots = {
        "web": stack.pid("web"),
        **{name: stack.pid(name) for name in stack.worker_names},
        "postgres": servers.postgres.pid or 0,
        "redis": servers.redis.pid or 0,
    }
    return Accountant(bench.database, bench.redis, bench.observed_role, roots)


def _idle_rates(accountant: Accountant, seconds: float) -> Cost:
    time.sleep(SETTLE_S)
    before = accountant.snapshot()
    time.sleep(seconds)
    return accountant.snapshot().rates_since(before)


def _figures(
    engine: EngineBurst, contenders: Mapping[str, Contender], chains: Sequence[str]
) -> Figures:
    faster = max(chains, key=lambda name: statistics.median(contenders[name].rates))
    ours = contenders["engine"]
    statements = _medians([cost.statements for cost in ours.costs])
    commands = _medians([cost.commands for cost in ours.costs])
    return {
        "accepted_per_s": middle(engine.accepted_per_s),
        "post_ms": {f"p{p}": percentile(engine.post_ms, p) for p in (50, 99)},
        "orders_per_s": {name: middle(each.rates) for name, each in contenders.items()},
        "faster_chain": faster,
        "engine_to_chain": middle(_ratios(ours.rates, contenders[faster].rates)),
        "engine_to_loop": middle(_ratios(ours.rates, contenders["loop"].rates)),
        "cpu_ms_per_order": {
            name: _medians([cost.cpu_ms for cost in each.costs])
            for name, each in contenders.items()
        },
        "statements_per_order": sum(statements.values()),
        "statements_by_text": _ordered(statements),
        "commands_per_order": sum(commands.values()),
        "commands_by_name": _ordered(commands),
    }


def _ratios(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    return [mine / other for mine, other in zip(ours, theirs, strict=True)]


def _medians(rounds: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The median of each counter; leaves out medians below 0.005."""
    names = {name for each in rounds for name in each}
    medians = {name: statistics.median(each.get(name, 0) for each in rounds) for name in names}
    return {name: value for name, value in sorted(medians.items()) if value >= 0.005}


def _ordered(values: Mapping[str, float]) -> dict[str, float]:
    ordered = sorted(values.items(), key=lambda item: -item[1])
    return {name[:TEXT_CHARS]: value for name, value in ordered}
