"""Checks the messages of the queues before kombu reads them.

Some errors of kombu's reading end the connection or the worker. A callback of redis-py, which any
client can have, sees each answer of Redis first. See `docs/decisions/0070-stock-celery.md`.
"""

from collections.abc import Callable, Sequence
from typing import Any

from celery import bootsteps
from celery.worker.consumer.tasks import Tasks
from kombu.utils.json import loads

from orderengine.dispatch.improper import Reason, drop
from orderengine.dispatch.messages import fault_of, with_text

TAKE = "BRPOP"
"""The command with which kombu takes a message."""

Answer = Sequence[bytes] | None


class CheckedReading(bootsteps.StartStopStep):
    """Lets only proper messages through to kombu, from the start of each connection."""

    requires = (Tasks,)

    def start(self, consumer: Any) -> None:
        """Begin."""
        channel = consumer.task_consumer.channel
        channel.client.set_response_callback(TAKE, checked_by(channel))

    def stop(self, consumer: Any) -> None:
        """Do nothing: the client ends with its connection."""


def checked_by(channel: Any) -> Callable[..., Answer]:
    """A callback that drops a malformed message, and returns nothing instead of it."""

    def checked(answer: Answer, **_: Any) -> Answer:
        if not answer:
            return None
        queue, text = answer
        try:
            # Read as kombu will read it: whatever is wrong there is found here.
            message = loads(text.decode())
            fault = fault_of(with_text(message))
            if fault is None:
                channel.Message(message, channel=channel)
        except Exception as error:  # noqa: BLE001 - whatever it holds, it must not end a worker
            fault = f"{type(error).__name__}: {error}"
        if fault is None:
            return answer
        drop(Reason.UNREADABLE, fault, text, queue.decode())
        return None

    return checked
