"""The stages for one order: its handover is returned, and the error that stops it is raised."""

from uuid import UUID

from orderengine.domain.moves import RoutingCause
from orderengine.execution.chain.confirm import PollResult, confirm_orders
from orderengine.execution.chain.engine import Engine
from orderengine.execution.chain.groups import only
from orderengine.execution.chain.handover import Built, Routed, Submitted
from orderengine.execution.chain.stages import (
    FIRST_TRY,
    Tries,
    build_orders,
    route_orders,
    start_routing,
    submit_orders,
)


def route_order(
    engine: Engine,
    order_id: UUID,
    version: int,
    cause: RoutingCause,
    tries: Tries = FIRST_TRY,
    *,
    again: bool = False,
) -> Routed:
    order = start_routing(engine, order_id, version, cause, tries, again=again)
    return only(route_orders(engine, [order], tries))


def build_order(engine: Engine, routed: Routed) -> Built:
    return only(build_orders(engine, [routed]))


def submit_order(engine: Engine, built: Built, tries: Tries = FIRST_TRY) -> Submitted:
    return only(submit_orders(engine, [built], tries))


def confirm_order(engine: Engine, submitted: Submitted) -> PollResult:
    return only(confirm_orders(engine, [submitted]))
