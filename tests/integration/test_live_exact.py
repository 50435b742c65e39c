"""Seeded orders through the live network over HTTP: each leg is executed as it was quoted."""

import random
from collections import Counter
from collections.abc import Iterator
from uuid import uuid4

import pytest

from orderengine.domain.choice import choose_route
from orderengine.domain.errors import OrderUnfillable
from orderengine.domain.instruments import Instruments
from orderengine.domain.routing import EXACT_AMOUNT, Route, RouteRequest
from orderengine.domain.side import Asset, Side
from orderengine.execution.network import Execution, Swap, SwapLeg
from orderengine.localnet.pools import USDC_MINT, VENUES
from orderengine.solana import requests
from orderengine.solana.reader import PoolReader
from orderengine.venues.live import LiveVenue
from tests.live_network import LiveWorld, WallClock
from tests.localnet import only

SYMBOLS = ("AAPL", "SOL", "JUP")
TOLERANCE_BPS = 50
ORDERS = 60
MOST_USDC = 3 * 10**11


@pytest.fixture
def world() -> Iterator[LiveWorld]:
    world = LiveWorld(only(*SYMBOLS))
    yield world
    world.close()


class Desk:
    """Quotes and settles one order after the other, and remembers the kinds."""

    def __init__(self, world: LiveWorld, seed: int) -> None:
        self.world = world
        self.seen: Counter[str] = Counter()
        self._rng = random.Random(seed)  # noqa: S311 - seeded on purpose
        self._instruments: Instruments = world.instruments
        reader = PoolReader(
            lambda addresses: requests.accounts(world.rpc_node, addresses),
            lambda: USDC_MINT,
            WallClock(),
            kept_s=-1,
        )
        self._venues = [LiveVenue(name, reader) for name in VENUES]

    def trade(self) -> None:
        route = self._route()
        if route is None:
            self.seen["not quoted"] += 1
            return
        told = [(leg.venue, leg.base_amount, leg.quote_amount, leg.fee) for leg in route.legs]
        executed = self._settle(route)
        legs = [(leg.venue, leg.base_amount, leg.quote_amount, leg.fee) for leg in executed.legs]
        assert legs == told, route
        kind = "split" if len(legs) > 1 else "whole"
        self.seen[f"{route.side.value} {kind}, exact {route.exact.value}"] += 1

    def _route(self) -> Route | None:
        rng, instrument = self._rng, self._instruments.get(self._rng.choice(SYMBOLS))
        side, exact = rng.choice(list(Side)), rng.choice(list(Asset))
        offers = [venue.offer(instrument, side) for venue in self._venues]
        most = MOST_USDC
        if exact is Asset.BASE:
            most = int(MOST_USDC * 10**instrument.decimals / instrument.reference_price / 10**6)
        amount = max(1, int(most ** rng.uniform(0.2, 1)))
        request = RouteRequest(instrument, side, amount, TOLERANCE_BPS, rng.choice([1, 2]), exact)
        self._symbol = instrument.symbol
        try:
            return choose_route(request, offers, {})
        except OrderUnfillable:
            return None

    def _settle(self, route: Route) -> Execution:
        amount_of = EXACT_AMOUNT[route.exact]
        legs = tuple(
            SwapLeg(leg.venue, leg.pool, amount_of(leg), leg.base_decimals) for leg in route.legs
        )
        limit = route.limit_amount(TOLERANCE_BPS)
        swap = Swap(uuid4(), 1, self._symbol, route.side, legs, limit, route.exact)
        network, node = self.world.network, self.world.node
        signed = network.sign(swap)
        network.send(signed)
        node.tick(2)
        outcome = network.look_up(signed.signature)
        assert isinstance(outcome, Execution), outcome
        return outcome


def test_sixty_seeded_orders_are_executed_as_they_were_quoted(world: LiveWorld) -> None:
    desk = Desk(world, seed=5)
    for _ in range(ORDERS):
        desk.trade()
    executed = sum(desk.seen.values()) - desk.seen["not quoted"]
    assert executed >= 45, desk.seen
    for side in Side:
        for kind in ("whole", "split"):
            assert sum(desk.seen[f"{side.value} {kind}, exact {each.value}"] for each in Asset) > 0
