"""Two servers behind a moving address, for the tests of each kind of client."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis

from chaos.proxy import Proxy
from chaos.redis_pair import RedisPair
from orderengine.local.ports import LOOPBACK
from orderengine.local.redis_server import EmbeddedRedis
from orderengine.redis.client import Client, create_client


@dataclass(frozen=True)
class Moving:
    """A primary and its replica; the address `url` leads to one of them."""

    pair: RedisPair
    proxy: Proxy

    @property
    def url(self) -> str:
        return f"redis://:{self.pair.primary.password}@{LOOPBACK}:{self.proxy.port}/0"

    def fail_over(self) -> None:
        """Fail over as planned: the address moves, connections to the old primary stay open."""
        self.pair.demote()
        self.pair.move_address()

    def lose_primary(self) -> None:
        self.pair.lose()
        self.pair.move_address()


PATIENT_S = 5.0
FailOver = Callable[[Moving], None]
FAIL_OVERS = pytest.mark.parametrize("fail_over", [Moving.fail_over, Moving.lose_primary])


@contextmanager
def moving_redis(folder: Path) -> Iterator[Moving]:
    with (
        EmbeddedRedis(folder / "first", durable=False) as first,
        RedisPair(first, folder / "second") as pair,
        Proxy(lambda: pair.port, random.Random(1)) as proxy,  # noqa: S311
    ):
        yield Moving(pair, proxy)


@pytest.fixture
def moving(tmp_path: Path) -> Iterator[Moving]:
    with moving_redis(tmp_path) as moving:
        yield moving


@pytest.fixture
def client(moving: Moving) -> Iterator[Client]:
    with create_client(moving.url, PATIENT_S) as client:
        yield client


@pytest.fixture
def primary(moving: Moving) -> Callable[[], redis.Redis]:
    return lambda: moving.pair.client(moving.pair.primary)
