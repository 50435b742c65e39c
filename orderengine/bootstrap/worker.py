"""Assembles a worker process from its settings."""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import uuid4

from sqlalchemy import Engine as DatabaseEngine

from orderengine.bootstrap.common import (
    SKIP_REDIS_S,
    WORKER_REDIS_TIMEOUT_S,
    load_instruments,
    metered_dispatcher,
    recovery_delays,
)
from orderengine.bootstrap.network import Trading, quote_board, trading_of
from orderengine.config.settings import ArmedPoint, Settings
from orderengine.dispatch.app import EngineCelery
from orderengine.dispatch.dispatcher import attempt_backoff
from orderengine.execution.chain.engine import Engine
from orderengine.execution.chain.slots import Pace
from orderengine.execution.intake.daily import Days
from orderengine.execution.operations.counters import ProcessMetrics
from orderengine.execution.operations.figures import OrderFigures
from orderengine.execution.waiting.watcher import PriceWatcher
from orderengine.postgres.database import create_database_engine
from orderengine.redis.breaker import Breaker
from orderengine.redis.client import create_client
from orderengine.storage.clock import DatabaseClock
from orderengine.storage.daily import SqlDays
from orderengine.storage.figures import SqlFigures
from orderengine.storage.halts import SqlHalts
from orderengine.storage.orders import SqlOrders
from orderengine.storage.triggers import SqlWaiting
from orderengine.stream.counts import CountsFlusher
from orderengine.stream.heartbeat import Heartbeat
from orderengine.stream.publisher import RedisEventPublisher

LIVE_QUICK_S = 2.0
"""A read of a live symbol that takes longer than this counts as slow."""
MOST_QUESTIONS = 64
"""Questions of the watcher to one venue at once; twice as many may wait for their turn."""


@dataclass(frozen=True, slots=True)
class WorkerPorts:
    """The ports of a worker process."""

    engine: Engine
    heartbeat: Heartbeat
    counts: CountsFlusher
    figures: OrderFigures
    watcher: PriceWatcher
    days: Days
    recovery_interval_s: float = 1.0
    watch_network: Callable[[], None] = lambda: None


def build_worker(settings: Settings, celery: EngineCelery) -> WorkerPorts:
    """Assemble a worker process around its Celery application."""
    database = _database(settings)
    client = create_client(settings.redis_url, WORKER_REDIS_TIMEOUT_S)
    breaker = Breaker(SKIP_REDIS_S)
    instruments = load_instruments(settings)
    metrics, clock = ProcessMetrics(), DatabaseClock(database)
    trading = trading_of(settings, instruments, clock, metrics)
    settlement = trading.settlement(database)
    engine = Engine(
        orders=SqlOrders(database, delays=recovery_delays(settings), home=settlement.home),
        board=quote_board(trading, settings.order_concurrency),
        network=settlement.network,
        publisher=RedisEventPublisher(client, breaker, metrics),
        dispatcher=metered_dispatcher(celery, breaker, metrics),
        instruments=instruments,
        metrics=metrics,
        clock=clock,
        max_attempts=settings.max_attempts,
        attempt_backoff_s=attempt_backoff(settings.attempt_backoff_ms),
        max_notional=settings.max_order_notional,
        max_daily_notional=settings.max_daily_notional,
        outage_limit_s=settings.solana.outage_limit_s if settings.solana else 0.0,
        pace=Pace(LIVE_QUICK_S) if settings.solana else Pace(),
        halts=SqlHalts(database),
        home=settlement.home,
    )
    if settings.fail_point:
        engine = _arm_worker(engine, settings.fail_point)
    return WorkerPorts(
        engine=engine,
        heartbeat=Heartbeat(client),
        counts=CountsFlusher(client, metrics),
        figures=SqlFigures(database, settings.stuck_after_s),
        watcher=_watcher(settings, engine, database, trading),
        days=SqlDays(database),
        recovery_interval_s=settings.recovery_interval_ms / 1000,
        watch_network=settlement.watch,
    )


def _database(settings: Settings) -> DatabaseEngine:
    """A connection for each slot, for the watcher, and for the reconciler."""
    return create_database_engine(
        settings.database_url,
        pool_size=settings.order_concurrency + 2,
        application="orderengine-worker",
    )


def _watcher(
    settings: Settings, engine: Engine, database: DatabaseEngine, trading: Trading
) -> PriceWatcher:
    """The price watcher, with a board of its own: its questions do not wait behind the orders'."""
    tick_s = settings.watch_tick_ms / 1000
    symbols = len(list(engine.instruments))
    return PriceWatcher(
        engine=engine,
        waiting=SqlWaiting(database),
        days=SqlDays(database),
        board=quote_board(trading, min(symbols, MOST_QUESTIONS), tick_s),
        references=trading.prices(),
        clock=engine.clock,
        holder=uuid4().hex,
        slots=settings.order_concurrency,
        tick_s=tick_s,
    )


def _arm_worker(engine: Engine, point: ArmedPoint) -> Engine:
    from orderengine.faults.points import Trap
    from orderengine.faults.ports import trapped_engine

    return trapped_engine(engine, Trap(point))
