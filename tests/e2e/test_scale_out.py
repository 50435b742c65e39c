"""Two web processes and three workers on one Redis and one PostgreSQL: the work is spread over
them, and a socket on either web process sees everything."""

import contextlib
import signal
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import Engine

from harness.waiting import wait_until
from tests.e2e.ledger import executions
from tests.e2e.metrics import told_by
from tests.e2e.stack import WORKER_IS_READY, Stack

ORDERS = 60
WORKERS = 3


@pytest.fixture(scope="module")
def stack_environ() -> Mapping[str, str]:
    return {"SIM_SETTLEMENT_MS": "300-500", "ORDER_CONCURRENCY": "4", "RECOVERY_AFTER_MS": "1500"}


class Fleet:
    """A stack with a second web process and two more workers."""

    def __init__(self, first: Stack, folder: Path, environ: Mapping[str, str]) -> None:
        self.web = (first, Stack(first.database_url, first.redis_url, folder / "web", **environ))
        self.more = [
            Stack(first.database_url, first.redis_url, folder / f"worker{n}", **environ)
            for n in range(1, WORKERS)
        ]

    @contextlib.contextmanager
    def running(self) -> Iterator["Fleet"]:
        with contextlib.ExitStack() as stops:
            for stack, name in ((self.web[1], "web"), *((each, "worker") for each in self.more)):
                stack.folder.mkdir()
                stops.callback(stack.stop)
                stack.start_line(name)
            wait_until(self.web[1].is_ready, 30.0)
            wait_until(self._workers_are_ready, 30.0)
            yield self

    def _workers_are_ready(self) -> bool:
        return all(WORKER_IS_READY in each.logs("worker") for each in self.more)

    @property
    def workers(self) -> tuple[Stack, ...]:
        return (self.web[0], *self.more)

    def moves(self) -> list[Counter[str]]:
        """How many steps each worker took, by order."""
        return [
            Counter(
                line["order_id"]
                for line in worker.log_lines("worker")
                if line.get("event") == "order_moved"
            )
            for worker in self.workers
        ]


@pytest.fixture(scope="module")
def fleet(
    stack: Stack, stack_environ: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Fleet]:
    with Fleet(stack, tmp_path_factory.mktemp("fleet"), stack_environ).running() as fleet:
        yield fleet


def test_orders_are_spread_and_every_socket_sees_everything(
    fleet: Fleet, stack_database: Engine
) -> None:
    with ThreadPoolExecutor(20) as threads:
        placed = [threads.submit(fleet.web[n % 2].post, "AAPL", "buy", "1") for n in range(ORDERS)]
        order_ids = [each.result() for each in placed]
    # Each order is followed at both, so half of the sockets are not where the order was placed.
    with ThreadPoolExecutor(2) as threads:
        told = list(threads.map(lambda web: web.follow_many(order_ids), fleet.web))
    for here, there in zip(*told, strict=True):
        assert here.texts == there.texts
        assert here.seqs == list(range(1, len(here.seqs) + 1))
        assert here.statuses[-1] == "confirmed"
    wait_until(lambda: sum(map(len, fleet.moves())) >= ORDERS)
    moves = fleet.moves()
    assert len(moves) == WORKERS
    assert min(sum(each.values()) for each in moves) >= ORDERS // 4, "a worker stands by"
    shared = [order_id for order_id in order_ids if sum(order_id in each for each in moves) > 1]
    assert shared, "an order goes on in whichever worker is free"
    assert Counter(executions(stack_database).values()) == {1: ORDERS}


def test_either_web_process_tells_the_same_figures_of_all_workers(fleet: Fleet) -> None:
    def told() -> list[float]:
        names = (
            'orderengine_orders_ended_total{reason="",status="confirmed"}',
            'orderengine_order_seconds_count{status="confirmed"}',
        )
        return [told_by(web).get(name, 0.0) for web in fleet.web for name in names]

    wait_until(lambda: told() == [ORDERS] * 4)


def test_a_worker_is_replaced_without_a_client_noticing(fleet: Fleet, stack: Stack) -> None:
    order_ids = stack.post_many(12)
    with fleet.web[1].following(order_ids) as following:
        fleet.more[0].kill("worker", signal.SIGTERM)
        fleet.more[0].wait("worker")
    assert {each.result().statuses[-1] for each in following} == {"confirmed"}
    assert all(each.result().code == 1000 for each in following)
