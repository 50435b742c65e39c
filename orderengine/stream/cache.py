"""The cache of recent orders' latest states, which the publisher writes."""

from uuid import UUID

from orderengine.domain.order import Order
from orderengine.redis.breaker import Breaker
from orderengine.redis.client import REDIS_ERRORS, Client
from orderengine.stream.messages import UNREADABLE, cached_order, order_key


class RedisOrderCache:
    """Implements `execution.ports.OrderCache`."""

    def __init__(self, client: Client, breaker: Breaker) -> None:
        self._client = client
        self._breaker = breaker

    def get(self, order_id: UUID) -> Order | None:
        """The cached order, or None if it is not cached or the cache gives no answer."""
        if not self._breaker.allows():
            return None
        try:
            cached = self._client.get(order_key(order_id))
        except REDIS_ERRORS as error:
            self._breaker.failed(error)
            return None
        self._breaker.succeeded()
        if not isinstance(cached, bytes):
            return None
        try:
            return cached_order(cached)
        except UNREADABLE:
            return None  # written by another release; PostgreSQL has the order, too
