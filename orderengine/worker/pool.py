"""Celery's thread pool, with threads for what waits for slots, and a loop that wakes in time."""

from collections.abc import Callable
from typing import Any

from celery.concurrency import thread
from kombu.asynchronous import get_event_loop

LEAST_SPARE = 2


def threads_for(slots: int) -> int:
    """The threads of a worker with so many slots."""
    return slots + max(LEAST_SPARE, slots // 2)


class TaskPool(thread.TaskPool):
    """Celery's thread pool for `limit` slots, with half as many threads again.

    A thread whose orders have no slots yet waits. With only as many threads as slots, new orders
    could wait in all of them, and a message of `settle`, which goes first, would find none.
    `execution.chain.slots` still bounds the orders in hand.

    The worker takes a message for a free thread only (`worker_disable_prefetch`). The end of a task
    wakes its event loop: in Celery's own pool the next message waits for the loop's next timer.
    """

    is_full: Callable[[], bool] = staticmethod(lambda: False)
    """Whether another new order would only wait, in one more thread."""

    def __init__(self, limit: int, *args: Any, **options: Any) -> None:
        super().__init__(threads_for(limit), *args, **options)

    @property
    def num_processes(self) -> int:
        """How many messages the worker may take at once: none while the pool is full.

        Meanwhile a group takes along the orders of the messages that are left in the queue. These
        need no thread then.
        """
        return 0 if self.is_full() else self.limit

    def on_apply(self, *args: Any, **options: Any) -> Any:
        """Run a task in a thread."""
        result: Any = super().on_apply(*args, **options)
        result.f.add_done_callback(wake_loop)
        return result


def wake_loop(_: object = None) -> None:
    """Let the event loop look at once whether the worker may take a message."""
    loop = get_event_loop()
    if loop is not None:
        loop.call_soon(look_again)


def look_again() -> None:
    """Do nothing: waking the loop is enough, since it takes messages before it waits again."""
