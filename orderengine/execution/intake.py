"""Taking an order in: stored first, told to the workers and the streams afterwards."""

import structlog

from orderengine.domain.errors import DispatchUnavailable
from orderengine.domain.events import Moved
from orderengine.domain.moves import RoutingCause
from orderengine.domain.order import NewOrder
from orderengine.execution.ports import Dispatcher, EventPublisher, Orders

log = structlog.get_logger(__name__)


def accept_order(
    orders: Orders, publisher: EventPublisher, dispatcher: Dispatcher, request: NewOrder
) -> Moved:
    """Store an order and start its chain.

    Once this returns the order is safe: if the broker takes no message now, recovery starts the
    chain later. Raises StorageUnavailable if the order could not be stored.
    """
    moved = orders.accept(request)
    publisher.publish(moved)
    order = moved.order
    try:
        dispatcher.route(order.order_id, order.version, RoutingCause.ORDER)
    except DispatchUnavailable as error:
        log.warning("dispatch_unavailable", order_id=str(order.order_id), error=str(error))
    log.info(
        "order_accepted",
        order_id=str(order.order_id),
        symbol=order.symbol,
        side=order.side.value,
        quantity=f"{order.quantity:f}",
    )
    return moved
