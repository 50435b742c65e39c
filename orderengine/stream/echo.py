"""The echo: checks that messages published now arrive at a subscription."""

import time
from uuid import uuid4

import redis
import structlog

from orderengine.redis.client import REDIS_ERRORS, create_client
from orderengine.stream.messages import ECHO_CHANNEL

log = structlog.get_logger(__name__)

EVERY_S = 2.0
LIMIT_S = 1.5
TIMEOUT_S = 0.5


class Echo:
    """Publishes to a channel of its own, each time over a new connection.

    A subscription may silently outlive its server's role: after a fail-over the former primary goes
    on as a replica, or cut off from the new one. A new connection leads to the current server of
    the address, and the subscription must receive its message. For one thread.
    """

    def __init__(self, redis_url: str) -> None:
        self.channel = f"{ECHO_CHANNEL}:{uuid4().hex}"
        self._client = create_client(redis_url, TIMEOUT_S)
        self._due_at = 0.0
        self._called_at: float | None = None

    def call(self) -> None:
        """Publish if it is time; an error says nothing about the subscription's server."""
        if time.monotonic() < self._due_at:
            return
        try:
            self._client.publish(self.channel, b"")
        except REDIS_ERRORS as error:
            log.debug("echo_not_published", error=str(error))
        else:
            self._called_at = self._called_at or time.monotonic()
        finally:
            self._client.close()
            self._due_at = time.monotonic() + EVERY_S

    def hear(self) -> None:
        """Note that the message has arrived."""
        self._called_at = None

    def check(self) -> None:
        """Raise redis.ConnectionError if an echo is overdue and nothing is left to read."""
        if self._called_at is not None and time.monotonic() - self._called_at > LIMIT_S:
            raise redis.ConnectionError("its own published events do not arrive")

    def begin(self) -> None:
        """Forget the echoes of the previous subscription."""
        self._called_at = None
        self._due_at = 0.0
