"""The Celery application, with the configuration of `celeryconfig.py`."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Lock
from typing import Any

from celery import Celery, chain
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
    {"task_id", "root_id", "parent_id", "reply_to", "chain", "queue"}
    | {"countdown", "expires", "retries"}
)
"""The options of a stage; any other option falls back to Celery's own `send_task`."""
_UNSAID = frozenset({"task_type", "result_cls", "retry", "serializer", "ignore_result"})
"""Options that are ignored: the same for every stage, or useless without a result."""
_PERSISTENT = 2


class LeanCelery(Celery):
    """Celery with a shorter path for sending the stages' messages; the messages are the same.

    `broker_address` is the broker URL given at construction. The shorter path skips the routers,
    declarations, retries, signals and options that Celery looks up again for each message: see
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
        """Send a task by its name; raises the same errors as Celery's own `send_task`."""
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

    def send_chain(self, stages: chain, **options: Any) -> None:
        """Send the first stage of a chain, with the others in its message.

        Celery's own `apply_async` also clones each stage and gives it an ID for its result, which
        takes four times as long.
        """
        first, *rest = stages.tasks
        first.apply_async(retry=False, chain=rest[::-1], **options)

    def exchange(self, messages: Sequence[Message], queues: Sequence[str] = ()) -> Message | None:
        """Send messages and take the oldest one of the first non-empty queue, in one command.

        Raises broker errors as Celery's own sending raises them.
        """
        channel = self._sending_channel()
        with channel.connection.client._reraise_as_library_errors():  # noqa: SLF001 - kombu's
            taken: Message | None = channel.exchange(messages, queues)
            return taken

    @contextmanager
    def lists(self) -> Iterator[Lists]:
        """The broker's lists, to read waiting messages; raises the same errors as `exchange`."""
        channel = self._sending_channel()
        with channel.connection.client._reraise_as_library_errors():  # noqa: SLF001 - kombu's
            yield channel

    def probe(self) -> None:
        """Check, over the connections that carry messages, that the broker accepts messages."""
        channel = self._sending_channel()
        with channel.connection.client._reraise_as_library_errors():  # noqa: SLF001 - kombu's
            channel.probe((SETTLE, INTAKE))

    @property
    def demotions(self) -> int:
        """How often a server that is no longer a primary has answered."""
        return 0 if self._channel is None else int(self._channel.demotions)

    def connection_for_read(self, url: Any = None, **options: Any) -> Any:
        """A connection to the broker URL given at construction."""
        del url  # Celery would read CELERY_BROKER_… from the environment first
        return super().connection_for_read(self.broker_address, **options)

    def connection_for_write(self, url: Any = None, **options: Any) -> Any:
        """A connection to the broker URL given at construction."""
        del url
        return super().connection_for_write(self.broker_address, **options)

    def _sending_channel(self) -> Any:
        """The one channel over which all threads of this process exchange messages.

        Its only state is connections, which it opens and reopens on demand. Borrowing a producer
        from Celery's pool for each message costs as much as sending it.
        """
        if self._channel is None:
            # Without a lock: while the broker is away, no thread waits for another's attempts.
            connection = self.connection_for_write()
            # Only one attempt: kombu sleeps for seconds in between, in a thread with other work.
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

    `timeout_s` is for a process that must not wait: it bounds each exchange with the broker and
    allows one attempt only. None keeps the worker's long timeouts.
    """
    use_for_messages()
    # The loader is named, because CELERY_LOADER may belong to another program. Fix-ups are off,
    # because with DJANGO_SETTINGS_MODULE Celery would set up another program's Django.
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
