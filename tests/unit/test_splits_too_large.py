"""A split that does not fit into one transaction is tried with fewer legs before it fails."""

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from decimal import Decimal
from typing import Any

import pytest

from orderengine.domain.errors import AttemptFailed, FailureReason, OrderUnfillable
from orderengine.domain.instruments import Instrument, Instruments
from orderengine.domain.order import Order, OrderStatus
from orderengine.domain.routing import Quote
from orderengine.domain.side import Side
from orderengine.execution.chain.engine import AttemptEnded
from orderengine.execution.chain.requests import request_of
from tests.fakes import FakeBoard, FakeOffer
from tests.world import World

TOO_LARGE = FailureReason.TRANSACTION_TOO_LARGE


class Curve(FakeOffer):
    """A pool whose price rises by 1 % for each token that is bought, so that splits cost less."""

    def quote(self, amount: int, slippage_tolerance_bps: int) -> Quote:
        worse = replace(self, price=self.price * (1 + Decimal(amount) / 10**8))
        return FakeOffer.quote(worse, amount, slippage_tolerance_bps)

    def marginal_price(self, amount: int) -> int:
        worse = replace(self, price=self.price * (1 + 2 * Decimal(amount) / 10**8))
        return FakeOffer.marginal_price(worse, amount)


class CurvedBoard(FakeBoard):
    def collect(
        self, instrument: Instrument, side: Side
    ) -> tuple[Sequence[FakeOffer], Mapping[str, Exception]]:
        offers, errors = super().collect(instrument, side)
        return [Curve(**vars_of(each)) for each in offers], errors


def vars_of(offer: FakeOffer) -> dict[str, Any]:
    return {each.name: getattr(offer, each.name) for each in fields(offer)}


@pytest.fixture
def world(instruments: Instruments) -> World:
    world = World(instruments)
    world.engine = replace(world.engine, board=CurvedBoard(world.clock))
    return world


def refused(world: World, order: Order, refusal: AttemptFailed) -> Order:
    """Run an attempt that the network does not sign."""
    world.network.refusals[order.order_id] = refusal
    with pytest.raises(AttemptEnded):
        world.run_to_submitted(order.order_id)
    del world.network.refusals[order.order_id]
    return world.order(order.order_id)


def test_the_next_attempt_takes_one_venue_at_once(world: World) -> None:
    order = world.accept(max_legs=2)
    assert len(world.route(world.accept(max_legs=2).order_id).route.legs) == 2
    again = refused(world, order, AttemptFailed(TOO_LARGE, "1300 bytes are more than 1232"))
    assert (again.status, again.attempt) == (OrderStatus.PENDING, 2)
    (sent,) = world.dispatcher.sent
    assert sent.delay_s == 0
    handed = world.run_to_submitted(order.order_id)
    route = world.order(order.order_id).route
    assert route is not None
    assert [leg.venue for leg in route.legs] == ["raydium"]
    assert len(world.network.swap(handed.signature).legs) == 1


def test_a_single_venue_beyond_the_worst_price_is_not_taken(world: World) -> None:
    price = world.route(world.accept(max_legs=2).order_id).route.price
    order = world.accept(max_legs=2, worst_price=str(round(price + 1, 2)))
    refused(world, order, AttemptFailed(TOO_LARGE, "1300 bytes are more than 1232"))
    with pytest.raises(AttemptEnded):
        world.run_to_submitted(order.order_id)
    failed = world.order(order.order_id)
    assert failed.status is OrderStatus.FAILED
    assert [each.reason for each in failed.failed_attempts] == [
        TOO_LARGE,
        FailureReason.PRICE_LIMIT,
    ]


def test_what_does_not_fit_with_one_leg_fails(world: World) -> None:
    order = world.accept(max_legs=2)
    failed = refused(world, order, OrderUnfillable(TOO_LARGE, "1300 bytes are more than 1232"))
    assert failed.status is OrderStatus.FAILED
    assert failed.failure is not None
    assert failed.failure.reason is TOO_LARGE


def test_other_failures_cost_no_leg(world: World, instruments: Instruments) -> None:
    order = world.accept(max_legs=2)
    again = refused(world, order, AttemptFailed(FailureReason.SLIPPAGE_EXCEEDED, "moved"))
    assert request_of(again, instruments.get("AAPL")).max_legs == 2
