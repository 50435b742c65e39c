"""Moves orders at a fixed rate, as a worker does, and notes the time of each commit."""

import itertools
import threading
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from uuid import uuid4

from orderengine.config.settings import sqlalchemy_url
from orderengine.domain.access import LOCAL_CLIENT
from orderengine.domain.moves import RoutingCause, StartRouting
from orderengine.domain.order import NewOrder, Order
from orderengine.domain.side import Side
from orderengine.execution.operations.counters import ProcessMetrics
from orderengine.postgres.database import create_database_engine
from orderengine.redis.breaker import Breaker
from orderengine.redis.client import create_client
from orderengine.storage.orders import SqlOrders
from orderengine.stream.publisher import RedisEventPublisher

THREADS = 4


class Mover:
    """Orders that no worker has, and the moves of these orders.

    A move repeats the beginning of routing, which an order may do any number of times.
    """

    def __init__(self, database_url: str, redis_url: str) -> None:
        self._engine = create_database_engine(
            sqlalchemy_url(database_url), pool_size=THREADS, application="mover"
        )
        self._orders = SqlOrders(self._engine)
        self._redis = create_client(redis_url, 2.0)
        self._publisher = RedisEventPublisher(self._redis, Breaker(), ProcessMetrics())
        self._now: dict[str, Order] = {}
        self.committed: dict[tuple[str, int], float] = {}
        """When each step was committed, in seconds since 1970."""

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()
        self._redis.close()

    @property
    def latest(self) -> dict[str, int]:
        """The last `seq` of each order."""
        return {key: order.version for key, order in self._now.items()}

    def place(self, count: int) -> list[str]:
        """Store new orders; returns their ids."""
        with ThreadPoolExecutor(THREADS) as threads:
            return list(threads.map(self._place, range(count)))

    def move(self, order_id: str) -> None:
        """Move an order, and publish that."""
        order = self._now[order_id]
        cause = RoutingCause.ORDER if order.version == 1 else RoutingCause.RECOVERY
        moved = self._orders.move(order.order_id, order.version, StartRouting(cause))
        if moved is None:
            raise RuntimeError(f"order {order.order_id} could not be moved")
        self.committed[order_id, moved.order.version] = time.time()
        self._now[order_id] = moved.order
        self._publisher.publish(moved)

    def move_all(self, order_ids: Sequence[str]) -> None:
        """Move each order once, as fast as possible."""
        with ThreadPoolExecutor(THREADS) as threads:
            list(threads.map(self.move, order_ids))

    def run(self, order_ids: Sequence[str], rate_per_s: float, seconds: float) -> None:
        """Move these orders in turn at this rate."""
        began = time.monotonic()
        pause = threading.Event()
        for number, order_id in enumerate(
            itertools.islice(itertools.cycle(order_ids), round(rate_per_s * seconds))
        ):
            pause.wait(max(began + number / rate_per_s - time.monotonic(), 0.0))
            self.move(order_id)

    def late_ms(self, arrived: Iterable[tuple[str, int, float]]) -> list[float]:
        """How long after its commit each message arrived, in milliseconds."""
        return [
            (at - self.committed[order_id, seq]) * 1000
            for order_id, seq, at in arrived
            if (order_id, seq) in self.committed
        ]

    def _place(self, _: int) -> str:
        moved = self._orders.accept(
            NewOrder(
                order_id=uuid4(),
                client_id=LOCAL_CLIENT,
                symbol="AAPL",
                side=Side.BUY,
                quantity=Decimal(1),
                slippage_tolerance_bps=100,
            )
        )
        order_id = str(moved.order.order_id)
        self._now[order_id] = moved.order
        return order_id
