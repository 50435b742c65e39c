"""The simulation in tests: its settings, networks that settle at once, and their ledger."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, text

from orderengine.config.settings import Settings
from orderengine.domain.fill import SignedTransaction
from orderengine.domain.instruments import Instruments
from orderengine.domain.side import Asset, Side
from orderengine.execution.network import SettlementNetwork, Swap, SwapLeg
from orderengine.market.simulation import Simulation
from orderengine.settlement import wire
from orderengine.settlement.simulated import SimulatedNetwork

QUICK = {
    "DATABASE_URL": "postgresql://unused",
    "REDIS_URL": "redis://unused",
    "SIM_QUOTE_LATENCY_MS": "0-0",
    "SIM_SETTLEMENT_MS": "0-0",
    "SIM_SPREAD_BPS": "0-0",
    "SIM_DRIFT_BPS": "0-0",
}
EXECUTED = text(
    "SELECT count(*) FROM sim_transactions WHERE order_id = :order_id AND (outcome = 'executed'"
    " OR outcome IS NULL AND lands_at <= clock_timestamp())"
)
ROW = text("SELECT * FROM sim_transactions WHERE signature = :signature")


def a_simulation(**settings: str) -> Simulation:
    """No delays, faults, spread or drift, unless given by their environment names."""
    return Settings.from_env({**QUICK, **settings}).simulation


def a_swap(
    order_id: UUID | None = None,
    side: Side = Side.BUY,
    venue: str = "raydium",
    pool: str = "AAPL-USDC-89730123",
    base_amount: int = 10_000_000,
) -> Swap:
    """Ten AAPL, with a limit that nothing exceeds."""
    limit = 10**12 if side is Side.BUY else 1
    legs = (SwapLeg(venue, pool, base_amount),)
    return Swap(order_id or uuid4(), 1, "AAPL", side, legs, limit)


def a_split_swap(side: Side = Side.BUY) -> Swap:
    """Ten AAPL in two legs, with a limit that nothing exceeds."""
    swap = a_swap(side=side)
    pool = swap.legs[0].pool
    legs = (SwapLeg("raydium", pool, 4_000_000), SwapLeg("meteora", pool, 6_000_000))
    return replace(swap, legs=legs)


def in_usdc(swap: Swap) -> Swap:
    """A swap that trades its legs' amounts times 100 in USDC, with a limit that nothing exceeds."""
    legs = tuple(replace(leg, amount=leg.amount * 100) for leg in swap.legs)
    limit = 1 if swap.side is Side.BUY else 10**12
    return replace(swap, legs=legs, limit_amount=limit, exact=Asset.QUOTE)


def sent(network: SettlementNetwork, swap: Swap | None = None) -> SignedTransaction:
    """A signed transaction that was sent."""
    transaction = network.sign(swap or a_swap())
    network.send(transaction)
    return transaction


def expired(network: SettlementNetwork, swap: Swap | None = None) -> SignedTransaction:
    """A transaction that was never sent, and whose last valid height is past."""
    return wire.sign(swap or a_swap(), network.final_height() - 1, nonce=uuid4().hex)


def ledger_row(database: Engine, transaction: SignedTransaction) -> Any:
    """The ledger's row of a transaction, or None."""
    with database.connect() as connection:
        return connection.execute(ROW, {"signature": transaction.signature}).one_or_none()


def executions(database: Engine, order_id: UUID) -> int:
    """How often an order was executed, by the ledger."""
    with database.connect() as connection:
        count: int = connection.execute(EXECUTED, {"order_id": order_id}).scalar_one()
        return count


MakeNetwork = Callable[..., SimulatedNetwork]


@pytest.fixture
def make_network(database: Engine, instruments: Instruments) -> Iterator[MakeNetwork]:
    def make(**settings: str) -> SimulatedNetwork:
        return SimulatedNetwork(database, instruments, a_simulation(**settings))

    yield make
    make().switch(up=True)


@pytest.fixture
def network(make_network: MakeNetwork) -> SimulatedNetwork:
    """A network on which transactions land at once."""
    return make_network()
