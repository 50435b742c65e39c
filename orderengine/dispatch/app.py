"""The Celery application, with the configuration of `celeryconfig.py`."""

import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar, cast
from uuid import UUID

from celery import Celery, chain
from kombu.exceptions import (  # type: ignore[attr-defined]  # its types lack the first
    BatchPublishError,
    LimitExceeded,
    OperationalError,
)
from redis import RedisError

from orderengine.dispatch.waiting import TAKE_BACK, Lists
from orderengine.redis.client import REDIS_ERRORS, Client, create_client
from orderengine.redis.errors import is_to_be_left, is_worth_repeating
from orderengine.redis.probe import probe
from orderengine.redis.queues import INTAKE, SETTLE

T = TypeVar("T")

BROKER_ERRORS = (OperationalError, LimitExceeded, BatchPublishError, RedisError, OSError)
LOADER = "celery.loaders.app:AppLoader"
NO_FIXUPS: tuple[str, ...] = ()
PATIENT_S = 1.0
"""The time limit of a probe or a read of a process that may wait for the broker."""


class EngineCelery(Celery):
    """Celery on one broker: the URL given at construction, `broker_address`.

    `client` reaches the same broker beside Celery, for probes and reads.
    """

    def __init__(self, *args: Any, client: Client, **options: Any) -> None:
        super().__init__(*args, **options)
        self.broker_address = options["broker"]
        self._client = client

    def connection_for_read(self, url: Any = None, **options: Any) -> Any:
        """A connection to the broker URL given at construction."""
        del url  # Celery would read CELERY_BROKER_… from the environment first
        return super().connection_for_read(self.broker_address, **options)

    def connection_for_write(self, url: Any = None, **options: Any) -> Any:
        """A connection to the broker URL given at construction."""
        del url
        return super().connection_for_write(self.broker_address, **options)

    def send_task(self, *args: Any, **options: Any) -> Any:
        """Send a task as Celery does; once more if another server may take what one refused.

        Celery sends every message by this method, those from stage to stage included.
        """
        send = super().send_task
        return self._repeating(lambda: send(*args, **options))

    def send_chain(self, stages: chain, **options: Any) -> None:
        """Send the first stage of a chain, with the others in its message.

        The chain's own `apply_async` would clone each stage and give it an ID for its result.
        """
        first, *rest = stages.tasks
        first.apply_async(retry=False, chain=rest[::-1], **options)

    def send_chains(self, chains: Sequence[tuple[chain, Mapping[str, Any]]]) -> None:
        """Send the first stages of several chains, each with its options, in one exchange."""
        self._repeating(lambda: self._send_together(chains))

    def _send_together(self, chains: Sequence[tuple[chain, Mapping[str, Any]]]) -> None:
        wait_s = self.conf.get("broker_pool_acquire_timeout")
        with self.producer_pool.acquire(block=True, timeout=wait_s) as producer:
            together: Any = producer  # its types lack `batch`, which kombu has since 5.7
            with together.batch():
                for stages, options in chains:
                    self.send_chain(stages, producer=producer, **options)

    def push(self, queue: str, messages: Sequence[str]) -> None:
        """Add messages to a queue, in their order, by one command; raises redis-py's errors.

        They go over the connections of `client`, which sends them once more if another server may
        take what one refused.
        """
        # kombu adds on the left and takes from the right.
        self._client.execute_command("LPUSH", queue, *messages)

    def _repeating(self, send: Callable[[], T]) -> T:
        try:
            return send()
        except BROKER_ERRORS as error:
            if not is_worth_repeating(error):
                raise
            self.leave(error)
        return send()

    @property
    def lists(self) -> Lists:
        """The broker's lists, to read waiting messages; raises redis-py's errors."""
        return cast("Lists", self._client)

    def take_back(self, started: Iterable[tuple[UUID, int]]) -> None:
        """Take the next messages of new orders away, if they route these orders at these versions.

        For orders that have moved on. A message that stays, because it is not among the next ones
        or the broker gives no answer, finds so itself.
        """
        named = [f"{order_id} {version}" for order_id, version in started]
        with contextlib.suppress(*REDIS_ERRORS):
            self._client.run(TAKE_BACK, [INTAKE], named)

    def probe(self) -> None:
        """Check that the broker accepts orders' messages; raises redis-py's errors."""
        probe(self._client, (SETTLE, INTAKE))

    def leave(self, error: Exception) -> None:
        """Close connections to a server that another one may replace, as this error shows.

        kombu would send to a former primary again and again.
        """
        if not is_to_be_left(error):
            return
        self._client.note(error)
        with contextlib.ExitStack() as taken, contextlib.suppress(LimitExceeded):
            pool: Any = self.pool
            while True:
                taken.enter_context(pool.acquire()).collect()

    @property
    def demotions(self) -> int:
        """How often a server that is no longer a primary has answered."""
        return self._client.demotions


def create_celery(broker_url: str, *, timeout_s: float | None = None) -> EngineCelery:
    """Make the application; it connects to nothing yet.

    `timeout_s` is for a process that must not wait: it bounds each exchange with the broker. None
    keeps the worker's long timeouts.
    """
    # The loader is named, because CELERY_LOADER may belong to another program. Fix-ups are off,
    # because with DJANGO_SETTINGS_MODULE Celery would set up another program's Django.
    app = EngineCelery(
        "orderengine",
        broker=broker_url,
        loader=LOADER,
        fixups=NO_FIXUPS,
        client=create_client(broker_url, timeout_s or PATIENT_S),
    )
    app.config_from_object("celeryconfig")
    if timeout_s is not None:
        app.conf.broker_connection_timeout = timeout_s
        app.conf.broker_pool_acquire_timeout = timeout_s
        app.conf.broker_transport_options = {
            **app.conf.broker_transport_options,
            "socket_timeout": timeout_s,
            "socket_connect_timeout": timeout_s,
            "connect_retries_timeout": timeout_s,
        }
    # Made now, by one thread: Celery sets the pool's size after it has made the pool known, and a
    # thread that uses it meanwhile makes that fail.
    _ = app.amqp.producer_pool
    return app
