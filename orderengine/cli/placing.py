"""Places orders, and retries when an answer gets lost, without ever ordering twice."""

import http.client
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from orderengine.cli.limits import Answer
from orderengine.cli.service import CannotGoOn, NoAnswer, RequestRefused, Service, refused

ASK_AGAIN_FOR_S = 30.0
SHORTEST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 4.0
REPLAYED = "idempotency-replayed"
NO_NEW_ORDERS = frozenset({"ORDERS_DISABLED", "QUEUE_FULL"})
"""Codes of refusals in the 500s that stored nothing."""
ACCEPTANCES = frozenset({200, 202})
"""Statuses of an order that was stored: 200 if it has ended already."""
AT_THE_DOOR = frozenset({401, 403, 429})
"""Statuses of refusals that come before the service looks up the Idempotency-Key."""


class OutcomeUnknown(CannotGoOn):
    """It is unknown whether the request took effect; a repeat of it would tell."""


class _InDoubt(CannotGoOn):
    """The answer, if one came, does not say whether the order was stored.

    `later_s` is the wait in seconds that the service asks for, if any.
    """

    def __init__(self, message: str, later_s: float | None = None) -> None:
        super().__init__(message)
        self.later_s = later_s


def new_key() -> str:
    """An Idempotency-Key for one order."""
    return str(uuid4())


def may_be_stored(key: str) -> str:
    """The advice about an order that may have been stored."""
    again = f"repeat the command with --idempotency-key {key}, which orders only once"
    return f"the order may have been stored: to find out, {again}"


def place(
    service: Service,
    order: Mapping[str, Any],
    key: str,
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
    patience_s: float = ASK_AGAIN_FOR_S,
) -> Mapping[str, Any]:
    """Place an order under an Idempotency-Key, and return the document of its acceptance.

    The document has `replayed` if an earlier request had placed the order. An order in doubt is
    retried for 30 seconds; a busy service is asked again when it says, for `patience_s` seconds.
    Raises CannotGoOn when the order was certainly not stored, OutcomeUnknown when it may have
    been.
    """
    repeated = Repeated(clock, pause, patience_s, f"; {may_be_stored(key)}")
    answer = repeated.until_told(service, lambda: service.execute(order, key), _is_acceptance)
    is_replay = answer.headers.get(REPLAYED) == "true"
    return {**answer.document, "replayed": True} if is_replay else answer.document


def place_batch(
    service: Service,
    orders: Sequence[str],
    key: str,
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> Sequence[Mapping[str, Any]]:
    """Place a batch of orders, as JSON texts, and return their results, in their order.

    It retries as `place` does, and raises the same errors.
    """

    def is_complete(answer: Answer) -> bool:
        results = answer.document.get("results")
        is_list = answer.status == http.client.OK and isinstance(results, list)
        return is_list and len(results or ()) == len(orders)

    repeated = Repeated(clock, pause, ASK_AGAIN_FOR_S)
    answer = repeated.until_told(service, lambda: service.execute_batch(orders, key), is_complete)
    results: Sequence[Mapping[str, Any]] = answer.document["results"]
    return results


@dataclass(frozen=True, slots=True)
class Repeated:
    """Repeats a request under one key until its outcome is known; `advice` ends the doubt's text.

    A busy service is asked again for `patience_s` seconds.
    """

    clock: Callable[[], float]
    pause: Callable[[float], None]
    patience_s: float
    advice: str = ""

    def until_told(
        self,
        service: Service,
        send: Callable[[], Answer],
        is_acceptance: Callable[[Answer], bool],
    ) -> Answer:
        """The acceptance; raises CannotGoOn, or OutcomeUnknown."""
        began, pause_s, asked_before = self.clock(), SHORTEST_PAUSE_S, False
        while True:
            try:
                return _ask(service, send, is_acceptance, asked_before=asked_before)
            except RequestRefused as error:
                if error.later_s is None or self.clock() - began + error.later_s > self.patience_s:
                    raise
                self.pause(error.later_s)
            except _InDoubt as error:
                later_s = max(pause_s, error.later_s or 0.0)
                if self.clock() - began + later_s > ASK_AGAIN_FOR_S:
                    raise OutcomeUnknown(f"{error}{self.advice}") from error
                asked_before = True
                self.pause(later_s)
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)


def _is_acceptance(answer: Answer) -> bool:
    return "orderId" in answer.document and answer.status in ACCEPTANCES


def _ask(
    service: Service,
    send: Callable[[], Answer],
    is_acceptance: Callable[[Answer], bool],
    *,
    asked_before: bool,
) -> Answer:
    try:
        answer = send()
    except NoAnswer as error:
        if error.may_have_arrived or asked_before:
            raise _InDoubt(str(error)) from error
        raise
    if is_acceptance(answer):
        return answer
    if answer.status in ACCEPTANCES:
        raise _InDoubt(f"{service.shown} accepted the request, but named no order")
    denied = refused(answer)
    if _is_certain(answer.status, denied.code, asked_before=asked_before):
        raise denied
    raise _InDoubt(str(denied), denied.later_s) from denied


def _is_certain(status: int, code: str, *, asked_before: bool) -> bool:
    """Whether a refusal means that the order was not stored, by this request or an earlier one."""
    if code == "IDEMPOTENCY_CONFLICT":  # an earlier request is still being stored
        return False
    is_certain_by_itself = status < http.client.INTERNAL_SERVER_ERROR or code in NO_NEW_ORDERS
    is_about_the_order = status not in AT_THE_DOOR and code not in {*NO_NEW_ORDERS, str(status)}
    return is_certain_by_itself and (is_about_the_order or not asked_before)
