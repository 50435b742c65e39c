"""Two servers behind a moving address, for the tests of each kind of client."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from chaos.proxy import Proxy
from chaos.redis_pair import RedisPair
from orderengine.local.ports import LOOPBACK
from orderengine.local.redis_server import EmbeddedRedis


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


@contextmanager
def moving_redis(folder: Path) -> Iterator[Moving]:
    with (
        EmbeddedRedis(folder / "first", durable=False) as first,
        RedisPair(first, folder / "second") as pair,
        Proxy(lambda: pair.port, random.Random(1)) as proxy,  # noqa: S311
    ):
        yield Moving(pair, proxy)
