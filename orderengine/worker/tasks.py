"""The Celery tasks: call the stage for the orders of a message, and hand on those that go on."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any
from uuid import UUID

import structlog
from celery import Celery, Task, signals

from orderengine.dispatch.names import BUILD_ORDER, CONFIRM_ORDER, ROUTE_ORDER, SUBMIT_ORDER
from orderengine.domain.errors import NetworkUnavailable, StorageUnavailable, TransientFault
from orderengine.domain.moves import RoutingCause
from orderengine.execution.chain import stages
from orderengine.execution.chain.confirm import PollResult, confirm_orders
from orderengine.execution.chain.engine import Engine, logging_of
from orderengine.execution.chain.handover import (
    Built,
    Routed,
    Submitted,
    handed_on,
    orders_shown,
)
from orderengine.execution.chain.slots import Slots
from orderengine.worker.arguments import Handed, read_handovers
from orderengine.worker.inline_chain import InlineChain, stage_class
from orderengine.worker.requests import CheckedRequest
from orderengine.worker.running import RETRY_DELAY_MAX_S, STAGE_RETRIES, Message, tries_of
from orderengine.worker.waking import Wake

POLL_S = 0.3
QUICK_POLLS = 2
POLL_LIMIT_S = 12.0
FIRST_POLL_LIMIT_S = 6.0
LATE_AFTER_S = 5.0
"""A poll of the network that is this much too late is dropped."""

log = structlog.get_logger(__name__)

# Long enough for Flower to show order and version; showing a whole route costs time.
SHOWN_RESULT_CHARS = 70


def register_tasks(
    app: Celery, engine: Callable[[], Engine], slots: Slots, inline: InlineChain
) -> None:
    """Add the four stages to a Celery application; `engine` is called when a task runs.

    A worker has at most as many orders in hand as it has `slots`. Each message gives back its own,
    after the stages that `inline` ran.
    """
    base = stage_class(inline)
    _register_stages(app, base, engine, slots)
    _register_confirmation(app, base, engine, slots)
    signals.task_postrun.connect(lambda **_: slots.leave(), weak=False)


def _register_stages(app: Celery, base: type, engine: Callable[[], Engine], slots: Slots) -> None:
    transient: dict[str, Any] = {
        "base": base,
        "bind": True,
        "shared": False,
        "Request": CheckedRequest,
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
    ) -> Handed | None:
        wake = Wake(task, UUID(order_id), version, RoutingCause(cause), again)
        routed = wake.route(engine(), slots)
        if routed:
            return _to_next_stage(task, routed)
        task.request.chain = None  # nothing is left to do for this message
        return None

    @app.task(name=BUILD_ORDER, **transient)
    def build_order(task: "Task[Any, Any]", routed: Handed) -> Handed:
        message = Message(task, "build", read_handovers(Routed.from_document, routed), _arguments)
        return _to_next_stage(task, message.run(slots, partial(stages.build_orders, engine())))

    @app.task(name=SUBMIT_ORDER, **transient)
    def submit_order(task: "Task[Any, Any]", built: Handed) -> Handed:
        message = Message(task, "submit", read_handovers(Built.from_document, built), _arguments)
        work = partial(stages.submit_orders, engine(), tries=tries_of(task))
        submitted = message.run(slots, work)
        _put_off_first_look(task, engine().network.typical_confirmation_s)
        return _to_next_stage(task, submitted)


def _register_confirmation(
    app: Celery, base: type, engine: Callable[[], Engine], slots: Slots
) -> None:
    @app.task(
        base=base,
        name=CONFIRM_ORDER,
        bind=True,
        shared=False,
        Request=CheckedRequest,
        max_retries=None,
        throws=(StorageUnavailable,),
    )
    def confirm_order(task: "Task[Any, Any]", submitted: Handed, *, once: bool = False) -> None:
        """`once`: recovery asks for one poll; after sending the bytes again the task polls on."""
        typical_s = engine().network.typical_confirmation_s
        orders = read_handovers(Submitted.from_document, submitted)
        polled = Message(task, "confirm", orders, _arguments).run(slots, partial(_poll, engine()))
        enough = {PollResult.CONFIRMED, PollResult.IN_FLIGHT} if once else {PollResult.CONFIRMED}
        waiting = [order for order, result in polled if result not in enough]
        if not waiting:
            return
        # The delay before the chain's first poll counts as one wait.
        waits = task.request.retries + (not once and typical_s > POLL_S)
        delay_s = poll_delay_s(waits, typical_s)
        if delay_s is not None:
            # An expired poll is dropped: under a backlog more polls would only add to it, and
            # recovery polls for the order anyway.
            put_off: dict[str, Any] = {"countdown": delay_s, "expires": delay_s + LATE_AFTER_S}
            raise task.retry(_arguments(waiting), {}, **put_off, **_shown(waiting))


def _to_next_stage(task: "Task[Any, Any]", orders: Sequence[Routed | Built | Submitted]) -> Handed:
    """The argument of the chain's next stage, which Flower shows as `orders_shown`."""
    rest: Any = task.request.chain or ()
    for link in rest[-1:]:
        link["options"] |= _shown(orders)
    return handed_on(orders)


def _shown(orders: Sequence[Routed | Built | Submitted]) -> dict[str, Any]:
    return {"argsrepr": orders_shown(orders), "kwargsrepr": "{}"}


def _arguments(orders: Sequence[Routed | Built | Submitted]) -> tuple[Handed]:
    return (handed_on(orders),)


def _put_off_first_look(task: "Task[Any, Any]", typical_s: float) -> None:
    """Delay the chain's next stage until the transaction may have landed.

    A look before that would find nothing, and cost a message for the next look.
    """
    delay_s = poll_delay_s(0, typical_s)
    if typical_s > POLL_S and delay_s is not None:
        rest: Any = task.request.chain or ()
        for link in rest:
            link["options"] |= {"countdown": delay_s, "expires": delay_s + LATE_AFTER_S}


def _poll(
    engine: Engine, submitted: Sequence[Submitted]
) -> list[tuple[Submitted, PollResult] | Exception]:
    """Poll for each order; an order without an answer counts as in flight."""
    try:
        results = confirm_orders(engine, submitted)
    except NetworkUnavailable as error:
        results = [error] * len(submitted)
    return [_polled(*each) for each in zip(submitted, results, strict=True)]


def _polled(
    submitted: Submitted, result: PollResult | Exception
) -> tuple[Submitted, PollResult] | Exception:
    if isinstance(result, NetworkUnavailable):
        with logging_of(submitted):
            log.info("network_unavailable", error=str(result))
        return submitted, PollResult.IN_FLIGHT
    return result if isinstance(result, Exception) else (submitted, result)


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
