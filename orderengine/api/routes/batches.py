"""Batches: many orders with one request, each with its own answer."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from flask import Response, jsonify, request

from orderengine.api.answers.batches import BatchSchema, batch_document, denial_document
from orderengine.api.answers.handlers import answer_to
from orderengine.api.answers.problems import ErrorCode, Refused
from orderengine.api.context import current_ports
from orderengine.api.description.new_orders import (
    ACCEPTED_EXAMPLE,
    KEY_PARAMETER,
    LIMIT_EXAMPLE,
    ORDER_EXAMPLE,
    REPLAYED,
)
from orderengine.api.description.openapi import BEHIND_THE_GATE, ApiBlueprint
from orderengine.api.description.problem_examples import problem_example
from orderengine.api.gate.access import current_caller
from orderengine.api.gate.protection import spend_more
from orderengine.api.gate.turns import lists_give_way
from orderengine.api.routes.admission import count_accepted, looked_at, refusal_for
from orderengine.api.routes.repeated_orders import new_order
from orderengine.api.validation.inputs import KEY_REPLAYED, load, read_key, validation_error
from orderengine.api.validation.schemas import BatchRequestSchema, order_schema
from orderengine.api.validation.strict_json import (
    MAX_BATCH_BYTES,
    MAX_BATCH_DEPTH,
    JsonNumber,
    read_object,
)
from orderengine.domain.errors import (
    ClientOrderIdTaken,
    DailyLimitReached,
    OrderDenied,
    Violation,
)
from orderengine.domain.order import NewOrder
from orderengine.execution.intake.batch import (
    BatchKey,
    Denied,
    Placed,
    Result,
    accept_batch,
    replayed_batch,
)
from orderengine.execution.operations.counters import CounterName

if TYPE_CHECKING:
    from orderengine.bootstrap.web import WebPorts

blueprint = ApiBlueprint(
    "batches", __name__, url_prefix="/api/orders", description="Many orders at once."
)

REFUSALS = (
    *BEHIND_THE_GATE,
    ErrorCode.INVALID_JSON,
    ErrorCode.VALIDATION_FAILED,
    ErrorCode.IDEMPOTENCY_CONFLICT,
    ErrorCode.BODY_TOO_LARGE,
    ErrorCode.UNSUPPORTED_MEDIA_TYPE,
    ErrorCode.IDEMPOTENCY_KEY_REUSED,
)
"""The errors that can answer a whole batch."""

BATCH_EXAMPLE = {"orders": [ORDER_EXAMPLE, LIMIT_EXAMPLE]}
_BUSY = problem_example(ErrorCode.TOO_MANY_OPEN_ORDERS)
ANSWER_EXAMPLE = {
    "results": [
        {"status": 202, "order": ACCEPTED_EXAMPLE},
        {"status": _BUSY["status"], "problem": _BUSY, "retryAfter": 1},
    ]
}


@blueprint.post("/batch")
@blueprint.doc(operationId="executeBatch")
@blueprint.takes_body(BatchRequestSchema, BATCH_EXAMPLE)
@blueprint.takes_headers(KEY_PARAMETER)
@blueprint.response(200, BatchSchema, headers=REPLAYED, example=ANSWER_EXAMPLE)
@blueprint.problems(*REFUSALS)
def execute_batch() -> Response:
    """Execute up to 100 orders.

    The answer has one result for each order, in their order: `status` 202 with the order, as
    `POST /api/orders/execute` answers it, or another `status` with that order's own problem. A
    refused order refuses no other one. Limits count order by order: if there is room for 60, the
    first 60 are accepted. The whole batch is refused only if it is not a batch of orders at all.

    After an error in the 500s the orders may have been stored: repeat the batch with the same
    Idempotency-Key, which never orders twice, and returns the first results, refusals included,
    with the orders as they are now. To send refused orders again, use a new key. A batch of which
    no order was accepted does not use its key up. `Prefer` is ignored.
    """
    key_text = read_key(request)
    body = read_object(request, MAX_BATCH_BYTES, MAX_BATCH_DEPTH)
    orders = load(_SCHEMA, body)["orders"]
    key = BatchKey(key_text, fingerprint_of(orders)) if key_text else None
    with lists_give_way():
        results = _place(current_ports(), orders, key)
    answer = jsonify(batch_document(results))
    if any(isinstance(each, Placed) and each.accepted.replayed for each in results):
        answer.headers[KEY_REPLAYED] = "true"
    return answer


def fingerprint_of(orders: Sequence[Any]) -> bytes:
    """SHA-256 of the orders of a batch as they were sent, whatever the order of their fields."""
    text = json.dumps(orders, sort_keys=True, default=_literal)
    return hashlib.sha256(f"batch {text}".encode()).digest()


def _literal(value: object) -> list[str]:
    assert isinstance(value, JsonNumber)  # noqa: S101 - the only type that JSON itself lacks
    return ["number", value.literal]


_SCHEMA = BatchRequestSchema()
DAY_TRIES = 5
"""How often a batch is cut to the rest of a day that other requests take from at the same time."""


def _place(ports: "WebPorts", orders: Sequence[Any], key: BatchKey | None) -> Sequence[Result]:
    client_id = current_caller().client_id
    before = replayed_batch(ports.batches, client_id, key) if key else None
    if before is not None:
        return before
    wanted = list(_judged(ports, orders))
    if key is not None and all(isinstance(each, Denied) for each in wanted):
        # The limits may be full of the orders of the same batch, stored since the first look.
        before = replayed_batch(ports.batches, client_id, key)
        if before is not None:
            return before
    results = _accept(ports, wanted, key)
    _count(ports, client_id, results)
    return results


def _accept(
    ports: "WebPorts", wanted: Sequence[NewOrder | Denied], key: BatchKey | None
) -> Sequence[Result]:
    """Store the batch; if other requests took the rest of the day meanwhile, what still fits."""
    for _ in range(DAY_TRIES):
        try:
            return accept_batch(ports.batches, ports.starter, wanted, key)
        except DailyLimitReached:
            wanted = list(_within_day(ports, wanted))
    raise DailyLimitReached("other orders of this client take the rest of this day (UTC)")


def _within_day(
    ports: "WebPorts", wanted: Sequence[NewOrder | Denied]
) -> Iterator[NewOrder | Denied]:
    charged = Decimal(0)
    for each in wanted:
        if isinstance(each, Denied):
            yield each
        elif detail := ports.daily.excess(each, charged):
            yield _denied(Refused(403, ErrorCode.DAILY_LIMIT, detail))
        else:
            charged += each.daily.usdc if each.daily else 0
            yield each


def _judged(ports: "WebPorts", orders: Sequence[Any]) -> Iterator[NewOrder | Denied]:
    """Each order, or its refusal; an order that is refused here takes no place of the others.

    Only the store finds out that a clientOrderId is taken: such an order has been counted.
    """
    within, too_fast = spend_more(len(orders) - 1)
    ids = sorted(uuid4() for _ in orders)  # lists sort orders of one moment by their ids
    admitted: Counter[bool] = Counter()  # those that wait, and the others
    charged = Decimal(0)
    for place, (raw, order_id) in enumerate(zip(orders, ids, strict=True)):
        try:
            if place > within and too_fast is not None:
                raise too_fast
            order = _checked(ports, raw, order_id)
            refusal = refusal_for(ports, order, admitted[order.waits], charged)
            if refusal is not None:
                raise refusal
        except (Refused, OrderDenied) as error:
            yield _denied(error)
        else:
            admitted[order.waits] += 1
            charged += order.daily.usdc if order.daily else 0
            yield order


def _denied(error: Refused | OrderDenied) -> Denied:
    return Denied(denial_document(answer_to(error)))


def _checked(ports: "WebPorts", raw: Any, order_id: UUID) -> NewOrder:
    if not isinstance(raw, dict):
        raise validation_error([Violation("order", "type", "must be an object")])
    order = new_order(load(order_schema(ports.instruments), raw), order_id)
    return looked_at(ports, order, None)


def _count(ports: "WebPorts", client_id: str, results: Sequence[Result]) -> None:
    accepted: list[NewOrder] = []
    for each in results:
        match each:
            case Placed(order=order, accepted=answer):
                if not answer.replayed:
                    accepted.append(order)
            case Denied(answer=answer):
                ports.metrics.count(CounterName.REFUSALS, answer["problem"]["code"])
            case ClientOrderIdTaken():
                ports.metrics.count(CounterName.REFUSALS, ErrorCode.CLIENT_ORDER_ID_TAKEN)
    if accepted:
        count_accepted(ports, client_id, accepted)


@blueprint.after_request
def _count_refusals(answer: Response) -> Response:
    if answer.status_code >= 400:
        current_ports().metrics.count(CounterName.REFUSALS, answer.get_json()["code"])
    return answer
