"""Whether the broker takes messages, and the cause if it does not."""

from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
import redis
from structlog.testing import capture_logs

from harness.waiting import wait_until
from orderengine.config.settings import BROKER_VARIABLES, GONE, Settings
from orderengine.dispatch.app import create_celery
from orderengine.dispatch.dispatcher import CeleryDispatcher
from orderengine.domain.errors import DispatchUnavailable
from orderengine.domain.moves import RoutingCause
from orderengine.local.redis_server import EmbeddedRedis
from orderengine.process.logs import tell_ignored
from orderengine.redis.breaker import Breaker
from orderengine.redis.errors import RedisCause

PATIENT_S = 5.0
NOWHERE = "redis://127.0.0.1:1/0"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedRedis]:
    """A server for one test."""
    with EmbeddedRedis(tmp_path / "redis", durable=False) as server:
        yield server
        server.kill()  # one that cannot save would not stop


@pytest.fixture
def admin(server: EmbeddedRedis) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(server.url) as client:
        yield client


def a_dispatcher(url: str) -> CeleryDispatcher:
    app = create_celery(url, timeout_s=PATIENT_S)
    return CeleryDispatcher(app, Breaker(0.0))


def cause(dispatcher: CeleryDispatcher) -> str | None:
    """Why the broker takes no messages; None if it does."""
    try:
        dispatcher.ping()
    except DispatchUnavailable as error:
        return error.cause
    return None


def fill_memory(admin: redis.Redis, _server: EmbeddedRedis) -> None:
    admin.config_set("maxmemory", 1)


def ask_for_replicas(admin: redis.Redis, _server: EmbeddedRedis) -> None:
    admin.config_set("min-replicas-to-write", 1)


def demote(admin: redis.Redis, _server: EmbeddedRedis) -> None:
    admin.replicaof("127.0.0.1", "1")


def fail_to_save(admin: redis.Redis, server: EmbeddedRedis) -> None:
    """Make saving fail: a folder is in the place of its file."""
    (server.data_dir / "dump.rdb" / "in the way").mkdir(parents=True)
    admin.config_set("save", "3600 1")
    admin.bgsave()
    wait_until(lambda: admin.info("persistence")["rdb_last_bgsave_status"] == "err")


def take_the_queues_away(admin: redis.Redis, _server: EmbeddedRedis) -> None:
    admin.execute_command("ACL", "SETUSER", "default", "resetkeys", "~orderengine:*")  # type: ignore[no-untyped-call]


def take_a_command_away(admin: redis.Redis, _server: EmbeddedRedis) -> None:
    admin.execute_command("ACL", "SETUSER", "default", "-lpush")  # type: ignore[no-untyped-call]


@pytest.mark.parametrize(
    ("break_it", "named"),
    [
        (fill_memory, RedisCause.OUT_OF_MEMORY),
        (ask_for_replicas, RedisCause.TOO_FEW_REPLICAS),
        (demote, RedisCause.READ_ONLY_REPLICA),
        (fail_to_save, RedisCause.DISK_FULL),
        (take_the_queues_away, RedisCause.NO_RIGHTS),
        (take_a_command_away, RedisCause.NO_RIGHTS),
    ],
)
def test_a_broker_that_takes_no_messages_is_named_with_its_cause(
    server: EmbeddedRedis,
    admin: redis.Redis,
    break_it: Callable[[redis.Redis, EmbeddedRedis], None],
    named: RedisCause,
) -> None:
    dispatcher = a_dispatcher(server.url)
    assert cause(dispatcher) is None
    break_it(admin, server)
    assert cause(dispatcher) == named
    for count in (1, 3):
        with pytest.raises(DispatchUnavailable) as refused:
            dispatcher.route_all({uuid4(): 1 for _ in range(count)}, RoutingCause.ORDER)
        assert refused.value.cause == named
    with pytest.raises(DispatchUnavailable) as refused:
        dispatcher.route(uuid4(), 1, RoutingCause.ORDER)
    assert refused.value.cause == named


@pytest.mark.parametrize(
    ("url", "named"),
    [
        (lambda server: NOWHERE, RedisCause.NO_ANSWER),
        (lambda server: f"redis://:wrong@127.0.0.1:{server.port}/0", RedisCause.NO_ACCESS),
        (lambda server: f"redis://127.0.0.1:{server.port}/0", RedisCause.NO_ACCESS),
    ],
)
def test_a_broker_that_lets_nobody_in_is_named_with_its_cause(
    server: EmbeddedRedis, url: Callable[[EmbeddedRedis], str], named: RedisCause
) -> None:
    assert cause(a_dispatcher(url(server))) == named


def test_a_look_at_the_broker_leaves_nothing_there(
    server: EmbeddedRedis, admin: redis.Redis
) -> None:
    a_dispatcher(server.url).ping()
    assert admin.keys("orderengine:*") == []
    assert [admin.llen(name) for name in ("settle", "intake")] == [0, 0]


@pytest.mark.parametrize("variable", BROKER_VARIABLES)
def test_celerys_own_variables_lead_nowhere_else(
    server: EmbeddedRedis,
    admin: redis.Redis,
    variable: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(variable, NOWHERE)
    dispatcher = a_dispatcher(server.url)
    assert cause(dispatcher) is None
    dispatcher.route(uuid4(), 1, RoutingCause.ORDER)
    assert admin.llen("intake") == 1
    app = create_celery(server.url)
    for connection in (app.connection(), app.connection_for_read(), app.connection_for_write()):
        assert f":{server.port}/" in connection.as_uri()


@pytest.mark.parametrize("variable", [*BROKER_VARIABLES, *GONE])
def test_a_variable_that_is_ignored_is_told(variable: str) -> None:
    urls = {"DATABASE_URL": "postgresql://h/db", "REDIS_URL": "redis://h"}
    assert Settings.from_env({**urls, variable: NOWHERE}).ignored == (variable,)
    with capture_logs() as lines:
        tell_ignored([variable])
    assert [line["variable"] for line in lines] == [variable]
    assert ("broker" in lines[0]) == (variable in BROKER_VARIABLES)
    assert Settings.from_env(urls).ignored == ()


def test_a_message_goes_to_a_server_that_is_a_primary_again(
    server: EmbeddedRedis, admin: redis.Redis
) -> None:
    app = create_celery(server.url, timeout_s=PATIENT_S)
    dispatcher = CeleryDispatcher(app, Breaker(0.0))
    dispatcher.route(uuid4(), 1, RoutingCause.ORDER)
    assert app.demotions == 0
    before = {each["id"] for each in admin.client_list()}
    demote(admin, server)
    with pytest.raises(DispatchUnavailable):
        dispatcher.route(uuid4(), 1, RoutingCause.ORDER)
    assert app.demotions > 0
    admin.replicaof("NO", "ONE")
    dispatcher.route(uuid4(), 1, RoutingCause.ORDER)
    assert admin.llen("intake") == 2
    assert before - {each["id"] for each in admin.client_list()}, "it keeps its connections"


def test_any_other_refusal_is_told_as_one(server: EmbeddedRedis, admin: redis.Redis) -> None:
    admin.set("orderengine:broker:probe", "no list")
    assert cause(a_dispatcher(server.url)) == RedisCause.REFUSED


def test_the_release_before_can_look_at_the_same_server(
    server: EmbeddedRedis, admin: redis.Redis
) -> None:
    """Workers of the previous release set this key to a string each second."""
    admin.set("orderengine:probe", 1)
    assert cause(a_dispatcher(server.url)) is None
