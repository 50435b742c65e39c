"""Recovery: whatever a crash, a lost message or an outage left behind goes on from its row.

One mechanism for every crash point, driven by the state of the row and not by what went wrong.
"""

import structlog

from orderengine.domain.errors import DispatchUnavailable, FailureReason, StorageUnavailable
from orderengine.domain.moves import Fail, RoutingCause
from orderengine.domain.order import Order, OrderStatus
from orderengine.execution.engine import MAX_RECOVERIES, Engine, Superseded
from orderengine.execution.handover import Submitted
from orderengine.execution.meter import Counter
from orderengine.execution.ports import Unreadable

log = structlog.get_logger(__name__)

CLAIM_LIMIT = 200


def recover_due_orders(engine: Engine) -> int:
    """Dispatch the rest of the chain for every order that is due; returns how many were.

    Raises DispatchUnavailable before anything is claimed, or at the first message that the broker
    does not take: what was claimed and not dispatched is due again within seconds. An order that
    can not be brought back is logged and keeps none of the others waiting.
    """
    engine.dispatcher.ping()
    due = engine.orders.claim_due(CLAIM_LIMIT)
    for order in due:
        try:
            _recover(engine, order)
        except (DispatchUnavailable, StorageUnavailable):
            raise
        except Exception:
            log.exception("order_not_recovered", order_id=str(order.order_id))
    return len(due)


def _recover(engine: Engine, order: Order | Unreadable) -> None:
    match order:
        case Unreadable():
            _recover_unreadable(engine, order)
            return
        case Order(status=OrderStatus.SUBMITTED):
            engine.dispatcher.confirm(Submitted.of(order))
        case Order(recoveries=recoveries) if recoveries >= MAX_RECOVERIES:
            _give_up(engine, order)
            return
        case Order(status=OrderStatus.PENDING):
            cause = RoutingCause.ORDER if order.attempt == 1 else RoutingCause.RETRY
            engine.dispatcher.route(order.order_id, order.version, cause, again=True)
        case _:
            engine.dispatcher.route(order.order_id, order.version, RoutingCause.RECOVERY)
    engine.meter.count(Counter.REDISPATCHES, order.status.value)
    log.info("order_redispatched", order_id=str(order.order_id), status=order.status.value)


def _give_up(engine: Engine, order: Order) -> None:
    """Fail an order that brought its worker down each time; nothing of it was ever signed."""
    detail = f"recovered {order.recoveries} times in attempt {order.attempt} without getting on"
    try:
        engine.advance(order.order_id, order.version, Fail(FailureReason.ENGINE_ERROR, detail))
    except Superseded:
        log.info("order_moved_meanwhile", order_id=str(order.order_id))


def _recover_unreadable(engine: Engine, order: Unreadable) -> None:
    """Give up what nobody could read for as long; another release may be able to.

    What was signed for it may land, so that a submitted one stays, and shows as stuck.
    """
    if order.status is OrderStatus.SUBMITTED or order.claims <= MAX_RECOVERIES:
        return
    failure = Fail(FailureReason.ENGINE_ERROR, f"its row can not be read: {order.detail}")
    if engine.orders.give_up(order.order_id, order.version, failure):
        log.error("unreadable_order_failed", order_id=str(order.order_id))
