"""The Celery application, with the configuration of `celeryconfig.py`."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Lock
from typing import Any

from celery import Celery
from celery.utils import uuid
from kombu.serialization import dumps

from orderengine.dispatch.encoding import use_for_messages
from orderengine.dispatch.held import Message, hold
from orderengine.dispatch.names import INTAKE, SETTLE
from orderengine.dispatch.waiting import Lists

TRANSPORT = "orderengine.dispatch.transport:Transport"
LOADER = "celery.loaders.app:AppLoader"
MESSAGING = "orderengine.dispatch.transport:LeanAMQP"
NO_FIXUPS: tuple[str, ...] = ()


_SAID = frozenset(
    {"task_id", "root_id", "parent_id", "chain", "queue", "countdown", "expires", "retries"}
)
"""The options that a stage is sent with; with any other one it goes Celery's way."""
_UNSAID = frozenset({"task_type", "result_cls", "retry", "serializer", "ignore_result"})
"""Options that are the same for every stage, or of no use to one without a result."""
_PERSISTENT = 2


class LeanCelery(Celery):
    """Celery that sends the messages of the stages without what they have no use for.

    `broker_address` is the URL that it was made with. The messages are the same. What is left out
    are routers, declarations, retries, signals and options that are looked up anew for each: see
    `docs/decisions/0035-lean-processes.md`.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.broker_address = options["broker"]
        self._channel: Any = None
        self._first_use = Lock()

    def send_task(  # type: ignore[override]  # its options are taken as they come
        self, name: str, args: Any = None, kwargs: Any = None, **options: Any
    ) -> Any:
        """Send a task by its name; raises as Celery's own does."""
        given = {key: value for key, value in options.items() if value is not None}
        said = given.keys() - _UNSAID
        queue = given.get("queue")
        if not isinstance(queue, str) or not said <= _SAID:
            return super().send_task(name, args, kwargs, **options)
        values = {key: given[key] for key in said - {"queue"}}
        task_id = values.pop("task_id", None) or uuid()
        headers, properties, body, _ = self.amqp.as_task_v2(
            task_id, name, args, kwargs, ignore_result=True, **values
        )
        message = _message(queue, headers, properties, body)
        if not hold(message):
            self.exchange([message])
        return self.AsyncResult(task_id)

    def exchange(self, messages: Sequence[Message], queues: Sequence[str] = ()) -> Message | None:
        """Send messages and take one, in one command: the oldest of the first queue that has any.

        An error of the broker is raised as Celery's own sending raises it.
        """
        channel = self._sending_channel()
        with channel.connection.client._reraise_as_library_errors():  # noqa: SLF001 - kombu's
            taken: Message | None = channel.exchange(messages, queues)
            return taken

    @contextmanager
    def lists(self) -> Iterator[Lists]:
        """The lists of the broker, to look at what waits there; errors as those of `exchange`."""
        channel = self._sending_channel()
        with channel.connection.client._reraise_as_library_errors():  # noqa: SLF001 - kombu's
            yield channel

    def probe(self) -> None:
        """Return if the broker takes messages, over the connections that messages go over."""
        channel = self._sending_channel()
        with channel.connection.client._reraise_as_library_errors():  # noqa: SLF001 - kombu's
            channel.probe((SETTLE, INTAKE))

    @property
    def demotions(self) -> int:
        """How often a server that is no primary any more has answered."""
        return 0 if self._channel is None else int(self._channel.demotions)

    def connection_for_read(self, url: Any = None, **options: Any) -> Any:
        """A connection to the broker that the application was made with."""
        del url  # Celery's own look at CELERY_BROKER_… in the environment first
        return super().connection_for_read(self.broker_address, **options)

    def connection_for_write(self, url: Any = None, **options: Any) -> Any:
        """A connection to the broker that the application was made with."""
        del url
        return super().connection_for_write(self.broker_address, **options)

    def _sending_channel(self) -> Any:
        """The one channel of this process that all threads exchange messages over.

        It holds no state but connections that are made, and made anew, as they are needed: to take
        a producer from Celery's pool for each message, and give it back, would take as long.
        """
        if self._channel is None:
            # Without a lock: nobody waits for another one's attempts while the broker is away.
            connection = self.connection_for_write()
            # One attempt: between its own kombu sleeps for seconds, in a thread with other work.
            connection.ensure_connection(max_retries=0)
            channel = connection.default_channel
            with self._first_use:
                if self._channel is None:
                    self._channel = channel
            if self._channel is not channel:
                connection.release()
        return self._channel


def _message(queue: str, headers: dict[str, Any], properties: dict[str, Any], body: Any) -> Message:
    content_type, encoding, text = dumps(body, "json")
    said = {
        "delivery_mode": _PERSISTENT,
        "delivery_info": {"exchange": "", "routing_key": queue},
        "priority": 0,
        "body_encoding": None,
        "delivery_tag": uuid(),
    }
    return {
        "body": text,
        "content-encoding": encoding,
        "content-type": content_type,
        "headers": headers,
        "properties": {**properties, **said},
    }


def create_celery(broker_url: str, *, timeout_s: float | None = None) -> LeanCelery:
    """Make the application; it connects to nothing yet.

    `timeout_s` bounds each exchange with the broker for a process that must not wait, and makes
    it try only once; None keeps the worker's patience.
    """
    use_for_messages()
    # The loader is named, or that of CELERY_LOADER would be taken, which another program may need.
    # Without fix-ups: DJANGO_SETTINGS_MODULE would have Celery set another program's Django up.
    app = LeanCelery(
        "orderengine", broker=broker_url, amqp=MESSAGING, loader=LOADER, fixups=NO_FIXUPS
    )
    app.config_from_object("celeryconfig")
    app.conf.broker_transport = TRANSPORT
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
