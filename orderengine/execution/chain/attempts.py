"""How a stage ends the attempt of an order that is not signed, or leaves it to recovery."""

from typing import NoReturn

import structlog

from orderengine.domain.errors import AttemptFailed, FailureReason, OrderUnfillable
from orderengine.domain.order import Order
from orderengine.execution.chain.engine import AttemptEnded, Engine, Superseded
from orderengine.execution.chain.handover import Built

log = structlog.get_logger(__name__)


def outlast(engine: Engine, detail: str, order: Order | Built) -> NoReturn:
    """Leave an unsigned order to recovery while the network gives no answer: it costs no attempt.

    After OUTAGE_LIMIT_S of the outage it fails; a GTC or GTD limit order waits again.
    Raises Superseded or AttemptEnded.
    """
    row = engine.current(order.order_id, order.version)
    waited_s = min((engine.clock.now() - row.created_at).total_seconds(), engine.network.outage_s)
    if waited_s < engine.outage_limit_s:
        log.warning("network_awaited", order_id=str(row.order_id), error=detail)
        raise Superseded(f"order {row.order_id} waits for the network")
    raise end_attempt(engine, row, OrderUnfillable(FailureReason.NETWORK_UNAVAILABLE, detail))


def end_attempt(engine: Engine, order: Order | Built, failure: AttemptFailed) -> AttemptEnded:
    """End the attempt of an order that is not signed, and return the error for the caller to raise.

    Raises Superseded if the order has moved.
    """
    engine.end_attempt(engine.current(order.order_id, order.version), failure, paid=False)
    return AttemptEnded(str(failure))
