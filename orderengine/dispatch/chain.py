"""The stages of an order as a Celery chain: the only place that puts them in order.

`worker/tasks.py` has the tasks themselves. Here they are known by name: web processes send the
chain without the worker's code, and workers send it the same way.
"""

from functools import cache

from celery import Celery, chain
from celery.canvas import Signature

from orderengine.dispatch.names import BUILD_ORDER, CONFIRM_ORDER, ROUTE_ORDER, SUBMIT_ORDER
from orderengine.domain.moves import RoutingCause
from orderengine.redis.queues import INTAKE, SETTLE


class Stage:
    """A task by its name; `s` makes a signature, as a registered task's `s` does.

    `options` are further ones of Celery's `apply_async`.
    """

    def __init__(self, app: Celery, name: str, queue: str = SETTLE, **options: str) -> None:
        self._app = app
        self._name = name
        self._options = {"queue": queue, **options}

    def s(self, *args: object, **named: object) -> Signature:
        """The signature of one run of this stage."""
        return self._app.signature(self._name, args=args, kwargs=named, options=self._options)


def order_chain(
    app: Celery, order_id: str, version: int, cause: RoutingCause, *, again: bool = False
) -> chain:
    """All stages of an order at this version; only new orders start in the intake queue.

    Recovery sets `again` for a pending order; the stage then counts the message in `recoveries`.
    """
    arguments = (order_id, version, cause.value)
    counted = {"again": True} if again else {}
    # What Flower shows. Celery would write the same, and take a fifth of the time of sending it.
    shown = {"argsrepr": repr(arguments), "kwargsrepr": repr(counted)}
    route_order = Stage(app, ROUTE_ORDER, queue_of(cause), **shown)
    build_order, submit_order, confirm_order = later_stages(app)
    return chain(
        route_order.s(*arguments, **counted),
        build_order,
        submit_order,
        confirm_order,
        app=app,
    )


def queue_of(cause: RoutingCause) -> str:
    """The queue in which the first stage of a chain waits."""
    return INTAKE if cause is RoutingCause.ORDER else SETTLE


@cache
def later_stages(app: Celery) -> tuple[Signature, ...]:
    """The same for every order: each one gets its arguments from the stage before."""
    return tuple(Stage(app, name).s() for name in (BUILD_ORDER, SUBMIT_ORDER, CONFIRM_ORDER))


def submission(app: Celery, built: object) -> chain:
    """The chain from the third stage on, for orders that were built without it."""
    _, submit_order, confirm_order = later_stages(app)
    return chain(submit_order.clone(args=(built,)), confirm_order, app=app)


def confirmation(app: Celery, submitted: object) -> Signature:
    """The last stage alone: one poll of the network, and more only if it sends the bytes again."""
    return Stage(app, CONFIRM_ORDER).s(submitted, once=True)
