"""Runs a stage for a group of orders: a result for each order, in the same order.

The result of an order that does not go on is the error that stopped it.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import structlog

from orderengine.domain.errors import StorageUnavailable, TransientFault
from orderengine.execution.chain.engine import Named, logging_of

log = structlog.get_logger(__name__)

T = TypeVar("T")
R = TypeVar("R")
N = TypeVar("N", bound=Named)


def each(
    work: Callable[..., R], orders: Sequence[Named], *more: Sequence[Any]
) -> list[R | Exception]:
    """Do the work for one order after another, with its share of `more`; an error stops one alone.

    Log lines meanwhile carry the order's id, attempt and request.
    """
    results: list[R | Exception] = []
    for order, *rest in zip(orders, *more, strict=True):
        with logging_of(order):
            try:
                results.append(work(order, *rest))
            except Exception as error:  # noqa: BLE001 - the caller tells it or raises it
                results.append(error)
    return results


def among(
    results: Sequence[T | Exception], step: Callable[[list[T]], Sequence[R | Exception]]
) -> list[R | Exception]:
    """Do the next step of a stage for the orders that go on; the others keep their errors."""
    going_on = [one for one in results if not isinstance(one, Exception)]
    done = iter(step(going_on) if going_on else ())
    return [one if isinstance(one, Exception) else next(done) for one in results]


def only(results: Sequence[R | Exception]) -> R:
    """The result of a single order; raises its error."""
    (result,) = results
    if isinstance(result, Exception):
        raise result
    return result


def together(
    stage: Callable[[Sequence[N]], Sequence[R | Exception]], orders: Sequence[N]
) -> Sequence[R | Exception]:
    """Run a stage for a group; after an unexpected error run it once for each order alone.

    So an order whose row or copy breaks the group's statement fails alone. If a server gives
    no answer, no order gets a result: the error is raised.
    """
    if len(orders) == 1:
        return stage(orders)
    try:
        return stage(orders)
    except (StorageUnavailable, TransientFault):
        raise
    except Exception:
        log.exception("group_falls_apart", order_ids=[str(order.order_id) for order in orders])
    return each(lambda order: only(stage([order])), orders)
