"""Queries: an order, the list of orders, and the route that the venues offer now."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from orderengine.domain.choice import choose_route
from orderengine.domain.errors import AttemptFailed, FailureReason, OrderUnfillable
from orderengine.domain.events import OrderEvent
from orderengine.domain.order import Order
from orderengine.domain.routing import Offer, Route, RouteRequest
from orderengine.execution.ports import OrderCache, Orders, QuoteBoard
from orderengine.execution.queries.lists import OrderFilter, OrderLists, Position


def find_order(orders: Orders, cache: OrderCache, client_id: str, order_id: UUID) -> Order | None:
    """The client's order, from the cache if possible; None for another client's order.

    Raises StorageUnavailable if neither store nor cache answers.
    """
    order = cache.get(order_id) or orders.get(order_id)
    return order if order is not None and order.client_id == client_id else None


def find_events(
    orders: Orders, cache: OrderCache, client_id: str, order_id: UUID, after: int = 0
) -> list[OrderEvent] | None:
    """The events of the client's order with `seq` > `after`, or None if there is no such order.

    From the beginning (`after` 0) there is at least one, unless they were pruned.
    """
    order = find_order(orders, cache, client_id, order_id)
    return None if order is None else orders.events(order_id, after)


def list_orders(
    orders: OrderLists, order_filter: OrderFilter
) -> tuple[list[Order], Position | None]:
    """One page of orders, newest first, and its end position if another page may follow."""
    page = orders.page(order_filter)
    if len(page) < order_filter.limit:
        return page, None
    return page, Position(page[-1].created_at, page[-1].order_id)


def find_route(board: QuoteBoard, request: RouteRequest) -> Route:
    """The route that an order would take now.

    Raises AttemptFailed (`NO_QUOTE`) if a venue that did not answer might fill it, else
    OrderUnfillable if no venue is deep enough.
    """
    return route_from_answers(request, *board.collect(request.instrument, request.side))


def route_from_answers(
    request: RouteRequest, offers: Sequence[Offer], errors: Mapping[str, Exception]
) -> Route:
    """Choose among the answers; one answer suffices. Raises as `find_route` does."""
    errors_by_name = dict(errors)
    if offers:
        texts = {name: str(error) for name, error in errors.items()}
        try:
            return choose_route(request, offers, texts)
        except OrderUnfillable as refusal:
            errors_by_name["the others"] = refusal  # no venue that answered can fill it
    refusals = [error for error in errors_by_name.values() if isinstance(error, OrderUnfillable)]
    if refusals and len(refusals) == len(errors_by_name):
        raise refusals[-1]
    detail = "; ".join(f"{name}: {error}" for name, error in errors_by_name.items())
    raise AttemptFailed(FailureReason.NO_QUOTE, detail or "no venue is configured")
