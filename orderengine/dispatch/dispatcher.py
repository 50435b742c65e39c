"""Dispatches work to the workers: the Celery chain of the stages, by task name."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from uuid import UUID

from celery.canvas import Signature
from celery.utils.time import get_exponential_backoff_interval
from kombu.exceptions import LimitExceeded, OperationalError
from redis import RedisError
from structlog.contextvars import get_contextvars

from orderengine.dispatch.app import LeanCelery
from orderengine.dispatch.names import (
    BUILD_ORDER,
    CONFIRM_ORDER,
    INTAKE,
    ROUTE_ORDER,
    SETTLE,
    SUBMIT_ORDER,
    root_id_for,
)
from orderengine.dispatch.waiting import find_waiting
from orderengine.domain.errors import DispatchUnavailable
from orderengine.domain.moves import RoutingCause
from orderengine.execution.handover import Submitted
from orderengine.execution.ports import Circuit

T = TypeVar("T")

BROKER_ERRORS = (OperationalError, LimitExceeded, RedisError, OSError)
BACKOFF_MAX_MS = 30_000
AFTER_ROUTE = (CONFIRM_ORDER, SUBMIT_ORDER, BUILD_ORDER)
"""The rest of the chain, last stage first."""


class CeleryDispatcher:
    """Implements `execution.ports.Dispatcher`; tries nothing while `circuit` is open."""

    def __init__(self, app: LeanCelery, circuit: Circuit) -> None:
        self._app = app
        self._circuit = circuit
        self._rest = [self._stage(name, SETTLE) for name in AFTER_ROUTE]

    def route(
        self,
        order_id: UUID,
        version: int,
        cause: RoutingCause,
        delay_s: float = 0.0,
        *,
        again: bool = False,
    ) -> None:
        """Start the chain, after a delay; only new orders go through the intake queue."""
        queue = INTAKE if cause is RoutingCause.ORDER else SETTLE
        first = self._stage(ROUTE_ORDER, queue, str(order_id), version, cause.value)
        if again:
            first = first.clone(kwargs={"again": True})
        # Sends what `celery.chain` sends, which clones and freezes four signatures per order.
        self._send(first, delay_s, chain=self._rest)

    def confirm(self, submitted: Submitted) -> None:
        """Start the last stage alone, for a single poll of the network."""
        stage = self._stage(CONFIRM_ORDER, SETTLE, submitted.document())
        self._send(stage.clone(kwargs={"once": True}))

    def ping(self) -> None:
        """Check that the broker accepts orders' messages; raises DispatchUnavailable if not."""
        self._bounded(self._app.probe)

    def waiting(self, wanted: Mapping[UUID, int]) -> set[UUID]:
        """Those of these orders that have a message of the given version in a queue.

        Raises QueuesTooLong if there are too many messages to read.
        """

        def look() -> set[UUID]:
            with self._app.lists() as lists:
                return find_waiting(lists, (SETTLE, INTAKE), wanted)

        return self._bounded(look)

    def _stage(self, name: str, queue: str, *args: Any) -> Signature:
        return self._app.signature(name, args=args, options={"queue": queue})

    def _send(self, signature: Signature, delay_s: float = 0.0, **options: Any) -> None:
        if delay_s:
            options["countdown"] = delay_s
        request_id = get_contextvars().get("request_id")
        if request_id is not None:
            options["root_id"] = root_id_for(request_id)
        self._bounded(lambda: signature.apply_async(retry=False, **options))

    def _bounded(self, call: Callable[[], T]) -> T:
        if not self._circuit.allows():
            raise DispatchUnavailable("the broker failed a moment ago", self._circuit.cause)
        try:
            answer = call()
        except BROKER_ERRORS as error:
            self._circuit.failed(error)
            cause = self._circuit.cause
            raise DispatchUnavailable(f"the broker failed: {cause}", cause) from error
        self._circuit.succeeded()
        return answer


def retry_backoff(factor_ms: int) -> Callable[[int], float]:
    """The delay in seconds after attempt n: exponential, half of it jitter, at most 30 s."""

    def delay_s(attempt: int) -> float:
        half = get_exponential_backoff_interval(factor_ms, attempt - 1, BACKOFF_MAX_MS) // 2
        jitter = get_exponential_backoff_interval(half, 0, BACKOFF_MAX_MS, full_jitter=True)
        return (half + jitter) / 1000

    return delay_s
