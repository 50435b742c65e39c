"""Celery's thread pool, with threads for what waits for slots, and a loop that wakes in time."""

from collections.abc import Callable
from typing import Any

from celery.concurrency import thread
from celery.worker.state import reserved_requests
from kombu.asynchronous import get_event_loop

LEAST_SPARE = 2


def threads_for(slots: int) -> int:
    """The threads of a worker with so many slots."""
    return slots + max(LEAST_SPARE, slots // 2)


class TaskPool(thread.TaskPool):
    """Celery's thread pool for `limit` slots, with half as many threads again.

    A thread whose orders have no slots yet waits. With only as many threads as slots, new orders
    could wait in all of them, and the next stage of an order, which goes first, would find none.
    `execution.chain.slots` still bounds the orders in hand.

    The worker takes a message for a free thread only (`worker_disable_prefetch`). If none was free
    when it last asked, the end of a task wakes its event loop: in Celery's own pool the next
    message waits for the loop's next timer. Otherwise the loop waits for a message already, and a
    turn of it would only take the interpreter from a thread.
    """

    is_full: Callable[[], bool] = staticmethod(lambda: False)
    """Whether another new order would only wait, in one more thread."""

    def __init__(self, limit: int, *args: Any, **options: Any) -> None:
        super().__init__(threads_for(limit), *args, **options)
        self._is_awaited = False

    @property
    def num_processes(self) -> int:
        """How many messages the worker may take at once: none while the pool is full.

        Meanwhile a group takes along the orders of the messages that are left in the queue. These
        need no thread then.
        """
        taken = 0 if self.is_full() else self.limit
        # Celery compares them after this, so a task that ends in between is noticed by one of both.
        self._is_awaited = len(reserved_requests) >= taken
        return taken

    def on_apply(self, *args: Any, **options: Any) -> Any:
        """Run a task in a thread."""
        result: Any = super().on_apply(*args, **options)
        result.f.add_done_callback(self._ended)
        return result

    def _ended(self, _: object) -> None:
        if self._is_awaited:
            wake_loop()


def wake_loop(_: object = None) -> None:
    """Let the event loop look at once whether the worker may take a message."""
    loop = get_event_loop()
    if loop is not None:
        loop.call_soon(look_again)


def look_again() -> None:
    """Do nothing: waking the loop is enough, since it takes messages before it waits again."""
