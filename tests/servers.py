"""The servers of a test session: real and empty, and never those of the user."""

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from orderengine.local.postgres_server import EmbeddedPostgres
from orderengine.local.redis_server import EmbeddedRedis
from tests.folders import reachable_folder

TEST_DATABASE = "orderengine_test"


@dataclass(frozen=True)
class Servers:
    """The servers' URLs; an object is None if its URL was given from outside."""

    redis_url: str
    database_url: str
    redis: EmbeddedRedis | None
    postgres: EmbeddedPostgres | None


@contextmanager
def test_servers(
    environ: Mapping[str, str] = os.environ,  # noqa: PT028 - not a test
) -> Iterator[Servers]:
    """TEST_DATABASE_URL and TEST_REDIS_URL if set, else embedded servers in a new folder.

    Never looks at DATABASE_URL and REDIS_URL. Raises ValueError for a database whose name does not
    end in `_test`.
    """
    database_url = environ.get("TEST_DATABASE_URL") or None
    redis_url = environ.get("TEST_REDIS_URL") or None
    if database_url:
        require_test_database(database_url)
    with ExitStack() as stack:
        folder = stack.enter_context(reachable_folder())
        redis = None if redis_url else EmbeddedRedis(folder / "redis", durable=False)
        postgres = None
        if not database_url:
            postgres = EmbeddedPostgres(folder / "postgres", durable=False, database=TEST_DATABASE)
            stack.callback(postgres.remove)
        for server in (redis, postgres):
            if server:
                stack.enter_context(server)
        yield Servers(
            redis_url=redis.url if redis else redis_url or "",
            database_url=postgres.url if postgres else database_url or "",
            redis=redis,
            postgres=postgres,
        )


test_servers.__test__ = False  # type: ignore[attr-defined]  # pytest would collect it by its name


def require_test_database(url: str) -> None:
    """Raises ValueError, without the URL's password, unless the name ends in `_test`."""
    name = urlsplit(url).path.lstrip("/")
    if not name.endswith("_test"):
        raise ValueError(f"TEST_DATABASE_URL names the database {name!r}, not one ending in _test")
