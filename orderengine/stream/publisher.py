"""The publisher: updates the streams and the cache for a step in one command."""

from datetime import timedelta

from orderengine.domain.events import Moved
from orderengine.execution.operations.counters import CounterName, Metrics
from orderengine.redis.breaker import Breaker
from orderengine.redis.client import REDIS_ERRORS
from orderengine.redis.commands import Commands, Script
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
local held = redis.call('GET', KEYS[1])
if not held or tonumber(ARGV[1]) > (tonumber(string.match(held, '^%d+')) or 0) then
  local stored = redis.pcall('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
  if stored.err and string.find(stored.err, 'READONLY', 1, true) then
    return stored
  end
end
return redis.call('PUBLISH', ARGV[4], ARGV[5])
"""
)


class RedisEventPublisher:
    """Implements `execution.ports.EventPublisher`.

    A lost event delays a stream by up to a second, until the stream finds it in PostgreSQL.
    """

    def __init__(self, commands: Commands, breaker: Breaker, metrics: Metrics) -> None:
        self._commands = commands
        self._breaker = breaker
        self._metrics = metrics

    @property
    def demotions(self) -> int:
        """How often a server that is no longer a primary has answered."""
        return self._commands.demotions

    def publish(self, moved: Moved) -> None:
        """Cache the order's latest state and publish the event, bounded in time; never raises."""
        if not self._breaker.allows():
            self._metrics.count(CounterName.PUBLISH_FAILURES)
            return
        order = moved.order
        ttl_ms = cache_ttl(order) // timedelta(milliseconds=1)
        try:
            self._commands.run(
                _STORE_AND_PUBLISH,
                [order_key(order.order_id)],
                [
                    order.version,
                    cached_text(order),
                    ttl_ms,
                    EVENTS_CHANNEL,
                    published_text(moved),
                ],
            )
        except REDIS_ERRORS as error:
            self._metrics.count(CounterName.PUBLISH_FAILURES)
            self._breaker.failed(error)
        else:
            self._breaker.succeeded()
