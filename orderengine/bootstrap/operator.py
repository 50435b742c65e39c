"""Assembles an operator's command from its settings."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from orderengine.bootstrap.common import (
    LEAST_WEB_CONNECTIONS,
    SKIP_REDIS_S,
    WEB_CONNECTIONS,
    WORKER_REDIS_TIMEOUT_S,
)
from orderengine.bootstrap.probes import SystemProbes
from orderengine.config.settings import Settings
from orderengine.dispatch.app import create_celery
from orderengine.dispatch.dispatcher import CeleryDispatcher
from orderengine.execution.intake.keys import Keys
from orderengine.execution.operations.archive import Archive, Witness
from orderengine.execution.operations.halting import Halts
from orderengine.execution.ports import Orders, Probes
from orderengine.postgres.database import create_database_engine
from orderengine.redis.breaker import Breaker
from orderengine.redis.check import Trouble, look
from orderengine.redis.client import create_client
from orderengine.redis.errors import RedisCause
from orderengine.redis.facts import RedisFacts, redis_facts
from orderengine.settlement.ledger import Ledger
from orderengine.storage.archive import SqlArchive
from orderengine.storage.figures import SqlFigures
from orderengine.storage.halts import SqlHalts
from orderengine.storage.keys import SqlKeys
from orderengine.storage.orders import SqlOrders
from orderengine.storage.probe import ConnectionLimit, connection_limit
from orderengine.storage.second_looks import SqlSecondLooks
from orderengine.stream.heartbeat import Heartbeat


@dataclass(frozen=True, slots=True)
class OperatorPorts:
    """The ports of an operator's command; `stuck_after_s` is a setting.

    `connections_wanted` counts the connections of one web service, one worker and this command;
    `unknown` are those of some transactions that no order has had.
    """

    orders: Orders
    archive: Archive
    halts: Halts
    witness: Witness
    probes: Probes
    redis_trouble: Callable[[], Trouble | None]
    redis_facts: Callable[[], RedisFacts | RedisCause]
    connection_limit: Callable[[], ConnectionLimit | None]
    foreign_orders: Callable[[], Mapping[tuple[str, str], int]]
    unknown: Callable[[Sequence[str]], Collection[str]]
    connections_wanted: int
    stuck_after_s: int


def build_operator(settings: Settings) -> OperatorPorts:
    """Assemble an operator's command; it connects only when used."""
    database = create_database_engine(
        settings.database_url, pool_size=1, application="orderengine-cli"
    )
    client = create_client(settings.redis_url, WORKER_REDIS_TIMEOUT_S)
    celery = create_celery(settings.redis_url, timeout_s=WORKER_REDIS_TIMEOUT_S)
    dispatcher = CeleryDispatcher(celery, Breaker(SKIP_REDIS_S))
    trouble = partial(look, settings.redis_url)
    is_live = settings.solana is not None
    figures = SqlFigures(database, settings.stuck_after_s, is_live=is_live)
    return OperatorPorts(
        orders=SqlOrders(database),
        archive=SqlArchive(database),
        halts=SqlHalts(database),
        witness=Ledger(database, settings.simulation.block_ms),
        probes=SystemProbes(database, dispatcher, Heartbeat(client), trouble),
        redis_trouble=trouble,
        redis_facts=lambda: redis_facts(client),
        connection_limit=lambda: connection_limit(database),
        foreign_orders=lambda: figures.open_orders().foreign,
        unknown=SqlSecondLooks(database).unknown,
        connections_wanted=_connections_wanted(settings),
        stuck_after_s=settings.stuck_after_s,
    )


def _connections_wanted(settings: Settings) -> int:
    """The connections of all web processes behind one port, one worker and a command."""
    of_web = max(WEB_CONNECTIONS, LEAST_WEB_CONNECTIONS * settings.web_concurrency)
    return of_web + 2 * (settings.order_concurrency + 2) + 1


def build_keys(database_url: str) -> Keys:
    """The store of keys alone, for managing keys."""
    return SqlKeys(create_database_engine(database_url, pool_size=1, application="orderengine-cli"))
