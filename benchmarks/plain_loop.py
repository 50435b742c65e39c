"""Baseline (a): the engine's own stages in a loop, one order after another, in one process.

It runs the same statements, ledger and publishes, without HTTP, queue and a worker's threads.
"""

import itertools
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import cache
from uuid import UUID, uuid4

from benchmarks.client import QUANTITIES, REQUESTS, SLIPPAGE_BPS
from orderengine.bootstrap.worker import build_worker
from orderengine.config.settings import Settings
from orderengine.dispatch.app import create_celery
from orderengine.domain.moves import RoutingCause
from orderengine.domain.order import NewOrder
from orderengine.domain.side import Side
from orderengine.execution.chain import stages
from orderengine.execution.chain.confirm import PollResult, confirm_orders
from orderengine.execution.chain.engine import Engine
from orderengine.execution.chain.groups import only
from orderengine.execution.chain.handover import Built, Submitted
from orderengine.execution.intake.accept import accept_order
from orderengine.execution.intake.starting import DirectStarter
from orderengine.process.logs import configure_logging

_numbers = itertools.count()


class NoDispatcher:
    """Implements `execution.ports.Dispatcher`: the loop itself calls the stages."""

    def route(
        self,
        order_id: UUID,
        version: int,
        cause: RoutingCause,
        delay_s: float = 0.0,
        *,
        again: bool = False,
    ) -> None:
        """Do nothing."""

    def route_all(
        self,
        versions: Mapping[UUID, int],
        cause: RoutingCause,
        requests: Mapping[UUID, str | None] | None = None,
    ) -> None:
        """Do nothing."""

    def submit_all(self, groups: Sequence[Sequence[Built]]) -> None:
        """Do nothing."""

    def confirm(self, submitted: Submitted) -> None:
        """Do nothing."""

    def waiting(self, wanted: Mapping[UUID, int]) -> set[UUID]:
        """No order ever has a waiting message."""
        return wanted.keys() & set()

    def ping(self) -> None:
        """Do nothing."""


def run(environ: Mapping[str, str], count: int) -> float:
    """Execute orders from acceptance to confirmation; returns orders per second."""
    engine = _engine(tuple(environ.items()))
    started = time.perf_counter()
    for _ in range(count):
        _execute(engine)
    return count / (time.perf_counter() - started)


@cache
def _engine(environ: tuple[tuple[str, str], ...]) -> Engine:
    configure_logging("WARNING")
    settings = Settings.from_env(dict(environ))
    ports = build_worker(settings, create_celery(settings.redis_url))
    return replace(ports.engine, dispatcher=NoDispatcher())


def _execute(engine: Engine) -> None:
    symbol, side = REQUESTS[next(_numbers) % len(REQUESTS)]
    order = NewOrder(
        order_id=uuid4(),
        client_id="local",
        symbol=symbol,
        side=Side(side),
        quantity=Decimal(QUANTITIES[symbol]),
        slippage_tolerance_bps=SLIPPAGE_BPS,
    )
    starter = DirectStarter(engine.publisher, engine.dispatcher)
    accepted = accept_order(engine.orders, starter, order).order
    new = (accepted.order_id, accepted.version, RoutingCause.ORDER)
    routed = only(stages.route_orders(engine, [stages.start_routing(engine, *new)]))
    built = only(stages.build_orders(engine, [routed]))
    submitted = only(stages.submit_orders(engine, [built]))
    while only(confirm_orders(engine, [submitted])) is not PollResult.CONFIRMED:
        pass
