"""Assembles a web process from its settings."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple, Self

from sqlalchemy import Engine as DatabaseEngine

from orderengine.bootstrap.common import (
    LEAST_WEB_CONNECTIONS,
    SKIP_REDIS_S,
    WEB_CONNECTIONS,
    load_instruments,
    metered_dispatcher,
    recovery_delays,
)
from orderengine.bootstrap.network import quote_board, trading_of
from orderengine.bootstrap.probes import SystemProbes
from orderengine.config.settings import ArmedPoint, Settings
from orderengine.dispatch.app import EngineCelery, create_celery
from orderengine.domain.instruments import Instruments
from orderengine.execution.intake.batch import Batches
from orderengine.execution.intake.daily import DailyLimit
from orderengine.execution.intake.keys import (
    Authenticator,
    KeyAuthenticator,
    Keys,
    OpenAuthenticator,
)
from orderengine.execution.intake.limits import (
    Limits,
    MemoryRates,
    OrderLimit,
    QueueLimit,
    Rates,
)
from orderengine.execution.intake.notional import NotionalLimit
from orderengine.execution.intake.starting import BackgroundStarter, DirectStarter, Starter
from orderengine.execution.operations.counters import ProcessMetrics
from orderengine.execution.operations.figures import Monitor
from orderengine.execution.operations.halting import Halts
from orderengine.execution.ports import (
    Clock,
    Dispatcher,
    EventPublisher,
    OrderCache,
    Orders,
    Probes,
    QuoteBoard,
)
from orderengine.execution.queries.lists import OrderLists
from orderengine.postgres.database import create_database_engine
from orderengine.redis.breaker import Breaker
from orderengine.redis.check import look
from orderengine.redis.client import Client, create_client
from orderengine.redis.queues import INTAKE, SETTLE
from orderengine.storage.batches import SqlBatches
from orderengine.storage.clients import SqlClientOrders
from orderengine.storage.clock import DatabaseClock
from orderengine.storage.daily import SqlDays
from orderengine.storage.figures import SqlFigures
from orderengine.storage.halts import SqlHalts
from orderengine.storage.keys import SqlKeys
from orderengine.storage.orders import SqlOrders
from orderengine.storage.shared import SharingOrders
from orderengine.stream.cache import RedisOrderCache
from orderengine.stream.counts import RedisCounts
from orderengine.stream.heartbeat import Heartbeat
from orderengine.stream.hub import Hub
from orderengine.stream.publisher import RedisEventPublisher
from orderengine.stream.rates import RedisRates

WEB_REDIS_TIMEOUT_S = 0.2
WEB_READING_TIMEOUT_S = 0.5
WEB_QUOTERS = 16


@dataclass(frozen=True, slots=True)
class WebPorts:
    """The ports of a web process."""

    instruments: Instruments
    orders: Orders
    lists: OrderLists
    cache: OrderCache
    publisher: EventPublisher
    starter: Starter
    board: QuoteBoard
    hub: Hub
    probes: Probes
    monitor: Monitor
    metrics: ProcessMetrics
    max_sockets: int
    keys: Keys
    authenticator: Authenticator
    limits: Limits
    batches: Batches
    open_orders: OrderLimit
    waiting_orders: OrderLimit
    queue_limit: QueueLimit
    notional: NotionalLimit
    daily: DailyLimit
    clock: Clock
    halts: Halts
    rates: Rates
    allowed_origins: frozenset[str]
    proxy_hops: int
    known_hosts: frozenset[str] | None = None
    """The host names that a request may use besides this machine's own; None allows any."""
    network: str = "simulated"
    """The network of the orders: `simulated`, `solana`, or `dry_run` if nothing is signed."""
    placed_on: Callable[[], str | None] = lambda: None
    """The name that is stored with new orders; see `Trading.placed_on`."""


@dataclass(frozen=True, slots=True)
class _Shared:
    """What several ports of a web process use."""

    database: DatabaseEngine
    read_engine: DatabaseEngine
    celery: EngineCelery
    client: Client
    breaker: Breaker
    metrics: ProcessMetrics
    orders: SqlOrders
    counts: RedisCounts
    dispatcher: Dispatcher
    publisher: EventPublisher

    @classmethod
    def of(cls, settings: Settings) -> Self:
        database, read_engine = _databases(settings)
        celery = create_celery(settings.redis_url, timeout_s=WEB_REDIS_TIMEOUT_S)
        client = create_client(settings.redis_url, WEB_REDIS_TIMEOUT_S)
        breaker, metrics = Breaker(SKIP_REDIS_S), ProcessMetrics()
        return cls(
            database,
            read_engine,
            celery,
            client,
            breaker,
            metrics,
            SharingOrders(database, read_engine, recovery_delays(settings)),
            RedisCounts(client, breaker, (SETTLE, INTAKE)),
            metered_dispatcher(celery, breaker, metrics),
            RedisEventPublisher(client, breaker, metrics),
        )


def build_web(settings: Settings) -> WebPorts:
    """Assemble a web process; it connects only when used."""
    shared = _Shared.of(settings)
    keys, limits = SqlKeys(shared.database, shared.read_engine), _limits(settings)
    probes = _probes(settings, shared)
    clock, instruments = DatabaseClock(shared.database), load_instruments(settings)
    trading = trading_of(settings, instruments, clock, shared.metrics)
    prices = trading.prices()
    ports = WebPorts(
        instruments=instruments,
        orders=shared.orders,
        lists=SqlOrders(shared.read_engine),
        cache=RedisOrderCache(shared.client, shared.breaker),
        publisher=shared.publisher,
        starter=_starter(shared.publisher, shared.dispatcher),
        board=quote_board(trading, WEB_QUOTERS),
        hub=_hub(settings.redis_url, shared),
        probes=probes,
        monitor=_monitor(settings, shared, probes),
        metrics=shared.metrics,
        max_sockets=settings.ws_max_sockets,
        keys=keys,
        authenticator=KeyAuthenticator(keys) if settings.asks_for_keys else OpenAuthenticator(),
        limits=limits,
        batches=SqlBatches(shared.database, recovery_delays(settings)),
        open_orders=OrderLimit(shared.orders.count_open, limits.max_open_orders),
        waiting_orders=OrderLimit(shared.orders.count_waiting, limits.max_waiting_orders),
        queue_limit=QueueLimit(shared.counts.queued, settings.protection.max_queued_orders),
        notional=NotionalLimit(settings.max_order_notional, prices),
        daily=DailyLimit(settings.max_daily_notional, prices, SqlDays(shared.database)),
        clock=clock,
        halts=SqlHalts(shared.read_engine),
        rates=RedisRates(shared.client, shared.breaker, MemoryRates()),
        allowed_origins=settings.protection.allowed_origins,
        known_hosts=settings.known_hosts,
        proxy_hops=settings.protection.proxy_hops,
        network=_network(settings),
        placed_on=trading.placed_on,
    )
    return _arm_web(ports, shared.dispatcher, settings.fail_point) if settings.fail_point else ports


def _network(settings: Settings) -> str:
    if settings.solana is None:
        return "simulated"
    return "dry_run" if settings.solana.dry_run else "solana"


class WebPools(NamedTuple):
    """The connections of one web process to PostgreSQL.

    `read_size` is for lists and figures, so that readers never take a connection that accepting an
    order needs. `overflow` connections are opened beyond `size` on demand.
    """

    size: int
    overflow: int
    read_size: int

    @classmethod
    def of(cls, processes: int) -> Self:
        """The share of one of `processes` web processes behind one port."""
        share = max(WEB_CONNECTIONS // processes, LEAST_WEB_CONNECTIONS)
        read_size = share // 4
        overflow = (share - read_size) // 4
        return cls(share - read_size - overflow, overflow, read_size)


def _databases(settings: Settings) -> tuple[DatabaseEngine, DatabaseEngine]:
    """The writing connections, and those for lists and figures."""
    url, pools = settings.database_url, WebPools.of(settings.web_concurrency)
    writing = create_database_engine(
        url,
        pool_size=pools.size,
        max_overflow=pools.overflow,
        application="orderengine-web",
    )
    read_engine = create_database_engine(
        url,
        pool_size=pools.read_size,
        max_overflow=0,
        pool_timeout_s=WEB_READING_TIMEOUT_S,
        application="orderengine-web-reading",
        writes=False,
    )
    return writing, read_engine


def _hub(url: str, shared: _Shared) -> Hub:
    """The hub, which leaves its server when another Redis client met a former primary."""
    clients = (shared.celery, shared.client)
    return Hub(
        url,
        shared.orders,
        SqlClientOrders(shared.database),
        demotions=lambda: sum(each.demotions for each in clients),
        metrics=shared.metrics,
    )


def _probes(settings: Settings, shared: _Shared) -> SystemProbes:
    look_at_redis = partial(look, settings.redis_url)
    heartbeat = Heartbeat(shared.client)
    return SystemProbes(shared.database, shared.dispatcher, heartbeat, look_at_redis)


def _monitor(settings: Settings, shared: _Shared, probes: Probes) -> Monitor:
    is_live = settings.solana is not None
    figures = SqlFigures(shared.read_engine, settings.stuck_after_s, is_live=is_live)
    return Monitor(figures, shared.counts, probes, shared.metrics)


def _limits(settings: Settings) -> Limits:
    """Limits by key need keys; without keys only addresses differ, and locally not even those."""
    given = settings.protection
    if not settings.asks_for_keys:
        rate = given.rate_per_address if settings.is_reachable else 0
        return Limits(rate_per_address=rate, orders_disabled=given.orders_disabled)
    return Limits(
        rate_per_key=given.rate_per_key,
        rate_per_address=given.rate_per_address,
        max_open_orders=given.max_open_orders,
        max_waiting_orders=given.max_waiting_orders,
        max_sockets_per_client=given.max_sockets_per_client,
        orders_disabled=given.orders_disabled,
    )


def _starter(publisher: EventPublisher, dispatcher: Dispatcher) -> Starter:
    return BackgroundStarter(DirectStarter(publisher, dispatcher))


def _arm_web(ports: WebPorts, dispatcher: Dispatcher, point: ArmedPoint) -> WebPorts:
    from orderengine.faults.points import Trap
    from orderengine.faults.ports import trapped_intake
    from orderengine.faults.stores import TrappedBatches

    trap = Trap(point)
    orders, publisher, trapped = trapped_intake(ports.orders, ports.publisher, dispatcher, trap)
    batches: Batches = TrappedBatches(ports.batches, trap)
    starter = _starter(publisher, trapped)
    return replace(ports, orders=orders, batches=batches, publisher=publisher, starter=starter)
