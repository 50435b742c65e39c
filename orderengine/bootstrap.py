"""The composition root: settings in, the ports of a web or worker process out."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple, Self

from sqlalchemy import Engine as DatabaseEngine

from orderengine.config import ArmedPoint, Settings, Simulation
from orderengine.database import create_database_engine
from orderengine.dispatch.app import LeanCelery, create_celery
from orderengine.dispatch.dispatcher import CeleryDispatcher, retry_backoff
from orderengine.dispatch.names import INTAKE, SETTLE
from orderengine.domain.instruments import Instruments, parse_instruments
from orderengine.execution.access import Gate, KeyGate, Keys, OpenGate
from orderengine.execution.archive import Archive, Witness
from orderengine.execution.engine import Engine
from orderengine.execution.limits import Limits, MemoryRates, OpenOrderLimit, QueueLimit, Rates
from orderengine.execution.meter import MeteredDispatcher, Tally
from orderengine.execution.notional import NotionalLimit
from orderengine.execution.ports import (
    Clock,
    Dispatcher,
    EventPublisher,
    OrderCache,
    OrderLists,
    Orders,
    Probes,
    QuoteBoard,
)
from orderengine.execution.watch import OrderFigures, Watch
from orderengine.probes import SystemProbes
from orderengine.redis_errors import RedisCause
from orderengine.settlement.ledger import Ledger
from orderengine.settlement.simulated import SimulatedNetwork
from orderengine.storage.archive import SqlArchive
from orderengine.storage.clients import SqlClientOrders
from orderengine.storage.clock import DatabaseClock
from orderengine.storage.figures import SqlFigures
from orderengine.storage.keys import SqlKeys
from orderengine.storage.orders import SqlOrders
from orderengine.storage.probe import Room, connection_room
from orderengine.stream.breaker import Breaker
from orderengine.stream.cache import RedisOrderCache
from orderengine.stream.client import create_client
from orderengine.stream.counts import CountsFlusher, RedisCounts
from orderengine.stream.facts import RedisFacts, redis_facts
from orderengine.stream.heartbeat import Heartbeat
from orderengine.stream.hub import Hub
from orderengine.stream.publisher import RedisEventPublisher
from orderengine.stream.rates import RedisRates
from orderengine.venues.board import ConcurrentQuoteBoard
from orderengine.venues.meteora import Meteora
from orderengine.venues.raydium import Raydium
from orderengine.venues.reference import SimulatedPrices

WEB_REDIS_TIMEOUT_S = 0.2
WORKER_REDIS_TIMEOUT_S = 1.0
WEB_CONNECTIONS = 16
"""To PostgreSQL, from all web processes behind one port together."""
LEAST_WEB_CONNECTIONS = 4
"""From one of them, however many there are."""
WEB_READING_TIMEOUT_S = 0.5
WEB_QUOTERS = 16
SKIP_REDIS_S = 1.0
QUOTE_TIMEOUT_S = 1.0


@dataclass(frozen=True, slots=True)
class WebPorts:
    """What a web process works with."""

    instruments: Instruments
    orders: Orders
    lists: OrderLists
    cache: OrderCache
    publisher: EventPublisher
    dispatcher: Dispatcher
    board: QuoteBoard
    hub: Hub
    probes: Probes
    watch: Watch
    meter: Tally
    max_sockets: int
    keys: Keys
    gate: Gate
    limits: Limits
    open_orders: OpenOrderLimit
    queue_limit: QueueLimit
    notional: NotionalLimit
    rates: Rates
    allowed_origins: frozenset[str]
    proxy_hops: int
    known_hosts: frozenset[str] | None = None
    """The names that a request may ask for beside this machine's own; None is any."""


@dataclass(frozen=True, slots=True)
class WorkerPorts:
    """What a worker process works with."""

    engine: Engine
    heartbeat: Heartbeat
    counts: CountsFlusher
    figures: OrderFigures


def build_web(settings: Settings) -> WebPorts:
    """Assemble a web process; nothing connects before it is used."""
    pools = WebPools.of(settings.web_concurrency)
    database = _web_database(settings.database_url, pools)
    reading = _reading_database(settings.database_url, pools)
    orders = SqlOrders(database, reading)
    keys = SqlKeys(database, reading)
    limits = _limits(settings)
    client = create_client(settings.redis_url, WEB_REDIS_TIMEOUT_S)
    breaker = Breaker(SKIP_REDIS_S)
    celery = create_celery(settings.redis_url, timeout_s=WEB_REDIS_TIMEOUT_S)
    heartbeat = Heartbeat(client)
    tally = Tally()
    dispatcher = _dispatcher(celery, breaker, tally)
    publisher = RedisEventPublisher(client, breaker, tally)
    probes = SystemProbes(database, dispatcher, heartbeat)
    shared = RedisCounts(client, breaker, (SETTLE, INTAKE))
    clock = DatabaseClock(database)
    prices = SimulatedPrices(settings.simulation.seed, clock)
    ports = WebPorts(
        instruments=load_instruments(settings),
        orders=orders,
        lists=SqlOrders(reading),
        cache=RedisOrderCache(client, breaker),
        publisher=publisher,
        dispatcher=dispatcher,
        board=_board(settings.simulation, clock, WEB_QUOTERS),
        hub=Hub(
            settings.redis_url,
            orders,
            SqlClientOrders(database),
            demotions=lambda: celery.demotions + publisher.demotions + client.demotions,
            meter=tally,
        ),
        probes=probes,
        watch=Watch(SqlFigures(reading, settings.stuck_after_s), shared, probes, tally),
        meter=tally,
        max_sockets=settings.ws_max_sockets,
        keys=keys,
        gate=KeyGate(keys) if settings.asks_for_keys else OpenGate(),
        limits=limits,
        open_orders=OpenOrderLimit(orders, limits.max_open_orders),
        queue_limit=QueueLimit(shared.queued, settings.protection.max_queued_orders),
        notional=NotionalLimit(settings.max_order_notional, prices),
        rates=RedisRates(client, breaker, MemoryRates()),
        allowed_origins=settings.protection.allowed_origins,
        known_hosts=settings.known_hosts,
        proxy_hops=settings.protection.proxy_hops,
    )
    return _arm_web(ports, settings.fail_point) if settings.fail_point else ports


class WebPools(NamedTuple):
    """The connections of one web process to PostgreSQL.

    `reading` is for lists and figures: no number of readers takes a connection that accepting an
    order needs. `overflow` comes on top of `size` at times.
    """

    size: int
    overflow: int
    reading: int

    @classmethod
    def of(cls, processes: int) -> Self:
        """The share of one of so many web processes behind one port."""
        share = max(WEB_CONNECTIONS // processes, LEAST_WEB_CONNECTIONS)
        reading = share // 4
        overflow = (share - reading) // 4
        return cls(share - reading - overflow, overflow, reading)


def _web_database(url: str, pools: WebPools) -> DatabaseEngine:
    return create_database_engine(
        url,
        pool_size=pools.size,
        max_overflow=pools.overflow,
        application="orderengine-web",
    )


def _reading_database(url: str, pools: WebPools) -> DatabaseEngine:
    return create_database_engine(
        url,
        pool_size=pools.reading,
        max_overflow=0,
        pool_timeout_s=WEB_READING_TIMEOUT_S,
        application="orderengine-web-reading",
        writes=False,
    )


def build_worker(settings: Settings, celery: LeanCelery) -> WorkerPorts:
    """Assemble a worker process around its Celery application."""
    concurrency = settings.order_concurrency
    database = create_database_engine(
        settings.database_url, pool_size=concurrency + 2, application="orderengine-worker"
    )
    client = create_client(settings.redis_url, WORKER_REDIS_TIMEOUT_S)
    breaker = Breaker(SKIP_REDIS_S)
    instruments = load_instruments(settings)
    tally = Tally()
    engine = Engine(
        orders=SqlOrders(database),
        board=_board(settings.simulation, DatabaseClock(database), concurrency),
        network=SimulatedNetwork(database, instruments, settings.simulation),
        publisher=RedisEventPublisher(client, breaker, tally),
        dispatcher=_dispatcher(celery, breaker, tally),
        instruments=instruments,
        meter=tally,
        max_attempts=settings.max_attempts,
        backoff_s=retry_backoff(settings.retry_backoff_ms),
        max_notional=settings.max_order_notional,
    )
    if settings.fail_point:
        engine = _arm_worker(engine, settings.fail_point)
    return WorkerPorts(
        engine=engine,
        heartbeat=Heartbeat(client),
        counts=CountsFlusher(client, tally),
        figures=SqlFigures(database, settings.stuck_after_s),
    )


def build_keys(database_url: str) -> Keys:
    """The store of keys alone, for whoever manages them."""
    return SqlKeys(create_database_engine(database_url, pool_size=1, application="orderengine-cli"))


def _limits(settings: Settings) -> Limits:
    """Where no key is asked for only addresses can be told apart, and at home not even those."""
    given = settings.protection
    if not settings.asks_for_keys:
        rate = given.rate_per_address if settings.is_reachable else 0
        return Limits(rate_per_address=rate, orders_disabled=given.orders_disabled)
    return Limits(
        rate_per_key=given.rate_per_key,
        rate_per_address=given.rate_per_address,
        max_open_orders=given.max_open_orders,
        max_sockets_per_client=given.max_sockets_per_client,
        orders_disabled=given.orders_disabled,
    )


@dataclass(frozen=True, slots=True)
class OperatorPorts:
    """What an operator's command works with; `stuck_after_s` is the setting.

    `connections_wanted` are those of one web service, one worker and this command.
    """

    orders: Orders
    archive: Archive
    witness: Witness
    probes: Probes
    redis_facts: Callable[[], RedisFacts | RedisCause]
    connection_room: Callable[[], Room | None]
    connections_wanted: int
    stuck_after_s: int


def build_operator(settings: Settings) -> OperatorPorts:
    """Assemble an operator's command; nothing connects before it is used."""
    database = create_database_engine(
        settings.database_url, pool_size=1, application="orderengine-cli"
    )
    client = create_client(settings.redis_url, WORKER_REDIS_TIMEOUT_S)
    celery = create_celery(settings.redis_url, timeout_s=WORKER_REDIS_TIMEOUT_S)
    dispatcher = CeleryDispatcher(celery, Breaker(SKIP_REDIS_S))
    return OperatorPorts(
        orders=SqlOrders(database),
        archive=SqlArchive(database),
        witness=Ledger(database, settings.simulation.block_ms),
        probes=SystemProbes(database, dispatcher, Heartbeat(client)),
        redis_facts=lambda: redis_facts(client),
        connection_room=lambda: connection_room(database),
        connections_wanted=_connections_wanted(settings),
        stuck_after_s=settings.stuck_after_s,
    )


def _connections_wanted(settings: Settings) -> int:
    """Those of all web processes behind one port, one worker and a command."""
    of_web = max(WEB_CONNECTIONS, LEAST_WEB_CONNECTIONS * settings.web_concurrency)
    return of_web + 2 * (settings.order_concurrency + 2) + 1


def load_instruments(settings: Settings) -> Instruments:
    """Read the instrument file; raises OSError or ValueError naming what is wrong with it."""
    return parse_instruments(settings.instruments_file.read_text("utf-8"))


def _dispatcher(celery: LeanCelery, breaker: Breaker, tally: Tally) -> MeteredDispatcher:
    return MeteredDispatcher(CeleryDispatcher(celery, breaker), tally)


def _board(simulation: Simulation, clock: Clock, callers: int) -> QuoteBoard:
    venues = (Raydium(simulation, clock), Meteora(simulation, clock))
    return ConcurrentQuoteBoard(venues, timeout_s=QUOTE_TIMEOUT_S, max_workers=callers)


def _arm_web(ports: WebPorts, point: ArmedPoint) -> WebPorts:
    from orderengine.faults.points import Trap
    from orderengine.faults.ports import trapped_intake

    orders, publisher, dispatcher = trapped_intake(
        ports.orders, ports.publisher, ports.dispatcher, Trap(point)
    )
    return replace(ports, orders=orders, publisher=publisher, dispatcher=dispatcher)


def _arm_worker(engine: Engine, point: ArmedPoint) -> Engine:
    from orderengine.faults.points import Trap
    from orderengine.faults.ports import trapped_engine

    return trapped_engine(engine, Trap(point))
