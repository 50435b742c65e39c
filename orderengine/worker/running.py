"""Runs a stage for the orders of one task, and turns each order's result into what follows.

What follows is the next stage, another try, or the end of the order's chain.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import structlog
from celery import Task
from celery.exceptions import Ignore, Reject
from celery.utils import uuid
from celery.utils.time import get_exponential_backoff_interval
from structlog.contextvars import bound_contextvars

from orderengine.dispatch.names import request_id_of, root_id_for
from orderengine.domain.errors import StorageUnavailable, TransientFault
from orderengine.execution.chain.engine import ChainEnds, Named, logging_of
from orderengine.execution.chain.groups import together
from orderengine.execution.chain.slots import Slots
from orderengine.execution.chain.stages import Tries

log = structlog.get_logger(__name__)

# By default all tries of a stage end before recovery takes the order over.
STAGE_RETRIES = 1
RETRY_DELAY_MAX_S = 1

N = TypeVar("N", bound=Named)
R = TypeVar("R")
Work = Callable[[Sequence[N]], Sequence[R | Exception]]


def tries_of(task: "Task[Any, Any]") -> Tries:
    """How often this stage was tried before, and how many tries are left."""
    made = task.request.retries
    return Tries(made=made, left=made < (task.max_retries or 0))


@dataclass(frozen=True)
class Message(Generic[N]):
    """The orders of one task at one stage, which came by a message or from the stage before.

    `arguments` gives the arguments of a message for some of these orders, or for one order at a
    time if `one_by_one`. `is_whole` says that the message names exactly these orders, so that
    another try of it is another try for them.
    """

    task: "Task[Any, Any]"
    stage: str
    orders: Sequence[N]
    arguments: Callable[[Sequence[N]], tuple[Any, ...]]
    one_by_one: bool = False
    is_whole: bool = True

    def run(self, slots: Slots, work: "Work[N, R]") -> list[R]:
        """Do the work, and return the results of the orders that go on.

        Raises Ignore if there are none: a plain return would run the next stage. The error of a
        single order is raised.
        """
        with self._logging():
            try:
                results = list(self._results(slots, work))
                if len(results) == 1 and self.is_whole and isinstance(results[0], Exception):
                    raise results[0]
            except ChainEnds as end:
                raise Ignore(str(end)) from end
            except (StorageUnavailable, TransientFault) as fault:
                for order in self.orders:
                    with logging_of(order):
                        tell_interrupted(fault)
                raise
            return self._going_on(results)

    def _results(self, slots: Slots, work: "Work[N, R]") -> Iterator[R | Exception]:
        """The results, with a slot for each order; a longer list than there are slots in parts."""
        for start in range(0, len(self.orders), slots.limit):
            part = self.orders[start : start + slots.limit]
            slots.hold(len(part))
            try:
                yield from together(work, part)
            except (StorageUnavailable, TransientFault) as fault:
                if len(part) == len(self.orders):
                    raise
                # The results of the other parts count nonetheless.
                yield from [fault] * len(part)

    def _going_on(self, results: Sequence[R | Exception]) -> list[R]:
        going_on: list[R] = []
        ends: list[str] = []
        again: list[N] = []
        for order, result in zip(self.orders, results, strict=True):
            if not isinstance(result, Exception):
                going_on.append(result)
                continue
            ends.append(str(result))
            with logging_of(order):
                _tell_end(result)
            if isinstance(result, TransientFault):
                again.append(order)
        if again:
            self._try_again(again)
        if not going_on:
            raise Ignore("; ".join(ends))
        return going_on

    def _try_again(self, orders: Sequence[N]) -> None:
        """Send messages for another try of these orders alone; the others go on meanwhile."""
        made = self.task.request.retries
        delay_s = get_exponential_backoff_interval(1, made, RETRY_DELAY_MAX_S, full_jitter=True)
        for part in [[order] for order in orders] if self.one_by_one else [orders]:
            options: dict[str, Any] = {"countdown": delay_s, "task_id": uuid()}
            if len(part) == 1 and part[0].request_id is not None:
                options["root_id"] = root_id_for(part[0].request_id)
            try:
                self.task.retry(self.arguments(part), {}, throw=False, **options)
            except Reject as error:
                # Recovery tries again later.
                log.warning("dispatch_unavailable", error=str(error))

    @contextmanager
    def _logging(self) -> Iterator[None]:
        """Bind what all lines of this stage share: of a single order all that is known of it."""
        with ExitStack() as bound:
            bound.enter_context(bound_contextvars(stage=self.stage))
            if len(self.orders) == 1:
                bound.enter_context(bound_contextvars(**request_of(self.task)))
                bound.enter_context(logging_of(self.orders[0]))
            yield


def _tell_end(error: Exception) -> None:
    if isinstance(error, ChainEnds):
        log.info("chain_ended", reason=str(error))
    elif isinstance(error, StorageUnavailable | TransientFault):
        tell_interrupted(error)
    else:
        log.error("stage_failed", exc_info=error)


def tell_interrupted(fault: Exception) -> None:
    """Log that a server gave no answer, so that the stage is tried again, or recovery goes on."""
    log.warning("stage_interrupted", fault=type(fault).__name__, error=str(fault))


def request_of(task: "Task[Any, Any]") -> dict[str, str]:
    """The request that sent a message's chain, for log lines; empty for a chain of recovery."""
    request_id = request_id_of(task.request.root_id)
    return {} if request_id is None else {"request_id": request_id}
