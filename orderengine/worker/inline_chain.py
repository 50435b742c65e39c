"""Runs the later stages of a chain inline: in the thread that has their orders in hand.

Through the broker, each stage costs a message, two turns of the event loop and a change of threads.
See `docs/decisions/0107-inline-stages.md`.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import structlog
from celery import Task
from celery.exceptions import Ignore, Reject, Retry
from celery.utils import uuid

from orderengine.redis.queues import SETTLE
from orderengine.worker.arguments import Handed
from orderengine.worker.task_events import TaskEvents

log = structlog.get_logger(__name__)

Link = Mapping[str, Any]
"""A later stage of a chain, as a message holds it: a signature in its JSON form."""

_DELIVERY = {"exchange": "", "routing_key": SETTLE}
"""Another try of an inline stage goes to this queue."""
_PLAIN_OPTIONS = frozenset({"queue", "argsrepr", "kwargsrepr"})
"""A stage with any other option, such as a delay, is left to Celery."""


class InlineChain:
    """Runs stage after stage of a chain while each one may follow at once.

    Each stage is the Celery task that its message would have started, with a request, an ID and
    events of its own, and its other tries go through the broker. Celery sends a stage that is put
    off or has other options.
    """

    def __init__(self, events: TaskEvents) -> None:
        self._events = events
        self._is_open = True

    def close(self) -> None:
        """Leave all later stages to Celery from now on, so that a worker which stops ends soon."""
        self._is_open = False

    def run_rest(self, task: "Task[Any, Any]", handed: Handed | None) -> Handed | None:
        """Run the stages that follow in the chain of this task, whose result was `handed`.

        Returns the argument of the stage that Celery is to send next, if one is left.
        """
        request: Any = task.request
        root_id, parent_id = request.root_id or request.id, request.id
        while handed is not None and (stage := self._next_stage(task.app, request.chain)):
            *rest, link = request.chain
            with _own_request(stage, handed, rest, root_id, parent_id):
                parent_id = stage.request.id
                handed = self._run(stage, link, handed)
                request.chain = None if handed is None else stage.request.chain
        return handed

    def _next_stage(self, app: Any, chain: Any) -> "Task[Any, Any] | None":
        if not self._is_open or not chain or not _is_plain(chain[-1]):
            return None
        stage: Task[Any, Any] | None = app.tasks.get(chain[-1]["task"])
        return stage

    def _run(self, stage: "Task[Any, Any]", link: Link, handed: Handed) -> Handed | None:
        """The result of a stage; None if the chain has ended, or goes on by another message."""
        self._events.send_started(stage, link["options"])
        began = time.monotonic()
        try:
            result: Handed | None = stage.run(handed)
        except Ignore as end:
            self._events.send_succeeded(stage, f"chain ended: {end}", time.monotonic() - began)
        except Retry as again:
            self._events.send_retried(stage, again)
        except Exception as error:  # noqa: BLE001 - the stages before it have succeeded
            _tell_failure(stage, handed, error)
            self._events.send_failed(stage, error)
        else:
            self._events.send_succeeded(stage, result, time.monotonic() - began)
            return result
        return None


def _is_plain(link: Link) -> bool:
    """Whether a stage is to run as soon as the one before it has ended, with its result alone.

    `worker.arguments` has checked that the link has these parts.
    """
    options = link["options"]
    return (
        options.get("queue") == SETTLE
        and options.keys() <= _PLAIN_OPTIONS
        and not link["args"]
        and not link["kwargs"]
    )


@contextmanager
def _own_request(
    stage: "Task[Any, Any]", handed: Handed, rest: list[Any], root_id: str, parent_id: str
) -> Iterator[None]:
    stage.push_request(
        id=uuid(),
        args=(handed,),
        kwargs={},
        chain=rest,
        root_id=root_id,
        parent_id=parent_id,
        delivery_info=_DELIVERY,
        called_directly=False,
    )
    try:
        yield
    finally:
        stage.pop_request()


def _tell_failure(stage: "Task[Any, Any]", handed: Handed, error: Exception) -> None:
    for order in handed if isinstance(handed, list) else [handed]:
        told = {"order_id": order.get("orderId"), "stage": stage.name.removesuffix("_order")}
        if isinstance(error, Reject):
            # Recovery tries again later.
            log.warning("dispatch_unavailable", error=str(error), **told)
        elif not isinstance(error, stage.throws):  # those are logged where they are raised
            log.error("stage_failed", exc_info=error, **told)


def stage_class(inline: InlineChain) -> type:
    """Make the class of the tasks after which their thread runs the later stages."""

    class Stage(Task):  # type: ignore[type-arg]
        abstract = True

        def __call__(self, *args: Any, **named: Any) -> Any:
            return inline.run_rest(self, self.run(*args, **named))

    return Stage
