"""The worker's thread pool, whose threads take their messages themselves."""

import threading
from typing import Any

import structlog
from celery import bootsteps
from celery.concurrency import thread
from celery.concurrency.base import apply_target
from celery.worker.consumer.tasks import Tasks
from kombu.asynchronous import get_event_loop

from orderengine.dispatch.app import BROKER_ERRORS
from orderengine.dispatch.messages import Message
from orderengine.fastlane.held import holding
from orderengine.fastlane.messages import is_put_off, queue_of

log = structlog.get_logger(__name__)


class Feed(bootsteps.StartStopStep):
    """Lets the pool take messages while the worker's consumer has a connection."""

    requires = (Tasks,)

    def include_if(self, consumer: Any) -> bool:
        """True with this module's pool; any other pool gets its messages from Celery as usual."""
        return isinstance(consumer.pool, TaskPool)

    def start(self, consumer: Any) -> None:
        """Begin."""
        channel, pool = consumer.task_consumer.channel, consumer.pool
        # Replaces Celery's check for `worker_disable_prefetch`, which counts requests. The answer
        # to a poll already sent is read in any case: it may hold a message, and with threads that
        # take their own messages it could take long until the loop finds a free slot.
        channel.qos.can_consume = lambda: pool.has_free_slot() or channel.is_asking
        pool.intake = Intake(consumer.hub, channel)

    def stop(self, consumer: Any) -> None:
        """Stop taking messages; running stages finish, their next stages go to other workers."""
        consumer.pool.intake = None


class Disconnected(Exception):
    """The worker's consumer has no connection now, and connects anew."""


class Intake:
    """The queues of a worker, from which a thread of its pool takes messages."""

    def __init__(self, loop: Any, channel: Any) -> None:
        self._loop = loop
        self._channel = channel

    def queues(self) -> list[str]:
        """The queues consumed now, most urgent first."""
        consumed: list[str] = self._channel.consumed_queues()
        return consumed

    def deliver(self, message: Message) -> None:
        """Deliver a message as the event loop does, which finally applies it to the pool.

        Raises Disconnected if the consumer has lost its connection meanwhile.
        """
        connection = self._channel.connection
        if connection is None:
            raise Disconnected
        deliver = connection._deliver  # noqa: SLF001 - kombu's
        if is_put_off(message):
            # Timers belong to the loop, which drops them when the connection is lost.
            self._loop.call_soon(deliver, message, queue_of(message))
        else:
            deliver(message, queue_of(message))


Job = tuple[Any, ...]
"""The arguments of `apply_target`."""


class _ThreadState(threading.local):
    asks = False
    job: Job | None = None


class TaskPool(thread.TaskPool):
    """Celery's thread pool with threads that take their next message themselves.

    The event loop takes messages for idle threads only, and only while this process has room for
    another order. A thread that finishes a task runs the next stage of its orders, or takes another
    message. Delivery through the loop would cost as much again as the stage itself. See
    `docs/decisions/0041-threads-feed.md`.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.intake: Intake | None = None
        self._lock = threading.Lock()
        self._taken = 0
        self._waiting = 0
        self._thread = _ThreadState()
        if self.app.room is not None:
            self.app.room.when_left(_wake_loop)

    def has_free_slot(self) -> bool:
        """True if the next message that the loop takes would run at once; a lock-free hint."""
        return self._taken < int(self.limit) and self._has_room()

    def on_apply(
        self,
        target: Any,
        args: Any = None,
        kwargs: Any = None,
        callback: Any = None,
        accept_callback: Any = None,
        **_: Any,
    ) -> Any:
        """Run a task: in this thread if it is asking for its next job, else in the executor."""
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
            self._leave_room()
            with self._lock:
                self._taken -= 1
            _wake_loop()

    def _next(self, messages: list[Message]) -> Job | None:
        """A thread's next job; None if there is none, or if another job waits for a thread."""
        try:
            job = self._handed_on(messages)
            if job is not None:
                return job
            self._leave_room()
            return self._taken_next(messages)
        except Disconnected:
            return None
        except BROKER_ERRORS as error:
            # Perhaps the broker accepted them and its answer is lost: the orders' rows decide.
            told = [message["headers"]["argsrepr"] for message in messages]
            log.warning("broker_unavailable", error=str(error), handed_on=told)
        except Exception:
            log.exception("turn_aborted")
        return None

    def _handed_on(self, messages: list[Message]) -> Job | None:
        """The next stage of the orders in hand, unsent, if it may run here and now.

        It runs before any new message. Sent through the broker, it would come back to this thread
        at best.
        """
        intake = self.intake
        if intake is None or self._waiting or len(messages) != 1 or is_put_off(messages[0]):
            return None
        if queue_of(messages[0]) not in intake.queues():
            return None  # an operator cancelled the queue in this worker, or the connection is lost
        return self._delivered(intake, messages.pop())

    def _taken_next(self, messages: list[Message]) -> Job | None:
        """Send the handovers, and take a message to run unless another job waits for a thread."""
        while True:
            intake = self.intake if self._has_room() and not self._waiting else None
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

    def _has_room(self) -> bool:
        room = self.app.room
        return room is None or room.is_left()

    def _leave_room(self) -> None:
        if self.app.room is not None:
            self.app.room.leave()

    def _delivered(self, intake: Intake, message: Message) -> Job | None:
        """The job of a message; None if it runs later, or never."""
        here = self._thread
        here.asks = True
        try:
            intake.deliver(message)
        except Disconnected:
            # Back into its queue, from which the first worker with a connection takes it.
            self.app.exchange([message])
            raise
        except Exception:
            log.exception("message_unreadable", arguments=message["headers"].get("argsrepr"))
        finally:
            job, here.asks, here.job = here.job, False, None
        return job


def _run_task(job: Job) -> None:
    try:
        apply_target(*job)
    except Exception:
        # Not the task's own error, which Celery logs. Recovery restores the order from its row.
        log.exception("task_aborted")


def _wake_loop() -> None:
    loop = get_event_loop()
    if loop is not None:
        loop.call_soon(_look_again)


def _look_again() -> None:
    """Do nothing: waking the loop is enough, since it takes messages before it waits again."""
