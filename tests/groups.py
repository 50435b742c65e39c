"""Groups of orders at each stage, for tests without I/O."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from orderengine.domain.order import Order
from orderengine.execution.chain.handover import Built, Routed, Submitted
from orderengine.execution.chain.stages import build_orders, route_orders, submit_orders
from tests.world import World


class Calls:
    """The calls of the ports' methods for many orders, with the number of orders in each."""

    def __init__(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        self.made: list[tuple[str, int]] = []
        for port, name in (
            (world.orders, "move_all"),
            (world.orders, "claim_pending"),
            (world.publisher, "publish_all"),
            (world.network, "sign_all"),
            (world.network, "send_all"),
            (world.network, "look_up_all"),
            (world.board, "collect_all"),
        ):
            monkeypatch.setattr(port, name, self._counted(name, getattr(port, name)))

    def _counted(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(first: Any, *more: Any) -> Any:
            self.made.append((name, len(first) if isinstance(first, Sequence) else 1))
            return call(first, *more)

        return counted


def claimed(world: World, count: int = 3) -> list[Order]:
    orders = [world.accept() for _ in range(count)]
    return world.engine.claim(orders[0].order_id, 1, count - 1)


def routed(world: World, count: int = 3) -> list[Routed]:
    return passed(route_orders(world.engine, claimed(world, count)))


def built(world: World, count: int = 3) -> list[Built]:
    return passed(build_orders(world.engine, routed(world, count)))


def submitted(world: World, count: int = 3) -> list[Submitted]:
    return passed(submit_orders(world.engine, built(world, count)))


def passed(results: Sequence[Any]) -> list[Any]:
    assert not [result for result in results if isinstance(result, Exception)]
    return list(results)


def kinds(results: Sequence[object]) -> list[str]:
    return [type(result).__name__ for result in results]
