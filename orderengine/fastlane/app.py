"""The Celery application of the fast lane."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Lock
from typing import Any

from celery import chain
from celery.utils import uuid
from kombu.serialization import dumps

from orderengine.dispatch.app import EngineCelery, Room, create_app
from orderengine.dispatch.messages import Message
from orderengine.dispatch.waiting import Lists
from orderengine.fastlane.encoding import use_for_messages
from orderengine.fastlane.held import gathering, hold
from orderengine.redis.queues import INTAKE, SETTLE

TRANSPORT = "orderengine.fastlane.transport:Transport"
MESSAGING = "orderengine.fastlane.transport:LeanAMQP"
POOL = "orderengine.fastlane.pool:TaskPool"
FEED = "orderengine.fastlane.pool:Feed"

_SAID = frozenset(
    {"task_id", "root_id", "parent_id", "reply_to", "chain", "queue"}
    | {"countdown", "expires", "retries"}
)
"""The options of a stage; any other option falls back to Celery's own `send_task`."""
_UNSAID = frozenset({"task_type", "result_cls", "retry", "serializer", "ignore_result"})
"""Options that are ignored: the same for every stage, or useless without a result."""
_PERSISTENT = 2


class FastCelery(EngineCelery):
    """Celery with a shorter path for sending the stages' messages; the messages are the same.

    The shorter path skips the routers, declarations, retries, signals and options that Celery looks
    up again for each message: see `docs/decisions/0035-lean-processes.md`.
    """

    request_class = "orderengine.fastlane.requests:UnacknowledgedRequest"

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._channel: Any = None
        self._first_use = Lock()
        self.room: Room | None = None

    def bound_orders(self, room: Room) -> None:
        """Take messages while there is room; a thread leaves it after its last stage in a row."""
        self.room = room

    def send_task(  # type: ignore[override]  # its options are taken as they come
        self, name: str, args: Any = None, kwargs: Any = None, **options: Any
    ) -> Any:
        """Send a task by its name; raises the same errors as Celery's own `send_task`."""
        given = {key: value for key, value in options.items() if value is not None}
        said = given.keys() - _UNSAID
        queue = given.get("queue")
        if not isinstance(queue, str) or not said <= _SAID:
            return super().send_task(name, args, kwargs, **options)
        return self.AsyncResult(self._send(name, args, kwargs, {key: given[key] for key in said}))

    def _send(self, name: str, args: Any, kwargs: Any, said: dict[str, Any]) -> str:
        """Send a task, or hold it; returns its ID. `said` are options, with the queue."""
        queue, task_id = said.pop("queue"), said.pop("task_id", None) or uuid()
        headers, properties, body, _ = self.amqp.as_task_v2(
            task_id, name, args, kwargs, ignore_result=True, **said
        )
        message = _message(queue, headers, properties, body)
        if not hold(message):
            self.exchange([message])
        return str(task_id)

    def send_chain(self, stages: chain, **options: Any) -> None:
        """Send the first stage of a chain, with the others in its message.

        Celery's own `apply_async` also clones each stage and gives it an ID for its result, which
        takes four times as long.
        """
        first, *rest = stages.tasks
        said = {**first.options, **options, "chain": rest[::-1]}
        self._send(first["task"], first.args, first.kwargs, said)

    def send_chains(self, chains: Sequence[chain], **options: Any) -> None:
        """Send the first stages of several chains in one exchange with the broker."""
        with gathering() as messages:
            for stages in chains:
                self.send_chain(stages, **options)
        self.exchange(messages)

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

    def probe(self, connection: Any = None) -> None:
        """Check that the broker accepts orders' messages, over the connections that carry them."""
        if connection is not None:
            connection.default_channel.probe((SETTLE, INTAKE))
            return
        channel = self._sending_channel()
        with channel.connection.client._reraise_as_library_errors():  # noqa: SLF001 - kombu's
            channel.probe((SETTLE, INTAKE))

    @property
    def demotions(self) -> int:
        """How often a server that is no longer a primary has answered."""
        return 0 if self._channel is None else int(self._channel.demotions)

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


def create_fast_celery(broker_url: str, timeout_s: float | None = None) -> FastCelery:
    """Make the fast lane's application; see `dispatch.app.create_app`."""
    use_for_messages()
    app = create_app(FastCelery, broker_url, timeout_s, amqp=MESSAGING)
    app.conf.update(broker_transport=TRANSPORT, worker_pool=POOL)
    app.steps["consumer"].add(FEED)
    return app
