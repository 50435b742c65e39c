"""The Celery tasks: call the stage, turn its errors into a retry or the end of the chain."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import structlog
from celery import Celery, Task
from celery.exceptions import Ignore
from celery.worker.request import Request
from structlog.contextvars import bound_contextvars

from orderengine.dispatch.names import (
    BUILD_ORDER,
    CONFIRM_ORDER,
    ROUTE_ORDER,
    SUBMIT_ORDER,
    request_id_of,
)
from orderengine.domain.errors import NetworkUnavailable, StorageUnavailable, TransientFault
from orderengine.domain.moves import RoutingCause
from orderengine.execution.chain import stages
from orderengine.execution.chain.engine import ChainEnds, Engine, logging_as
from orderengine.execution.chain.handover import Built, Routed, Submitted
from orderengine.execution.chain.stages import PollResult
from orderengine.worker.arguments import read_handover
from orderengine.worker.requests import CheckedRequest

POLL_S = 0.3
QUICK_POLLS = 2
POLL_LIMIT_S = 12.0
FIRST_POLL_LIMIT_S = 6.0
LATE_AFTER_S = 5.0
"""A poll of the network that is this much too late is dropped."""

log = structlog.get_logger(__name__)

# Long enough for Flower to show order and version; showing a whole route costs time.
SHOWN_RESULT_CHARS = 70

# By default all tries of a stage end before recovery takes the order over.
STAGE_RETRIES = 1
RETRY_DELAY_MAX_S = 1

Document = dict[str, Any]


def register_tasks(
    app: Celery, engine: Callable[[], Engine], request: type[Request] = CheckedRequest
) -> None:
    """Add the four stages to a Celery application; `engine` is called when a task runs.

    A worker makes a `request` of each message before it runs the stage.
    """
    _register_stages(app, engine, request)
    _register_confirmation(app, engine, request)


def _register_stages(app: Celery, engine: Callable[[], Engine], request: type[Request]) -> None:
    transient: dict[str, Any] = {
        "bind": True,
        "shared": False,
        "Request": request,
        "resultrepr_maxsize": SHOWN_RESULT_CHARS,
        "autoretry_for": (TransientFault,),
        "retry_backoff": True,
        "retry_backoff_max": RETRY_DELAY_MAX_S,
        "retry_jitter": True,
        "max_retries": STAGE_RETRIES,
        "throws": (StorageUnavailable, TransientFault),
    }

    @app.task(name=ROUTE_ORDER, **transient)
    def route_order(
        task: "Task[Any, Any]", order_id: str, version: int, cause: str, *, again: bool = False
    ) -> Document:
        with _ending_chain(task, "route", order_id):
            routed = stages.route_order(
                engine(), UUID(order_id), version, RoutingCause(cause), _tries(task), again=again
            )
        return routed.document()

    @app.task(name=BUILD_ORDER, **transient)
    def build_order(task: "Task[Any, Any]", routed: Document) -> Document:
        with _ending_chain(task, "build", **_known(routed)):
            built = stages.build_order(engine(), read_handover(Routed.from_document, routed))
        return built.document()

    @app.task(name=SUBMIT_ORDER, **transient)
    def submit_order(task: "Task[Any, Any]", built: Document) -> Document:
        with _ending_chain(task, "submit", **_known(built)):
            submitted = stages.submit_order(
                engine(), read_handover(Built.from_document, built), _tries(task)
            )
        _put_off_first_look(task, engine().network.typical_confirmation_s)
        return submitted.document()


def _register_confirmation(
    app: Celery, engine: Callable[[], Engine], request: type[Request]
) -> None:
    @app.task(
        name=CONFIRM_ORDER,
        bind=True,
        shared=False,
        Request=request,
        max_retries=None,
        throws=(StorageUnavailable,),
    )
    def confirm_order(task: "Task[Any, Any]", submitted: Document, *, once: bool = False) -> None:
        """`once`: recovery asks for one poll; after sending the bytes again the task polls on."""
        typical_s = engine().network.typical_confirmation_s
        with _ending_chain(task, "confirm", **_known(submitted)):
            result = _poll(engine(), submitted)
        if result is PollResult.CONFIRMED or (once and result is PollResult.IN_FLIGHT):
            return
        # The delay before the chain's first poll counts as one wait.
        waits = task.request.retries + (not once and typical_s > POLL_S)
        delay_s = poll_delay_s(waits, typical_s)
        if delay_s is not None:
            # An expired poll is dropped: under a backlog more polls would only add to it, and
            # recovery polls for the order anyway.
            raise task.retry((submitted,), {}, countdown=delay_s, expires=delay_s + LATE_AFTER_S)


def _put_off_first_look(task: "Task[Any, Any]", typical_s: float) -> None:
    """Delay the chain's next stage until the transaction may have landed.

    A look before that would find nothing, and cost a message for the next look.
    """
    delay_s = poll_delay_s(0, typical_s)
    if typical_s > POLL_S and delay_s is not None:
        rest: Any = task.request.chain or ()
        for step in rest:
            step["options"] |= {"countdown": delay_s, "expires": delay_s + LATE_AFTER_S}


def _poll(engine: Engine, submitted: Document) -> PollResult:
    try:
        return stages.confirm_order(engine, read_handover(Submitted.from_document, submitted))
    except NetworkUnavailable as error:
        log.info("network_unavailable", error=str(error))
        return PollResult.IN_FLIGHT


def poll_delay_s(waits_made: int, typical_confirmation_s: float) -> float | None:
    """The delay before the next poll of the network, in seconds.

    The first delay is the typical confirmation time (at most 6 s), the next two are an eighth of it
    (at least 0.3 s), then they double: orders that wait for a slow network must leave capacity to
    those that can move. None when one message has polled for 12 s: from then on recovery polls,
    every 15 s.
    """
    first = min(max(POLL_S, typical_confirmation_s), FIRST_POLL_LIMIT_S)
    step = max(POLL_S, typical_confirmation_s / 8)
    waits = [first]
    while len(waits) <= waits_made:
        waits.append(step * 2.0 ** max(0, len(waits) - QUICK_POLLS))
        if sum(waits) > POLL_LIMIT_S:
            return None
    return waits[waits_made]


def _tries(task: "Task[Any, Any]") -> stages.Tries:
    made = task.request.retries
    return stages.Tries(made=made, left=made < (task.max_retries or 0))


def _known(handed: Document) -> dict[str, Any]:
    return {"order_id": handed["orderId"], "attempt": handed.get("attempt")}


@contextmanager
def _ending_chain(
    task: "Task[Any, Any]", stage: str, order_id: str, attempt: int | None = None
) -> Iterator[None]:
    """Turn the end of a chain into Ignore; a plain return would run the next stage.

    Every log line meanwhile, including those of libraries, carries the order's id, attempt and
    stage, and the id of the request that placed it.
    """
    with bound_contextvars(**_request_of(task)), logging_as(stage, order_id, attempt):
        try:
            yield
        except ChainEnds as end:
            raise Ignore(str(end)) from end
        except (StorageUnavailable, TransientFault) as fault:
            log.warning("stage_interrupted", fault=type(fault).__name__, error=str(fault))
            raise


def _request_of(task: "Task[Any, Any]") -> dict[str, str]:
    request_id = request_id_of(task.request.root_id)
    return {} if request_id is None else {"request_id": request_id}
