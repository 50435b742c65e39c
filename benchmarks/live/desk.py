"""A stack on a localnet, and one on the simulated network, on servers of their own."""

import contextlib
import json
import os
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text

from benchmarks.accounting import read_processes, tree_ticks
from benchmarks.bench import Bench
from benchmarks.bench import Size as BenchSize
from benchmarks.checks import Lost
from benchmarks.stack import Servers, Stack, temporary_folder
from orderengine.domain.errors import FailureReason
from orderengine.domain.order import OrderStatus
from orderengine.local.localnet_server import EmbeddedLocalnet

_NO_ROUNDS = BenchSize(orders=0, rounds=0, paced_s=0, followed=0, idle_s=0.0)


@dataclass(frozen=True, slots=True)
class Size:
    """How much each part does; `block_ms` are the localnet's block times, each for itself.

    A burst has `orders`; in a long one, of which there are `long_rounds`, its beginning and its end
    weigh little.
    """

    orders: int = 400
    rounds: int = 5
    long_orders: int = 2_000
    long_rounds: int = 2
    block_ms: tuple[int, ...] = (400, 100)
    idle_s: float = 60.0
    ticks_s: float = 20.0


QUICK = Size(
    orders=60,
    rounds=1,
    long_orders=120,
    long_rounds=1,
    block_ms=(100,),
    idle_s=5.0,
    ticks_s=3.0,
)


@dataclass(frozen=True)
class Desk:
    """A running stack with its servers; `localnet` is None on the simulated network."""

    bench: Bench
    stack: Stack
    localnet: EmbeddedLocalnet | None = None

    def fault(self, **faults: object) -> None:
        """Change the faults of the localnet."""
        self.ask("localnet_fault", faults)

    def cpu_ms(self) -> dict[str, float]:
        """The CPU that each of the stack's programs and servers has used so far."""
        roots = {
            "web": self.stack.pid("web"),
            "worker": self.stack.pid("worker"),
            "PostgreSQL": self.bench.servers.postgres.pid,
            "Redis": self.bench.servers.redis.pid,
            "localnet": None if self.localnet is None else self.localnet.pid,
        }
        processes, ms_per_tick = read_processes(), 1000 / os.sysconf("SC_CLK_TCK")
        return {
            name: tree_ticks(root, processes) * ms_per_tick for name, root in roots.items() if root
        }

    def requests(self) -> Counter[str]:
        """How many requests the localnet has answered so far, by method."""
        return Counter(self.ask("localnet_requests", {}))

    def failed_attempts(self) -> int:
        """How many attempts of orders have failed so far: each costs a pause."""
        with self.bench.database.connect() as connection:
            attempts = "SELECT coalesce(sum(jsonb_array_length(failed_attempts)), 0) FROM orders"
            return int(connection.execute(text(attempts)).scalar_one())

    def check(self) -> None:
        """Raise Lost unless each order was executed once by the network's ledger, or failed.

        A burst moves the pools, so that some orders find no price within their tolerance.
        """
        if self.localnet is None:
            self.bench.check()
            return
        landings = self.ask("localnet_ledger", {})["landings"]
        executed = Counter(each["memo"] for each in landings if each["memo"] and not each["err"])
        with self.bench.database.connect() as connection:
            confirmed = connection.execute(
                text(f"SELECT count(*) FROM orders WHERE status = '{OrderStatus.CONFIRMED}'")
            ).scalar_one()
            others = connection.execute(
                text(
                    "SELECT status, failure_reason, count(*) FROM orders "
                    f"WHERE status <> '{OrderStatus.CONFIRMED}' GROUP BY 1, 2 ORDER BY 3 DESC"
                )
            ).all()
        placed = self.bench.placed
        beaten = sum(count for _, why, count in others if why == FailureReason.SLIPPAGE_EXCEEDED)
        landed = len(executed), executed.total()
        if landed != (confirmed, confirmed) or confirmed + beaten != placed:
            found = f"{confirmed} are confirmed, {executed.total()} swaps of {len(executed)} landed"
            found += "".join(f", {count} {status} ({why})" for status, why, count in others)
            raise Lost(f"{placed} orders were placed, and {found}")

    def ask(self, method: str, params: Mapping[str, object]) -> Any:
        """The result of one of the localnet's own methods, which no fault delays."""
        if self.localnet is None:
            raise ValueError("there is no localnet")
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        url = self.localnet.url
        with urllib.request.urlopen(url, body.encode(), timeout=60) as answer:  # noqa: S310
            return json.loads(answer.read())["result"]


@contextlib.contextmanager
def live_desk(block_ms: int, **settings: str) -> Iterator[Desk]:
    """A stack on a localnet with this block time, warmed up."""
    environ = {"LOCALNET_BLOCK_MS": str(block_ms), "LOCALNET_FAULTS": "1"}
    with (
        temporary_folder() as folder,
        EmbeddedLocalnet(folder / "localnet", environ=environ) as localnet,
        Servers(folder) as servers,
        Bench(servers, _NO_ROUNDS) as bench,
        Stack(servers, **localnet.settings, **settings) as stack,
    ):
        bench.warm_up(stack)
        yield Desk(bench, stack, localnet)


@contextlib.contextmanager
def simulated_desk(**settings: str) -> Iterator[Desk]:
    """A stack on the simulated network, warmed up."""
    with (
        temporary_folder() as folder,
        Servers(folder) as servers,
        Bench(servers, _NO_ROUNDS) as bench,
        Stack(servers, **settings) as stack,
    ):
        bench.warm_up(stack)
        yield Desk(bench, stack)
