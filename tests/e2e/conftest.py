"""The stacks of the modules, each on a database of its own."""

import itertools
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from secrets import token_hex
from urllib.parse import urlsplit, urlunsplit

import pytest
import redis
from alembic.config import Config
from sqlalchemy import Engine, text

from orderengine.config.settings import sqlalchemy_url
from orderengine.local.redis_server import EmbeddedRedis
from orderengine.postgres.database import create_database_engine
from tests.conftest import migrate
from tests.e2e.shared import SHARED, name_of_shared
from tests.e2e.stack import Stack
from tests.servers import Servers

_redis_numbers = itertools.cycle(range(1, 16))


class MigratedStack(Stack):
    """A stack on a database that has its tables."""

    migrates = False


@pytest.fixture(scope="module")
def stack_environ() -> Mapping[str, str]:
    """The settings of this module's own stack, in addition to the defaults."""
    return {}


@pytest.fixture(scope="module")
def own_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedRedis]:
    """A server that the module's tests may stop and empty, where `stack_redis_url` is its URL."""
    with EmbeddedRedis(tmp_path_factory.mktemp("redis"), durable=False) as server:
        yield server


@pytest.fixture(scope="module")
def stack_redis_url(servers: Servers) -> str:
    """A database of the session's Redis, emptied for this module."""
    return next_redis_url(servers)


def next_redis_url(servers: Servers) -> str:
    """Another database of the session's Redis, emptied, with queues that nobody else uses."""
    url = _with_path(servers.redis_url, str(next(_redis_numbers)))
    with closing(redis.Redis.from_url(url)) as client:
        client.flushdb()
    return url


@pytest.fixture(scope="session")
def template(servers: Servers, alembic_config: Config) -> str:
    """The name of a migrated database without connections.

    A copy takes less time than another migration; tests of the release line start with an empty
    database.
    """
    name = f"orderengine_template_{token_hex(4)}_test"
    with _engine(servers.database_url) as server:
        _run(server, f'CREATE DATABASE "{name}"')
    migrate(sqlalchemy_url(_with_path(servers.database_url, name)), alembic_config)
    return name


@pytest.fixture(scope="module")
def stack_database_url(servers: Servers, template: str) -> Iterator[str]:
    """A new database on the session's server, with empty tables."""
    with scratch_database(servers, template) as url:
        yield url


@contextmanager
def scratch_database(servers: Servers, template: str = "template1") -> Iterator[str]:
    """A copy of a database on the session's server."""
    name = f"orderengine_e2e_{token_hex(4)}_test"
    with _engine(servers.database_url) as server:
        _run(server, f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        yield _with_path(servers.database_url, name)
        _run(server, f'DROP DATABASE "{name}" WITH (FORCE)')


class SharedStacks:
    """The running stacks of `SHARED`, each started for its first module and stopped after its last.

    They use the servers of the session. A stack that went on would show in each later test that
    counts the commands or connections of a server.
    """

    def __init__(self, start: Callable[[str, ExitStack], Stack]) -> None:
        self._start = start
        self._running: dict[str, tuple[Stack, ExitStack]] = {}

    def get(self, name: str) -> Stack:
        """The stack of this name, started if it does not run yet."""
        if name not in self._running:
            resources = ExitStack()
            self._running[name] = self._start(name, resources), resources
        return self._running[name][0]

    def stop(self, name: str) -> None:
        """Stop the stack of this name, and remove its database."""
        _, resources = self._running.pop(name)
        resources.close()

    def stop_all(self) -> None:
        """Stop the stacks whose last module did not run."""
        for name in list(self._running):
            self.stop(name)


@pytest.fixture(scope="session")
def shared_stacks(
    servers: Servers, template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SharedStacks]:
    def start(name: str, resources: ExitStack) -> Stack:
        url = resources.enter_context(scratch_database(servers, template))
        folder = tmp_path_factory.mktemp("stack")
        stack = MigratedStack(url, next_redis_url(servers), folder, **SHARED[name].settings)
        return resources.enter_context(stack)

    stacks = SharedStacks(start)
    yield stacks
    stacks.stop_all()


def _last_of(name: str, session: pytest.Session) -> Path:
    """The last module of this session that shares the stack of this name."""
    return [item.path for item in session.items if name_of_shared(item.path.as_posix()) == name][-1]


@pytest.fixture(scope="module")
def stack(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """The stack that this module shares with others, or one of its own."""
    if name := name_of_shared(request.path.as_posix()):
        shared: SharedStacks = request.getfixturevalue("shared_stacks")
        running = shared.get(name)
        running.headers = {}
        yield running
        if request.path == _last_of(name, request.session):
            shared.stop(name)
        return
    database_url: str = request.getfixturevalue("stack_database_url")
    redis_url: str = request.getfixturevalue("stack_redis_url")
    settings: Mapping[str, str] = request.getfixturevalue("stack_environ")
    folder = tmp_path_factory.mktemp("stack")
    with MigratedStack(database_url, redis_url, folder, **settings) as own:
        yield own


@pytest.fixture(scope="module")
def stack_database(stack: Stack) -> Iterator[Engine]:
    """A connection to the stack's tables from outside."""
    with _engine(stack.database_url) as engine:
        yield engine


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the end of the stack's logs with a test that failed."""
    report = yield
    stack = getattr(item, "funcargs", {}).get("stack")
    if report.failed and isinstance(stack, Stack):
        report.sections.append(("the ends of the logs", stack.tails()))
    return report


@contextmanager
def _engine(url: str) -> Iterator[Engine]:
    engine = create_database_engine(sqlalchemy_url(url), pool_size=1, application="tests-e2e")
    yield engine
    engine.dispose()


def _run(engine: Engine, statement: str) -> None:
    with engine.connect() as connection:
        connection.execute(text(statement))


def _with_path(url: str, path: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{path}"))
