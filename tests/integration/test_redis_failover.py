"""Each kind of Redis client, when another server becomes the primary behind its address."""

from collections.abc import Callable
from uuid import uuid4

import pytest
import redis

from harness.waiting import wait_until
from orderengine.bootstrap.probes import SystemProbes
from orderengine.dispatch.app import create_celery
from orderengine.dispatch.dispatcher import CeleryDispatcher
from orderengine.domain.errors import DispatchUnavailable
from orderengine.domain.moves import RoutingCause
from orderengine.execution.intake.limits import MemoryRates
from orderengine.execution.operations.counters import CounterName, ProcessMetrics, Sample
from orderengine.postgres.database import create_database_engine
from orderengine.redis.breaker import Breaker
from orderengine.redis.client import Client, create_client
from orderengine.redis.errors import RedisCause
from orderengine.redis.facts import redis_facts
from orderengine.stream.counts import CountsFlusher, RedisCounts
from orderengine.stream.heartbeat import Heartbeat
from orderengine.stream.messages import rate_key
from orderengine.stream.rates import RedisRates
from tests.integration.failovers import (
    FAIL_OVERS,
    PATIENT_S,
    FailOver,
    Moving,
    client,
    moving,
    primary,
)

__all__ = ["client", "moving", "primary"]

NO_DATABASE = "postgresql+psycopg2://nobody@127.0.0.1:1/nothing"


def works(act: Callable[[], object]) -> bool:
    """Whether it does not raise; a cut connection makes one command fail."""
    try:
        act()
    except (redis.ConnectionError, DispatchUnavailable):
        return False
    return True


def a_dispatcher(url: str) -> CeleryDispatcher:
    return CeleryDispatcher(create_celery(url, timeout_s=PATIENT_S), Breaker(0.0))


def test_no_order_waits_for_recovery_after_a_planned_fail_over(
    moving: Moving, primary: Callable[[], redis.Redis]
) -> None:
    dispatcher = a_dispatcher(moving.url)
    dispatcher.route(uuid4(), 1, RoutingCause.ORDER)
    moving.fail_over()
    dispatcher.route(uuid4(), 1, RoutingCause.ORDER)
    assert primary().llen("intake") == 2


def test_no_batch_waits_for_recovery_after_a_planned_fail_over(
    moving: Moving, primary: Callable[[], redis.Redis]
) -> None:
    dispatcher = a_dispatcher(moving.url)
    dispatcher.route_all({uuid4(): 1, uuid4(): 1}, RoutingCause.ORDER)
    moving.fail_over()
    dispatcher.route_all({uuid4(): 1, uuid4(): 1}, RoutingCause.ORDER)
    assert primary().llen("intake") == 4


@FAIL_OVERS
def test_the_dispatcher_finds_the_new_primary(
    moving: Moving, primary: Callable[[], redis.Redis], fail_over: FailOver
) -> None:
    dispatcher = a_dispatcher(moving.url)
    dispatcher.ping()
    fail_over(moving)
    wait_until(lambda: works(dispatcher.ping))
    dispatcher.route(uuid4(), 1, RoutingCause.ORDER)
    assert primary().llen("intake") == 1


def test_recovery_looks_into_the_queues_of_the_new_primary(
    moving: Moving, primary: Callable[[], redis.Redis]
) -> None:
    """The old primary keeps the message for ever."""
    dispatcher, order_id, old = a_dispatcher(moving.url), uuid4(), moving.pair.primary
    dispatcher.route(order_id, 1, RoutingCause.ORDER)
    assert dispatcher.waiting({order_id: 1}) == {order_id}
    moving.fail_over()
    moving.pair.client(old).replicaof("127.0.0.1", "1")
    primary().flushall()
    dispatcher.ping()
    assert dispatcher.waiting({order_id: 1}) == set()


def test_a_replica_behind_the_address_is_named(moving: Moving) -> None:
    dispatcher = a_dispatcher(moving.url)
    dispatcher.ping()
    moving.pair.demote()
    with pytest.raises(DispatchUnavailable) as raised:
        dispatcher.ping()
    assert raised.value.cause == RedisCause.READ_ONLY_REPLICA


@FAIL_OVERS
def test_readiness_misses_nothing_after_a_fail_over(
    moving: Moving, client: Client, fail_over: FailOver
) -> None:
    heartbeat = Heartbeat(client)
    database = create_database_engine(NO_DATABASE, pool_size=1, application="tests")
    probes = SystemProbes(database, a_dispatcher(moving.url), heartbeat, lambda: None)
    heartbeat.beat()
    assert probes.degraded() == {}
    fail_over(moving)

    def is_well() -> bool:
        heartbeat.beat()
        return probes.degraded() == {}

    wait_until(is_well)


def test_readiness_names_a_replica_behind_the_address(moving: Moving, client: Client) -> None:
    database = create_database_engine(NO_DATABASE, pool_size=1, application="tests")
    probes = SystemProbes(database, a_dispatcher(moving.url), Heartbeat(client), lambda: None)
    moving.pair.demote()
    assert probes.degraded() == {"redis": "read_only_replica", "worker": "unknown"}


@FAIL_OVERS
def test_a_heart_beats_on(
    moving: Moving, client: Client, primary: Callable[[], redis.Redis], fail_over: FailOver
) -> None:
    heartbeat = Heartbeat(client)
    assert heartbeat.beat()
    fail_over(moving)
    primary().flushall()
    wait_until(heartbeat.beat)
    assert primary().exists("orderengine:worker:heartbeat")


@FAIL_OVERS
def test_counts_go_on(
    moving: Moving, client: Client, primary: Callable[[], redis.Redis], fail_over: FailOver
) -> None:
    metrics = ProcessMetrics()
    flusher, counts = CountsFlusher(client, metrics), RedisCounts(client, Breaker(0.0))
    metrics.count(CounterName.ACCEPTED)
    flusher.flush()
    assert counts.read() == {Sample(CounterName.ACCEPTED): 1}
    fail_over(moving)

    def counted() -> int:
        flusher.flush()
        return len(primary().hgetall("orderengine:counts"))

    primary().flushall()
    metrics.count(CounterName.ACCEPTED)
    wait_until(lambda: counted() == 1)


@FAIL_OVERS
def test_rates_are_counted_for_all_again(
    moving: Moving, client: Client, primary: Callable[[], redis.Redis], fail_over: FailOver
) -> None:
    rates = RedisRates(client, Breaker(0.0), MemoryRates())
    rates.count("before")
    fail_over(moving)

    def is_counted_there() -> bool:
        rates.count("after")
        return bool(primary().exists(rate_key("after")))

    wait_until(is_counted_there)


@pytest.fixture
def cut_off(moving: Moving, client: Client) -> Client:
    """A client that only reads, connected to an old primary that no longer replicates."""
    old = moving.pair.primary
    client.ping()
    moving.fail_over()
    moving.pair.client(old).replicaof("127.0.0.1", "1")
    return client


def test_whoever_only_reads_sees_the_heart_that_beats_at_the_new_primary(
    moving: Moving, cut_off: Client
) -> None:
    with create_client(moving.url, PATIENT_S) as of_worker:
        assert Heartbeat(of_worker).beat()
    assert Heartbeat(cut_off).is_alive()


def test_the_counts_and_queues_of_the_new_primary_are_told(
    cut_off: Client, primary: Callable[[], redis.Redis]
) -> None:
    counts = RedisCounts(cut_off, Breaker(0.0), ("intake",))
    primary().lpush("intake", "message")
    assert counts.queued() == {"intake": 1}
    primary().hset("orderengine:counts", "accepted:", 1)
    assert counts.read() == {Sample(CounterName.ACCEPTED): 1}


def test_all_idle_connections_to_the_old_primary_are_left_at_once(
    moving: Moving, client: Client
) -> None:
    old = moving.pair.primary
    pool = client.connection_pool
    lent = [pool.get_connection() for _ in range(3)]
    for connection in lent[:2]:
        pool.release(connection)
    moving.fail_over()
    client.set("key", "1")
    pool.release(lent[2])
    with moving.pair.client(old) as seen:
        wait_until(lambda: len(seen.client_list(_type="normal")) == 1)


def test_what_a_server_says_of_itself_is_asked_at_the_new_one(
    moving: Moving, client: Client
) -> None:
    assert redis_facts(client) is not RedisCause.NO_ANSWER
    moving.lose_primary()
    wait_until(lambda: redis_facts(client) is not RedisCause.NO_ANSWER)
