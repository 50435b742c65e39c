"""The publisher: updates the streams and the cache for one step or for many in one command."""

from collections.abc import Sequence
from datetime import timedelta

from orderengine.domain.events import Moved
from orderengine.execution.operations.counters import CounterName, Metrics
from orderengine.redis.breaker import Breaker
from orderengine.redis.client import REDIS_ERRORS, Client, Script
from orderengine.stream.messages import (
    EVENTS_CHANNEL,
    cache_ttl,
    cached_text,
    order_key,
    published_text,
)

# The cache only takes a higher version, because publishers of one order may overtake each other.
# A value starts with its version: see `cached_text`. A Redis without memory refuses the SET but
# takes the PUBLISH, which matters more. So does a replica, but its PUBLISH reaches nobody who
# subscribes at the primary: the script returns the replica's refusal.
_STORE_AND_PUBLISH = Script(
    """
for number, key in ipairs(KEYS) do
  local version, state, ttl, event = unpack(ARGV, 4 * number - 2, 4 * number + 1)
  local held = redis.call('GET', key)
  if not held or tonumber(version) > (tonumber(string.match(held, '^%d+')) or 0) then
    local stored = redis.pcall('SET', key, state, 'PX', ttl)
    if stored.err and string.find(stored.err, 'READONLY', 1, true) then
      return stored
    end
  end
  redis.call('PUBLISH', ARGV[1], event)
end
"""
)


class RedisEventPublisher:
    """Implements `execution.ports.EventPublisher`.

    A lost event delays a stream by up to a second, until the stream finds it in PostgreSQL.
    """

    def __init__(self, client: Client, breaker: Breaker, metrics: Metrics) -> None:
        self._client = client
        self._breaker = breaker
        self._metrics = metrics

    def publish(self, moved: Moved) -> None:
        """Cache the order's latest state and publish the event, bounded in time; never raises."""
        self.publish_all([moved])

    def publish_all(self, moved: Sequence[Moved]) -> None:
        """Cache and publish each as `publish` does, in this order, with one command."""
        if not moved:
            return
        if not self._breaker.allows():
            self._metrics.count(CounterName.PUBLISH_FAILURES, by=len(moved))
            return
        keys = [order_key(each.order.order_id) for each in moved]
        arguments = [EVENTS_CHANNEL, *(given for each in moved for given in _arguments(each))]
        try:
            self._client.run(_STORE_AND_PUBLISH, keys, arguments)
        except REDIS_ERRORS as error:
            self._metrics.count(CounterName.PUBLISH_FAILURES, by=len(moved))
            self._breaker.failed(error)
        else:
            self._breaker.succeeded()


def _arguments(moved: Moved) -> tuple[int, str, int, str]:
    order = moved.order
    ttl_ms = cache_ttl(order) // timedelta(milliseconds=1)
    return order.version, cached_text(order), ttl_ms, published_text(moved)
