"""The simulated network on PostgreSQL: time, price, and the ledger that tests rely on."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import Engine, text

from orderengine.domain.errors import NetworkUnavailable
from orderengine.domain.fill import SignedTransaction
from orderengine.domain.instruments import Instruments
from orderengine.domain.side import Side
from orderengine.execution.network import Execution, NotFound, Reverted, Swap
from orderengine.market.pools import SimulatedMarket
from orderengine.postgres.database import create_database_engine
from orderengine.settlement import wire
from orderengine.settlement.simulated import SimulatedNetwork
from orderengine.storage.clock import DatabaseClock
from orderengine.venues.simulated import SimulatedVenue
from tests.simulations import (
    MakeNetwork,
    a_simulation,
    a_swap,
    executions,
    ledger_row,
    make_network,
    network,
    sent,
)
from tests.statements import sent_statements

__all__ = ["make_network", "network"]


@pytest.fixture
def statements(database: Engine) -> Iterator[list[str]]:
    """The statements that this test sends to the database from here on."""
    with sent_statements(database) as seen:
        yield seen


def wait_until_landed(database: Engine, transaction: SignedTransaction) -> None:
    """Wait until the database's clock has reached the time of landing."""
    statement = text("SELECT pg_sleep_until(lands_at) FROM sim_transactions WHERE signature = :s")
    with database.connect() as connection:
        connection.execute(statement, {"s": transaction.signature})


def test_the_height_follows_the_databases_clock(
    make_network: MakeNetwork, database: Engine
) -> None:
    network = make_network(SIM_BLOCK_MS="400")
    clock = text("SELECT floor(extract(epoch FROM clock_timestamp()) * 1000 / 400)")
    with database.connect() as connection:
        before = connection.execute(clock).scalar_one()
        height = network.final_height()
        assert before <= height <= connection.execute(clock).scalar_one()


@pytest.mark.parametrize(("validity", "blocks"), [("60000", 150), ("60001", 151), ("1", 1)])
def test_a_signature_is_valid_for_whole_blocks(
    make_network: MakeNetwork, validity: str, blocks: int
) -> None:
    network = make_network(SIM_BLOCK_MS="400", SIM_VALIDITY_MS=validity)
    before = network.final_height()
    signed = network.sign(a_swap())
    assert before <= signed.last_valid_height - blocks <= network.final_height()


def test_a_transaction_lands_within_the_settlement_time(
    make_network: MakeNetwork, database: Engine
) -> None:
    network = make_network(SIM_SETTLEMENT_MS="200-300")
    assert network.typical_confirmation_s == 0.25
    transactions = [sent(network) for _ in range(20)]
    delays = set()
    for transaction in transactions:
        found = ledger_row(database, transaction)
        delays.add(found.lands_at - found.received_at)
    assert len(delays) > 1
    assert all(timedelta(milliseconds=200) <= d <= timedelta(milliseconds=300) for d in delays)
    wait_until_landed(database, transactions[0])
    assert isinstance(network.look_up(transactions[0].signature), Execution)


def test_what_would_land_too_late_is_not_stored(make_network: MakeNetwork) -> None:
    network = make_network(SIM_SETTLEMENT_MS="2000-2000", SIM_VALIDITY_MS="1000")
    assert network.look_up(sent(network).signature) == NotFound()


@pytest.mark.parametrize("venue", ["raydium", "meteora"])
@pytest.mark.parametrize("side", Side)
def test_a_swap_executes_at_the_price_of_its_pool_when_it_lands(
    make_network: MakeNetwork, instruments: Instruments, side: Side, venue: str
) -> None:
    network = make_network(SIM_SPREAD_BPS="200-500")
    outcome = network.look_up(sent(network, a_swap(side=side, venue=venue)).signature)
    assert isinstance(outcome, Execution)
    aapl, market = instruments.get("AAPL"), SimulatedMarket(1, 200, 500)
    pool_id, at = "AAPL-USDC-89730123", outcome.landed_at
    swap = market.liquidity(aapl, side, venue, pool_id, at).price(10_000_000)
    assert (outcome.base_amount, outcome.quote_amount) == (10_000_000, swap.quote_amount)
    assert (outcome.fee, outcome.market_impact_bps) == (swap.fee, swap.market_impact_bps)
    assert [(leg.venue, leg.pool) for leg in outcome.legs] == [(venue, pool_id)]


def quoted_swap(
    database: Engine, instruments: Instruments, venue: str, side: Side, tolerance_bps: int
) -> Swap:
    """A swap as the engine builds it: quoted now, with the tolerance's limit."""
    clock = DatabaseClock(database)
    simulation = a_simulation(SIM_SPREAD_BPS="200-500")
    offer = SimulatedVenue(venue, simulation, clock).offer(instruments.get("AAPL"), side)
    quote = offer.quote(10_000_000, tolerance_bps)
    swap = a_swap(side=side, venue=venue, pool=quote.pool)
    return replace(swap, limit_amount=quote.limit_amount)


@pytest.mark.parametrize(
    ("venue", "side", "error"),
    [
        ("raydium", Side.BUY, "raydium: ExceededSlippage (6005)"),
        ("raydium", Side.SELL, "raydium: ExceededSlippage (6005)"),
        ("meteora", Side.BUY, "meteora: InsufficientInAmount (6104)"),
        ("meteora", Side.SELL, "meteora: ExceededAmountSlippageTolerance (6003)"),
    ],
)
def test_a_drift_beyond_the_tolerance_reverts_in_the_venues_words(
    make_network: MakeNetwork,
    database: Engine,
    instruments: Instruments,
    side: Side,
    venue: str,
    error: str,
) -> None:
    network = make_network(SIM_DRIFT_BPS="20-20", SIM_SPREAD_BPS="200-500")
    transaction = sent(network, quoted_swap(database, instruments, venue, side, 0))
    outcome = network.look_up(transaction.signature)
    assert isinstance(outcome, Reverted)
    assert outcome.slippage_exceeded
    assert error in outcome.detail
    found = ledger_row(database, transaction)
    assert (found.outcome, found.slippage_exceeded, found.error) == (
        "reverted",
        True,
        outcome.detail,
    )
    assert network.look_up(transaction.signature) == outcome


@pytest.mark.parametrize("venue", ["raydium", "meteora"])
@pytest.mark.parametrize("side", Side)
def test_the_default_drift_executes_within_the_default_tolerance(
    make_network: MakeNetwork, database: Engine, instruments: Instruments, side: Side, venue: str
) -> None:
    network = make_network(SIM_DRIFT_BPS="0-60", SIM_SPREAD_BPS="200-500")
    for _ in range(10):
        swap = quoted_swap(database, instruments, venue, side, 100)
        assert isinstance(network.look_up(sent(network, swap).signature), Execution)


def test_errors_on_chain_come_at_their_rate_and_stay(make_network: MakeNetwork) -> None:
    network = make_network(SIM_CHAIN_ERROR_RATE="0.5")
    signatures = [sent(network).signature for _ in range(60)]
    outcomes = [network.look_up(signature) for signature in signatures]
    reverted = [outcome for outcome in outcomes if isinstance(outcome, Reverted)]
    assert 10 < len(reverted) < 50
    assert not any(outcome.slippage_exceeded for outcome in reverted)
    calm = make_network()
    assert [calm.look_up(signature) for signature in signatures] == outcomes


@pytest.mark.parametrize(
    "swap",
    [
        replace(a_swap(), symbol="GONE"),
        a_swap(venue="nowhere"),
        a_swap(pool="TSLA-USDC-1"),
    ],
    ids=["symbol", "venue", "pool"],
)
def test_a_swap_that_no_pool_can_do_reverts(network: SimulatedNetwork, swap: Swap) -> None:
    outcome = network.look_up(sent(network, swap).signature)
    assert isinstance(outcome, Reverted)
    assert not outcome.slippage_exceeded


def test_two_transactions_of_an_order_are_both_witnessed(
    network: SimulatedNetwork, database: Engine
) -> None:
    order_id = uuid4()
    first, _ = (sent(network, a_swap(order_id)) for _ in range(2))
    assert executions(database, order_id) == 2
    assert isinstance(network.look_up(first.signature), Execution)
    assert executions(database, order_id) == 2


def test_what_has_not_landed_or_reverted_is_no_execution(
    make_network: MakeNetwork, database: Engine
) -> None:
    order_id = uuid4()
    sent(make_network(SIM_SETTLEMENT_MS="30000-30000"), a_swap(order_id))
    failing = make_network(SIM_CHAIN_ERROR_RATE="1")
    failing.look_up(sent(failing, a_swap(order_id)).signature)
    assert executions(database, order_id) == 0


def test_statements_are_few(make_network: MakeNetwork, statements: list[str]) -> None:
    network = make_network(SIM_SETTLEMENT_MS="30000-30000")
    transaction = network.sign(a_swap())
    assert len(statements) == 1
    network.send(transaction)
    assert len(statements) == 2
    network.look_up(transaction.signature)
    assert len(statements) == 3
    landed = sent(make_network())
    statements.clear()
    network.look_up(landed.signature)
    assert len(statements) == 2
    network.look_up(landed.signature)
    assert len(statements) == 3


def test_the_switch_is_a_row_that_every_process_reads(
    make_network: MakeNetwork, database: Engine
) -> None:
    first, second = make_network(), make_network()
    with database.connect() as connection:
        connection.execute(text("UPDATE sim_switch SET network_up = false"))
        with pytest.raises(NetworkUnavailable):
            first.final_height()
        transaction = wire.sign(a_swap(), 2**40, "nonce")
        with pytest.raises(NetworkUnavailable):
            second.send(transaction)
        assert ledger_row(database, transaction) is None
        connection.execute(text("UPDATE sim_switch SET network_up = true"))
    assert first.final_height() > 0


def test_a_lost_database_is_a_network_without_an_answer(
    database_url: str, instruments: Instruments
) -> None:
    nowhere = database_url.rsplit("@", 1)[0] + "@127.0.0.1:1/orderengine_test"
    engine = create_database_engine(nowhere, pool_size=1, application="tests")
    network = SimulatedNetwork(engine, instruments, a_simulation())
    transaction = wire.sign(a_swap(), 1, "nonce")
    questions: list[Callable[[], object]] = [
        lambda: network.sign(a_swap()),
        lambda: network.send(transaction),
        lambda: network.look_up(transaction.signature),
        network.final_height,
        lambda: network.look_up_expired(transaction),
    ]
    for ask in questions:
        with pytest.raises(NetworkUnavailable):
            ask()
    engine.dispose()


def test_the_ledger_explains_itself(database: Engine) -> None:
    with database.connect() as connection:
        undocumented = connection.execute(
            text(
                "SELECT attname FROM pg_attribute WHERE attnum > 0 AND NOT attisdropped"
                " AND attrelid IN ('sim_transactions'::regclass, 'sim_switch'::regclass)"
                " AND col_description(attrelid, attnum) IS NULL"
            )
        ).scalars()
        assert list(undocumented) == []
