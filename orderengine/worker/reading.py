"""Checks the messages of the queues before kombu reads them.

Some errors of kombu's reading end the connection or the worker. A callback of redis-py, which any
client can have, sees each answer of Redis first. See `docs/decisions/0070-stock-celery.md`.

It also takes messages away for which nothing is left to do: a request, a thread and two turns of
the event loop cost more than the whole rest of such a message.
"""

from base64 import b64decode
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

from celery import bootsteps
from celery.worker.consumer.tasks import Tasks
from kombu.utils.json import loads

from orderengine.dispatch.improper import Reason, drop
from orderengine.dispatch.messages import fault_of, with_text
from orderengine.dispatch.names import ROUTE_ORDER
from orderengine.domain.json_text import json_value
from orderengine.domain.moves import RoutingCause
from orderengine.execution.chain.slots import Slots, Started

TAKE = "BRPOP"
"""The command with which kombu takes a message."""

Answer = Sequence[bytes] | None


Needless = Callable[[Mapping[str, Any]], bool]
"""Whether nothing is left to do for a message that has been checked."""


def checked_reading_step(slots: Slots) -> type:
    """Make the consumer's bootstep that lets only proper messages through to kombu.

    While somebody watches the tasks, all of them are let through, so that each has its events.
    """

    class CheckedReading(bootsteps.StartStopStep):
        requires = (Tasks,)

        def start(self, consumer: Any) -> None:
            consumer.pool.is_full = lambda: slots.is_full
            channel = consumer.task_consumer.channel

            def is_needless(message: Mapping[str, Any]) -> bool:
                started = None if consumer.tells_tasks else started_by(message)
                if started is None or not slots.took_along(started):
                    return False
                if others := slots.companions(started):
                    # Their messages follow: one command takes all of them.
                    consumer.app.take_back(others)
                return True

            channel.client.set_response_callback(TAKE, checked_by(channel, is_needless))

        def stop(self, consumer: Any) -> None:
            """Do nothing: the client ends with its connection."""

    return CheckedReading


def started_by(message: Mapping[str, Any]) -> Started | None:
    """The order that a message is to route, and its version, unless it is tried or sent again."""
    headers = message["headers"]
    if headers.get("task") != ROUTE_ORDER or headers.get("retries"):
        return None
    try:
        (order_id, version, cause), named, _ = json_value(b64decode(message["body"]))
        if cause != RoutingCause.ORDER or named or type(version) is not int:
            return None
        return UUID(order_id), version
    except (AttributeError, TypeError, ValueError):
        return None  # dropped as malformed later on


def checked_by(channel: Any, is_needless: Needless) -> Callable[..., Answer]:
    """A callback that drops a malformed message, and returns nothing instead of it.

    It returns nothing instead of a needless one either.
    """

    def checked(answer: Answer, **_: Any) -> Answer:
        if not answer:
            return None
        queue, text = answer
        try:
            # Read as kombu will read it: whatever is wrong there is found here.
            message = loads(text.decode())
            fault = fault_of(with_text(message))
            if fault is None:
                if is_needless(message):
                    return None
                channel.Message(message, channel=channel)
        except Exception as error:  # noqa: BLE001 - whatever it holds, it must not end a worker
            fault = f"{type(error).__name__}: {error}"
        if fault is None:
            return answer
        drop(Reason.UNREADABLE, fault, text, queue.decode())
        return None

    return checked
