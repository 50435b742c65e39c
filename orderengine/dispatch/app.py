"""The Celery application, with the configuration of `celeryconfig.py`."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

from celery import Celery, chain, signals
from kombu.exceptions import LimitExceeded, OperationalError
from redis import RedisError

from orderengine.dispatch.waiting import Lists
from orderengine.redis.commands import Commands
from orderengine.redis.errors import is_to_be_left
from orderengine.redis.probe import probe
from orderengine.redis.queues import INTAKE, SETTLE

BROKER_ERRORS = (OperationalError, LimitExceeded, RedisError, OSError)
LOADER = "celery.loaders.app:AppLoader"
NO_FIXUPS: tuple[str, ...] = ()


class Room(Protocol):
    """The orders that a worker may have in hand; see `execution.chain.slots`."""

    def is_left(self) -> bool:
        """True if another order could start at once; a hint."""

    def leave(self) -> None:
        """Forget the orders of this thread, which it has in hand no longer."""

    def when_left(self, tell: Callable[[], None]) -> None:
        """Call this when a thread that goes on gives back what it does not need."""


class EngineCelery(Celery):
    """Celery on one broker: the URL given at construction, `broker_address`.

    This class says what the dispatcher and the worker need beyond Celery's own methods.
    `StockCelery` implements it with Celery's documented means, `fastlane.app.FastCelery` with fewer
    steps for each message.
    """

    request_class = "celery.worker.request:Request"
    """The request from which a worker makes that of its stages."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.broker_address = options["broker"]

    def connection_for_read(self, url: Any = None, **options: Any) -> Any:
        """A connection to the broker URL given at construction."""
        del url  # Celery would read CELERY_BROKER_… from the environment first
        return super().connection_for_read(self.broker_address, **options)

    def connection_for_write(self, url: Any = None, **options: Any) -> Any:
        """A connection to the broker URL given at construction."""
        del url
        return super().connection_for_write(self.broker_address, **options)

    def send_chain(self, stages: chain, **options: Any) -> None:
        """Send the first stage of a chain, with the others in its message."""
        stages.apply_async(retry=False, **options)

    def send_chains(self, chains: Sequence[chain], **options: Any) -> None:
        """Send the first stages of several chains in one exchange with the broker."""
        wait_s = self.conf.get("broker_pool_acquire_timeout")
        with self.producer_pool.acquire(block=True, timeout=wait_s) as producer:
            together: Any = producer  # its types lack `batch`, which kombu has since 5.7
            with together.batch():
                for stages in chains:
                    # A chain's own `apply_async` would not pass the producer on.
                    first, *rest = stages.tasks
                    options |= {"producer": producer, "chain": rest[::-1]}
                    first.apply_async(retry=False, **options)

    def bound_orders(self, room: Room) -> None:
        """Take orders while there is room, and leave it when a thread has ended its task."""
        raise NotImplementedError

    def lists(self) -> Any:
        """A context with the broker's lists, to read waiting messages."""
        raise NotImplementedError

    def probe(self, connection: Any = None) -> None:
        """Check that the broker accepts orders' messages, over this connection if the lane can."""
        raise NotImplementedError

    def leave(self, error: Exception) -> None:
        """Close connections to a server that another one may replace, as this error shows."""

    @property
    def demotions(self) -> int:
        """How often a server that is no longer a primary has answered."""
        raise NotImplementedError


class StockCelery(EngineCelery):
    """Celery as it comes; `commands` reach the broker beside it, for probes and reads."""

    def __init__(self, *args: Any, commands: Commands, **options: Any) -> None:
        super().__init__(*args, **options)
        self._commands = commands

    def bound_orders(self, room: Room) -> None:
        """Leave the room after each task; a task without room waits in its thread."""
        signals.task_postrun.connect(lambda **_: room.leave(), weak=False)

    @contextmanager
    def lists(self) -> Iterator[Lists]:
        """The broker's lists, to read waiting messages."""
        yield _ListsOf(self._commands)

    def probe(self, connection: Any = None) -> None:
        """Check that the broker accepts orders' messages, over a connection of the probe's own."""
        del connection
        probe(self._commands, (SETTLE, INTAKE))

    def leave(self, error: Exception) -> None:
        """Close idle connections; kombu would send to a former primary again and again."""
        if not is_to_be_left(error):
            return
        with contextlib.ExitStack() as taken, contextlib.suppress(LimitExceeded):
            pool: Any = self.pool
            while True:
                taken.enter_context(pool.acquire()).collect()

    @property
    def demotions(self) -> int:
        """How often a server that is no longer a primary has answered a probe or a read."""
        return self._commands.demotions


class _ListsOf:
    """Implements `dispatch.waiting.Lists`."""

    def __init__(self, commands: Commands) -> None:
        self._commands = commands

    def lrange(self, name: str, start: int, end: int) -> Any:
        return self._commands.send("LRANGE", name, start, end)


App = TypeVar("App", bound=EngineCelery)


def create_app(kind: type[App], broker_url: str, timeout_s: float | None, **options: Any) -> App:
    """Make an application of this kind; it connects to nothing yet.

    `timeout_s` is for a process that must not wait: it bounds each exchange with the broker and
    allows one attempt only. None keeps the worker's long timeouts.
    """
    # The loader is named, because CELERY_LOADER may belong to another program. Fix-ups are off,
    # because with DJANGO_SETTINGS_MODULE Celery would set up another program's Django.
    app = kind("orderengine", broker=broker_url, loader=LOADER, fixups=NO_FIXUPS, **options)
    app.config_from_object("celeryconfig")
    if timeout_s is not None:
        app.conf.broker_connection_timeout = timeout_s
        app.conf.broker_pool_acquire_timeout = timeout_s
        app.conf.broker_transport_options = {
            **app.conf.broker_transport_options,
            "socket_timeout": timeout_s,
            "socket_connect_timeout": timeout_s,
            "max_retries": 1,
            "interval_start": 0,
            "interval_step": 0,
            "connect_retries_timeout": timeout_s,
        }
    return app
