"""The subscription of a process to the events of all orders."""

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import redis
import structlog
from redis.client import PubSub

from orderengine.domain.events import OrderEvent
from orderengine.execution.operations.counters import CounterName, Metrics, ProcessMetrics
from orderengine.redis.client import create_client
from orderengine.stream.echo import Echo
from orderengine.stream.messages import EVENTS_CHANNEL, UNREADABLE, published_from

log = structlog.get_logger(__name__)

TIMEOUT_S = 2.0
WAKE_S = 0.5
PING_AFTER_S = 3.0
GIVE_UP_AFTER_S = 6.0
STAY_S = 2.0
FIRST_BACKOFF_S = 0.1
LAST_BACKOFF_S = 2.0


class Subscription:
    """Calls `on_event` for each published event, and `on_subscribed` after each possible gap.

    An event comes with its order's client, or None if another release published it. `run` needs a
    thread of its own, which also makes both calls. It ends only when told to: it logs any error and
    subscribes again after a growing pause.

    A subscription may outlive its server's time as primary. Two things end it then: such a server
    refuses another client of this process, which `demotions` counts; or an echo does not arrive.
    """

    def __init__(
        self,
        redis_url: str,
        on_event: Callable[[OrderEvent, str | None], None],
        on_subscribed: Callable[[], None],
        demotions: Callable[[], int] = lambda: 0,
        metrics: Metrics | None = None,
    ) -> None:
        self.losses = 0
        self._metrics = ProcessMetrics() if metrics is None else metrics
        self.is_live = False
        self._client = create_client(redis_url, TIMEOUT_S)
        self._on_event = on_event
        self._on_subscribed = on_subscribed
        self._demotions = demotions
        self._echo = Echo(redis_url)
        self._backoff_s = FIRST_BACKOFF_S

    def run(self, stopping: threading.Event) -> None:
        """Listen until `stopping` is set, which it notices within half a second."""
        while not stopping.is_set():
            try:
                self._listen(stopping)
            except Exception as error:  # noqa: BLE001 - without this thread streams are slow
                self.losses += 1
                self._metrics.count(CounterName.SUBSCRIPTION_LOSSES)
                self.is_live = False
                log.warning("subscription_lost", error=str(error), retry_in_s=self._backoff_s)
                stopping.wait(self._backoff_s)
                self._backoff_s = min(self._backoff_s * 2, LAST_BACKOFF_S)
        self._client.close()

    def _listen(self, stopping: threading.Event) -> None:
        with self._client.pubsub() as pubsub:  # type: ignore[no-untyped-call]
            demotions = self._demotions()
            pubsub.subscribe(EVENTS_CHANNEL, self._echo.channel)
            began_at = heard_at = time.monotonic()
            self._echo.begin()
            while not stopping.is_set():
                message = pubsub.get_message(timeout=WAKE_S)
                if demotions != self._demotions() and time.monotonic() - began_at > STAY_S:
                    raise redis.ConnectionError("a server is not a primary any more")
                if message is None:
                    self._echo.check()
                    _check_silence(pubsub, time.monotonic() - heard_at)
                else:
                    heard_at = time.monotonic()
                    self._take(message)
                self._echo.call()

    def _take(self, message: Mapping[str, Any]) -> None:
        if message["channel"] == self._echo.channel.encode():
            self._echo.hear()
        elif message["type"] == "message":
            self._hand_over(message["data"])
        elif message["type"] == "subscribe":
            # Also after redis-py has reconnected by itself.
            self._backoff_s = FIRST_BACKOFF_S
            log.debug("subscribed", channel=EVENTS_CHANNEL)
            self._on_subscribed()
            self.is_live = True

    def _hand_over(self, text: bytes) -> None:
        try:
            event, client_id = published_from(text)
        except UNREADABLE as error:
            log.warning("event_unreadable", error=str(error))  # the next poll reads it
        else:
            self._on_event(event, client_id)


def _check_silence(pubsub: PubSub, silent_s: float) -> None:
    """Check that a silent peer is still there: a connection may die without any sign."""
    if silent_s > GIVE_UP_AFTER_S:
        message = f"Redis was silent for {silent_s:.1f} s"
        raise redis.TimeoutError(message)
    if silent_s > PING_AFTER_S:
        pubsub.ping()
