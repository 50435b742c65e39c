"""Dispatches work to the workers: the Celery chain of the stages, by task name."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from typing import Any, Protocol, TypeVar
from uuid import UUID

from celery.utils.time import get_exponential_backoff_interval
from structlog.contextvars import get_contextvars

from orderengine.dispatch.app import BROKER_ERRORS, EngineCelery
from orderengine.dispatch.chain import confirmation, order_chain, submission
from orderengine.dispatch.first_messages import FirstMessages
from orderengine.dispatch.names import root_id_for
from orderengine.dispatch.waiting import find_waiting
from orderengine.domain.errors import DispatchUnavailable
from orderengine.domain.moves import RoutingCause
from orderengine.execution.chain.handover import Built, Submitted, handed_on
from orderengine.redis.queues import INTAKE, SETTLE

T = TypeVar("T")

BACKOFF_MAX_MS = 30_000


class Circuit(Protocol):
    """A circuit breaker: remembers a recent failure, so that not every call waits for it."""

    @property
    def cause(self) -> str:
        """The cause of the last failure, in one word."""

    def allows(self) -> bool:
        """True if a call may be made now; the caller then reports its result."""

    def failed(self, error: Exception) -> None:
        """Report a call that got no answer."""

    def succeeded(self) -> None:
        """Report a call that got an answer."""


class CeleryDispatcher:
    """Implements `execution.ports.Dispatcher`; tries nothing while `circuit` is open."""

    def __init__(self, app: EngineCelery, circuit: Circuit) -> None:
        self._app = app
        self._circuit = circuit
        self._first_messages = cache(partial(FirstMessages, app))

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
        stages = order_chain(self._app, str(order_id), version, cause, again=again)
        options = _request_options()
        if delay_s:
            options["countdown"] = delay_s
        self._bounded(lambda: self._app.send_chain(stages, **options))

    def route_all(
        self,
        versions: Mapping[UUID, int],
        cause: RoutingCause,
        requests: Mapping[UUID, str | None] | None = None,
    ) -> None:
        """Start the chains of several orders at these versions, in one exchange, in their order.

        `requests` has the ids of the requests that placed them, if it is not the present one.
        """
        writer = self._first_messages(cause)
        present = _present_root_id()
        messages = [
            writer.write(
                order_id, version, present if requests is None else _root_id(requests[order_id])
            )
            for order_id, version in versions.items()
        ]
        self._bounded(lambda: self._app.push(writer.queue, messages))

    def submit_all(self, groups: Sequence[Sequence[Built]]) -> None:
        """Start the chain at the third stage for groups of built orders, in one exchange."""
        options = _request_options()
        chains = [(submission(self._app, handed_on(group)), options) for group in groups]
        self._bounded(lambda: self._app.send_chains(chains))

    def confirm(self, submitted: Submitted) -> None:
        """Start the last stage alone, as recovery does for a submitted order."""
        stage = confirmation(self._app, submitted.document())
        self._bounded(lambda: stage.apply_async(retry=False, **_request_options()))

    def ping(self) -> None:
        """Check that the broker accepts orders' messages; raises DispatchUnavailable if not."""
        self._bounded(self._app.probe)

    def waiting(self, wanted: Mapping[UUID, int]) -> set[UUID]:
        """Those of these orders that have a message of the given version in a queue.

        Raises QueuesTooLong if there are too many messages to read.
        """
        return self._bounded(lambda: find_waiting(self._app.lists, (SETTLE, INTAKE), wanted))

    def _bounded(self, call: Callable[[], T]) -> T:
        if not self._circuit.allows():
            raise DispatchUnavailable("the broker failed a moment ago", self._circuit.cause)
        try:
            answer = call()
        except BROKER_ERRORS as error:
            self._circuit.failed(error)
            self._app.leave(error)
            cause = self._circuit.cause
            raise DispatchUnavailable(f"the broker failed: {cause}", cause) from error
        self._circuit.succeeded()
        return answer


def _request_options() -> dict[str, Any]:
    """Names the request that placed the order, so that log lines of its stages carry its ID."""
    present = _present_root_id()
    return {} if present is None else {"root_id": present}


def _present_root_id() -> str | None:
    return _root_id(get_contextvars().get("request_id"))


def _root_id(request_id: str | None) -> str | None:
    return None if request_id is None else root_id_for(request_id)


def attempt_backoff(factor_ms: int) -> Callable[[int], float]:
    """The delay before an order's next attempt, in seconds, after attempt n.

    It is exponential, half of it jitter, and at most 30 s. A stage that Celery retries has its own
    delay: see `worker/tasks.py`.
    """

    def delay_s(attempt: int) -> float:
        half = get_exponential_backoff_interval(factor_ms, attempt - 1, BACKOFF_MAX_MS) // 2
        jitter = get_exponential_backoff_interval(half, 0, BACKOFF_MAX_MS, full_jitter=True)
        return (half + jitter) / 1000

    return delay_s
