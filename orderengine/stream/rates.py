"""Request rates counted in Redis, so that they hold over all web processes."""

from typing import cast

from orderengine.execution.intake.limits import WINDOW_S, Rates
from orderengine.redis.breaker import Breaker
from orderengine.redis.client import REDIS_ERRORS, Client
from orderengine.stream.messages import rate_key

_COUNT = """
local count = redis.call('INCRBY', KEYS[1], ARGV[2])
if count == tonumber(ARGV[2]) then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return count
"""


class RedisRates:
    """Implements `execution.intake.limits.Rates`; `local` counts while Redis gives no answer."""

    def __init__(self, client: Client, breaker: Breaker, local: Rates) -> None:
        self._client = client
        self._breaker = breaker
        self._local = local
        self._script = client.register_script(_COUNT)

    def count(self, name: str, by: int = 1) -> int:
        """Count requests; returns how many came in this second, with these; never raises."""
        if not self._breaker.allows():
            return self._local.count(name, by)
        try:
            count = cast("int", self._script(keys=[rate_key(name)], args=[WINDOW_S * 1000, by]))
        except REDIS_ERRORS as error:
            self._breaker.failed(error)
            return self._local.count(name, by)
        self._breaker.succeeded()
        return count
