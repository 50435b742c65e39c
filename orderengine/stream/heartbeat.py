"""The heartbeat of the workers: how a web process knows that somebody does the work."""

from datetime import timedelta

from orderengine.stream.client import REDIS_ERRORS, Client
from orderengine.stream.messages import HEARTBEAT_KEY

BEAT_TTL = timedelta(seconds=5)


class Heartbeat:
    """One key that every worker renews; it outlives the last beat by five seconds."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def beat(self) -> bool:
        """Say that this worker lives, to be called every second or two; false if none heard it."""
        try:
            self._client.set(HEARTBEAT_KEY, 1, ex=BEAT_TTL)
        except REDIS_ERRORS:
            return False
        return True

    def is_alive(self) -> bool:
        """True if a worker's heart has beaten; False also when Redis gives no answer."""
        try:
            self._client.require_primary()
            return bool(self._client.exists(HEARTBEAT_KEY))
        except REDIS_ERRORS:
            return False
