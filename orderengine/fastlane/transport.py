"""kombu's Redis transport without the features that this engine does not use.

The measured savings are in `docs/decisions/0013-lean-broker.md`.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import chain, groupby
from operator import itemgetter
from queue import Empty
from typing import Any

from celery.app.amqp import AMQP
from celery.canvas import Signature
from kombu import Consumer
from kombu.exceptions import OperationalError
from kombu.transport import redis
from redis import RedisError

from orderengine.dispatch.improper import Reason, drop
from orderengine.dispatch.messages import Message
from orderengine.fastlane.commands import FastCommands
from orderengine.fastlane.encoding import encoded
from orderengine.fastlane.held import handing_on
from orderengine.fastlane.messages import queue_of, read_message
from orderengine.redis.commands import Script
from orderengine.redis.probe import probe

CONTROL_SUFFIX = ".pidbox"
"""The suffix of the queues that carry commands to the workers."""

# A script, because servers older than 7.0 have no LMPOP.
_EXCHANGE = Script(
    """
for i = 1, #ARGV, 2 do
  redis.call('LPUSH', ARGV[i], ARGV[i + 1])
end
for _, queue in ipairs(KEYS) do
  local taken = redis.call('RPOP', queue)
  if taken then
    return taken
  end
end
return false
"""
)


class Channel(redis.Channel):
    """A channel that keeps one client and needs no routing table.

    kombu makes a new client object for each command, and reads the routing table from Redis for
    each message. The client is safe to share, because its connections come from a pool. Here every
    exchange is direct and leads to the one queue of the same name.
    """

    # JSON in JSON needs no base64 around it; each message says how its own body is encoded.
    body_encoding: Any = None

    _shared_client: Any = None
    _commands: FastCommands | None = None

    def _create_client(self, asynchronous: bool = False) -> Any:  # noqa: FBT001, FBT002 - kombu's
        if asynchronous:
            return super()._create_client(asynchronous=True)  # type: ignore[misc]
        if self._shared_client is None or self._shared_client.connection_pool is not self.pool:
            self._shared_client = super()._create_client()  # type: ignore[misc]
        return self._shared_client

    def _lookup(self, exchange: str, routing_key: str, default: str | None = None) -> list[str]:
        if exchange == routing_key:
            return [routing_key]
        return list(super()._lookup(exchange, routing_key, default))

    def _put(self, queue: str, message: Any, **kwargs: Any) -> None:
        # A queue of answers to an operator expires, and kombu's own `_put` sets its expiry.
        if self._expires or kwargs.get("_publish_batch") is not None:  # type: ignore[attr-defined]
            super()._put(queue, message, **kwargs)
            return
        with self.conn_or_acquire() as client:
            client.lpush(queue, encoded(message))

    @property
    def is_asking(self) -> bool:
        """True from the event loop's request for a message until it has read the answer."""
        return bool(self._in_poll)

    def consumed_queues(self) -> list[str]:
        """The queues consumed now, in the order in which they are polled."""
        queues: list[str] = self._queue_cycle.consume(  # type: ignore[attr-defined]
            len(self.active_queues)
        )
        return queues

    def exchange(self, messages: Sequence[Message], queues: Sequence[str]) -> Message | None:
        """Send messages, then take the oldest message of the first non-empty queue."""
        sent = [(queue_of(message), encoded(message)) for message in messages]
        commands = self._own_commands
        if not queues:
            for queue, texts in groupby(sent, key=itemgetter(0)):
                commands.send("LPUSH", queue, *(text for _, text in texts))
            return None
        taken = commands.run(_EXCHANGE, list(queues), list(chain.from_iterable(sent)))
        while taken is not None:
            message = read_message(taken, queues)
            if message is not None:
                return message
            taken = commands.run(_EXCHANGE, list(queues), ())
        return None

    def probe(self, queues: Sequence[str]) -> None:
        """Check that these queues accept and return messages; raises the server's refusal."""
        probe(self._own_commands, queues)

    def lrange(self, name: str, start: int, end: int) -> Sequence[bytes]:
        """Items of a list, read over the connections of the exchanges.

        A former primary that became a replica would return messages that nobody takes.
        """
        items: Sequence[bytes] = self._own_commands.send("LRANGE", name, start, end)
        return items

    @property
    def demotions(self) -> int:
        """How often a server that is no longer a primary answered an exchange or a probe."""
        return self._own_commands.demotions

    @property
    def _own_commands(self) -> FastCommands:
        commands = self._commands
        if commands is None:
            commands = self._commands = FastCommands(self.pool)
        return commands

    def _disconnect_pools(self) -> None:
        commands, self._commands = self._commands, None  # kombu makes another pool
        if commands is not None:
            commands.drop_idle()
        super()._disconnect_pools()  # type: ignore[misc]

    def _brpop_read(self, **options: Any) -> bool:
        """Take one message from a Redis answer, as kombu does, with a faster reader."""
        try:
            try:
                answer = self.client.parse_response(self.client.connection, "BRPOP", **options)
            except self.connection_errors:  # type: ignore[attr-defined]
                self.client.connection.disconnect()
                raise
            if not answer:
                raise Empty
            queue, text = answer[0].decode(), answer[1]
            self._queue_cycle.rotate(queue)  # type: ignore[attr-defined]
            message = read_message(text)
            if message is not None:
                self.connection._deliver(message, queue)  # noqa: SLF001 - kombu's
        finally:
            self._in_poll = None
            self._flush_brpop_reauth()  # type: ignore[attr-defined]
        return True


class Transport(redis.Transport):
    """The transport of these channels.

    Every Redis error counts as a lost connection. A demoted primary, a full disk or a missing right
    passes like an outage, and the address may lead to another server by then. kombu treats most of
    these errors as channel errors, which end a worker.
    """

    Channel = Channel
    connection_errors = (*redis.Transport.connection_errors, RedisError, OperationalError)

    def register_with_event_loop(self, connection: Any, loop: Any) -> None:
        """Read the broker's answers in the worker's event loop."""
        super().register_with_event_loop(connection, _KnownReaders(loop))

    def _deliver(self, message: Any, queue: str | None) -> None:
        """Deliver a message to its queue's consumer; drop a message that cannot be handled."""
        try:
            super()._deliver(message, queue)
        except (RedisError, OperationalError, OSError):
            raise
        except Exception as error:  # noqa: BLE001 - whatever it holds, it must not end a worker
            is_command = (queue or "").endswith(CONTROL_SUFFIX)
            reason = Reason.CONTROL if is_command else Reason.UNREADABLE
            drop(reason, f"{type(error).__name__}: {error}", message, queue)


class _KnownReaders:
    """An event loop that skips registering a socket which it already watches.

    kombu registers every socket again at each turn of the loop, and each time a system call fails.
    """

    def __init__(self, loop: Any) -> None:
        self._loop = loop

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)

    def add_reader(self, fd: int, callback: Any, *args: Any) -> None:
        if self._loop.readers.get(fd) != (callback, args):
            self._loop.add_reader(fd, callback, *args)


class _UnacknowledgedConsumer(Consumer):
    no_ack = True


class LeanAMQP(AMQP):
    """Celery's messaging without acknowledgements: taking a message removes it from the broker."""

    Consumer = _UnacknowledgedConsumer

    def _retry_publish(self, publish: Callable[..., Any], *args: Any, **options: Any) -> Any:
        # Celery calls this to send the next stage: a handover, which the pool may keep.
        step = getattr(publish, "__self__", None)
        with handing_on():
            if type(step) is not Signature or step.immutable:
                return super()._retry_publish(publish, *args, **options)  # type: ignore[misc]
            # The result of `Signature.apply_async`, without its lookup of the task and its options.
            (results,) = args
            step_args = (*results, *step.args)
            return self.app.send_task(
                step["task"], step_args, step.kwargs, **step.options | options
            )

    def as_task_v2(self, *values: Any, **options: Any) -> Any:
        """Make a message whose shown arguments start with the order, not with a page of quotes."""
        _task_id, _name, arguments, named, *_ = values
        told = {"argsrepr": told_arguments(arguments or ()), "kwargsrepr": repr(named or {})}
        return super().as_task_v2(*values, **options | told)


ROUTED = ("orderId", "version", "cause")
HANDED_ON = ("orderId", "version", "attempt", "dex", "signature")


def told_arguments(args: Sequence[Any]) -> str:
    """The arguments of a task as Flower and the logs show them, beginning with order and version.

    A handover is shown as its order, version, attempt, venue and signature, a group as its
    handovers one after another.
    """
    handed = args[0] if args and isinstance(args[0], list) else args[:1]
    if handed and all(isinstance(each, Mapping) for each in handed):
        told = [(name, each.get(name)) for each in handed for name in HANDED_ON]
    else:
        told = list(zip(ROUTED, args, strict=False))
    return f"({', '.join(f'{name}={value}' for name, value in told if value is not None)})"
