"""The heartbeat of the workers, which tells a web process that at least one is alive."""

from datetime import timedelta

from orderengine.redis.client import REDIS_ERRORS, Client
from orderengine.stream.messages import HEARTBEAT_KEY

BEAT_TTL = timedelta(seconds=5)


class Heartbeat:
    """One key that every worker renews; it expires five seconds after the last beat."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def beat(self) -> bool:
        """Renew the key; call it every second or two. False if Redis did not take it."""
        try:
            self._client.set(HEARTBEAT_KEY, 1, ex=BEAT_TTL)
        except REDIS_ERRORS:
            return False
        return True

    def is_alive(self) -> bool:
        """True if a worker has renewed the key; False also when Redis gives no answer."""
        try:
            self._client.require_primary()
            return bool(self._client.exists(HEARTBEAT_KEY))
        except REDIS_ERRORS:
            return False
