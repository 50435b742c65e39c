"""kombu's Redis transport without what this engine does not need of it.

What it saves was measured: see `docs/decisions/0013-lean-broker.md`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from celery.app.amqp import AMQP
from kombu import Consumer
from kombu.transport import redis


class Channel(redis.Channel):
    """A channel that keeps its client and knows where a message goes.

    kombu makes a new client object for each command, and reads the routing table from Redis for
    each message. The client is safe to share, since its connections come from a pool; and here
    every exchange is direct and leads to the one queue of its name.
    """

    _shared_client: Any = None

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


class Transport(redis.Transport):
    """The transport of such channels."""

    Channel = Channel

    def register_with_event_loop(self, connection: Any, loop: Any) -> None:
        """Read the broker's answers in a worker's event loop."""
        super().register_with_event_loop(connection, _KnownReaders(loop))


class _KnownReaders:
    """An event loop that is not told again what it knows.

    kombu adds every socket anew each time the loop turns, at the cost of a system call that fails.
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
    """Celery's messaging; what a worker takes is noted nowhere, so nothing is acknowledged."""

    Consumer = _UnacknowledgedConsumer

    def as_task_v2(self, *values: Any, **options: Any) -> Any:
        """Make a message that shows its order first, and not a page of quotes."""
        _task_id, _name, arguments, *_ = values
        return super().as_task_v2(*values, **options | {"argsrepr": told_arguments(arguments)})


ROUTED = ("orderId", "version", "cause")
HANDED_ON = ("orderId", "version", "attempt", "dex", "signature")


def told_arguments(args: Sequence[Any]) -> str:
    """The arguments of a task as Flower and the logs show them: the order, its version, the rest.

    A handover is told by its order, version and attempt.
    """
    if args and isinstance(args[0], Mapping):
        told = {name: args[0].get(name) for name in HANDED_ON}
    else:
        told = dict(zip(ROUTED, args, strict=False))
    shown = [f"{name}={value}" for name, value in told.items() if value is not None]
    return f"({', '.join(shown)})"
