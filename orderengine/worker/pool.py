"""The worker's threads, and what they take from Celery's requests to run them."""

import threading
import time
from typing import Any

import structlog
from billiard.einfo import ExceptionWithTraceback  # type: ignore[attr-defined]
from celery import bootsteps
from celery.concurrency import thread
from celery.concurrency.base import apply_target
from celery.exceptions import Ignore, InvalidTaskError
from celery.worker.consumer.tasks import Tasks
from celery.worker.request import Request
from kombu.asynchronous import get_event_loop

from orderengine.dispatch.dispatcher import BROKER_ERRORS
from orderengine.dispatch.held import Message, holding, queue_of
from orderengine.worker.arguments import fault_of_body

log = structlog.get_logger(__name__)


class Feed(bootsteps.StartStopStep):
    """Lets the pool take messages, as long as the consumer of this worker has a connection."""

    requires = (Tasks,)

    def include_if(self, consumer: Any) -> bool:
        """True with this module's pool; with another one Celery takes the messages as ever."""
        return isinstance(consumer.pool, TaskPool)

    def start(self, consumer: Any) -> None:
        """Begin."""
        channel, pool = consumer.task_consumer.channel, consumer.pool
        # In place of what Celery does for `worker_disable_prefetch`, which counts requests. The
        # answer to a question that was asked is read in any case: it may hold a message, and with
        # threads that feed themselves it could be long until the loop finds a slot free again.
        channel.qos.can_consume = lambda: pool.has_free_slot() or channel.is_asking
        pool.intake = Intake(consumer.hub, channel)

    def stop(self, consumer: Any) -> None:
        """End: what runs ends, and the next stage of its order waits for another worker."""
        consumer.pool.intake = None


class Intake:
    """The queues of a worker, as a thread of its pool takes messages from them."""

    def __init__(self, loop: Any, channel: Any) -> None:
        self._loop = loop
        self._channel = channel

    def queues(self) -> list[str]:
        """Those that are consumed now, the most urgent one first."""
        consumed: list[str] = self._channel.consumed_queues()
        return consumed

    def deliver(self, message: Message) -> None:
        """Do with a message what the event loop does: in the end it is applied to the pool."""
        deliver = self._channel.connection._deliver  # noqa: SLF001 - kombu's
        if is_put_off(message):
            # The timers are the loop's, which drops them when the connection is lost.
            self._loop.call_soon(deliver, message, queue_of(message))
        else:
            deliver(message, queue_of(message))


Job = tuple[Any, ...]
"""What `apply_target` takes."""


class _ThreadState(threading.local):
    asks = False
    job: Job | None = None


class TaskPool(thread.TaskPool):
    """Celery's thread pool, whose threads take their next message themselves.

    The event loop takes a message for a thread that is idle. A thread that has ended a task runs
    the next stage of the order, or else takes another message: on the way through the loop a
    message costs as much again as its stage. See `docs/decisions/0041-threads-feed.md`.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.intake: Intake | None = None
        self._lock = threading.Lock()
        self._taken = 0
        self._waiting = 0
        self._thread = _ThreadState()

    def has_free_slot(self) -> bool:
        """True if a message that the loop takes now is run at once; a hint, without a lock."""
        return self._taken < int(self.limit)

    def on_apply(
        self,
        target: Any,
        args: Any = None,
        kwargs: Any = None,
        callback: Any = None,
        accept_callback: Any = None,
        **_: Any,
    ) -> Any:
        """Run a task: in this thread, if it is one of the pool's that asks for its next."""
        job = (target, args or (), kwargs, callback, accept_callback)
        here = self._thread
        if here.asks and here.job is None:
            here.job = job
            return None
        with self._lock:
            self._taken += 1
            self._waiting += 1
        future = self.executor.submit(self._run, job)  # type: ignore[attr-defined]
        return thread.ApplyResult(future)  # type: ignore[attr-defined]

    def _run(self, first: Job) -> None:
        with self._lock:
            self._waiting -= 1
        job: Job | None = first
        try:
            while job is not None:
                with holding() as messages:
                    _run_task(job)
                job = self._next(messages)
        finally:
            with self._lock:
                self._taken -= 1
            _wake_loop()

    def _next(self, messages: list[Message]) -> Job | None:
        """The next job of a thread; None if there is none, or if another one waits for a thread."""
        try:
            return self._handed_on(messages) or self._taken_next(messages)
        except BROKER_ERRORS as error:
            # Perhaps it took them and only its answer is missing. The rows of the orders know.
            told = [message["headers"]["argsrepr"] for message in messages]
            log.warning("broker_unavailable", error=str(error), handed_on=told)
        except Exception:
            log.exception("turn_broke_off")
        return None

    def _handed_on(self, messages: list[Message]) -> Job | None:
        """The next stage of the order in hand, if it may run here and now; it is then not sent.

        It goes before anything that is new: on the way through the broker its message would come
        back to this thread at best.
        """
        intake = self.intake
        if intake is None or self._waiting or len(messages) != 1 or is_put_off(messages[0]):
            return None
        if queue_of(messages[0]) not in intake.queues():
            return None  # an operator had this worker leave the queue, or the connection is lost
        return self._delivered(intake, messages.pop())

    def _taken_next(self, messages: list[Message]) -> Job | None:
        """Send what is handed on, and take a message that can be run, if nothing else waits."""
        while True:
            intake = None if self._waiting else self.intake
            if intake is None:
                if messages:
                    self.app.exchange(messages)
                return None
            taken = self.app.exchange(messages, intake.queues())
            messages.clear()
            if taken is None:
                return None
            job = self._delivered(intake, taken)
            if job is not None:
                return job

    def _delivered(self, intake: Intake, message: Message) -> Job | None:
        """The job of a message; None for one that is run later, or never."""
        here = self._thread
        here.asks = True
        try:
            intake.deliver(message)
        except Exception:
            log.exception("message_unreadable", arguments=message["headers"].get("argsrepr"))
        finally:
            job, here.asks, here.job = here.job, False, None
        return job


class UnacknowledgedRequest(Request):
    """A message that was gone from the broker when it was taken: there is nothing to answer.

    Celery's own request has the event loop look for the message it acknowledges, once a task, and
    its body read twice.
    """

    def __init__(self, message: Any, **options: Any) -> None:
        body = message.payload
        if fault := fault_of_body(message.headers.get("task"), body):
            raise InvalidTaskError(fault)
        super().__init__(message, **options)
        self._body = body
        self._content_type = self._content_encoding = None

    def on_failure(self, exc_info: Any, *args: Any, **options: Any) -> Any:
        """Tell how the task ended, also one that ended its chain.

        Celery tells nobody of those, and Flower would show them as running for ever.
        """
        told = super().on_failure(exc_info, *args, **options)
        end = exc_info.exception
        if isinstance(end, ExceptionWithTraceback):
            end = end.exc
        if isinstance(end, Ignore):
            ending = f"chain ended: {end}"
            runtime = time.time() - (self.time_start or time.time())
            self.send_event("task-succeeded", result=ending, runtime=runtime)
        return told

    def acknowledge(self) -> None:
        """Do nothing."""
        self.acknowledged = True

    def reject(self, requeue: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002 - Celery's
        """Do nothing: the order's row brings it back."""
        self.acknowledged = True


def _run_task(job: Job) -> None:
    try:
        apply_target(*job)
    except Exception:
        # Not the task's own, which Celery has told: its row brings the order back.
        log.exception("task_broke_off")


def is_put_off(message: Message) -> bool:
    """True if a message has a time before which it must not be run."""
    return message["headers"].get("eta") is not None


def _wake_loop() -> None:
    loop = get_event_loop()
    if loop is not None:
        loop.call_soon(look_again)


def look_again() -> None:
    """Do nothing: what the loop is woken for is what it does before it waits again."""
