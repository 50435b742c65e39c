"""Races on the simulated network: nothing lands after a proof, and there is one outcome."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, text

from orderengine.domain.errors import NetworkUnavailable
from orderengine.domain.fill import SignedTransaction
from orderengine.execution.network import Execution, NotFound, Outcome
from orderengine.postgres.arrays import columns_of
from orderengine.settlement import ledger, wire
from orderengine.settlement.simulated import SimulatedNetwork
from tests.simulations import (
    MakeNetwork,
    a_swap,
    executions,
    expired,
    ledger_row,
    make_network,
    network,
    sent,
)

__all__ = ["make_network", "network"]


WAITING = text(
    "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'tests'"
    " AND wait_event_type = 'Lock' AND strpos(query, :proof) > 0"
).bindparams(proof=ledger._PROVE_EXPIRY.name)


def send_without_commit(database: Engine, transaction: SignedTransaction) -> Connection:
    """Send in a session that reads its clock in time, but sleeps before COMMIT."""
    connection = database.connect().execution_options(isolation_level="READ COMMITTED")
    in_time = replace(wire.read(transaction), last_valid_height=2**62)
    values = columns_of([{**ledger._swap_values(in_time), "delay_ms": 0}])
    connection.exec_driver_sql(ledger._STORE.plain, {**values, "block_ms": 400})
    return connection


@pytest.fixture
def transaction(network: SimulatedNetwork) -> SignedTransaction:
    """A transaction whose last valid height is past."""
    return expired(network)


@pytest.fixture
def frozen(database: Engine, transaction: SignedTransaction) -> Iterator[Connection]:
    """A send of the transaction that has not committed yet."""
    with send_without_commit(database, transaction) as connection:
        yield connection


def prove_while_frozen(
    network: SimulatedNetwork,
    database: Engine,
    transaction: SignedTransaction,
    then: Callable[[], None],
) -> Outcome:
    """Ask for the proof; once it waits for the frozen send, call `then`."""
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(network.look_up_expired, transaction)
        with database.connect() as connection:
            while not (answer.done() or connection.execute(WAITING).scalar_one()):
                pass
        assert not answer.done()
        then()
        return answer.result(timeout=10)


def test_a_send_frozen_before_its_commit_is_waited_for_and_found(
    network: SimulatedNetwork,
    database: Engine,
    transaction: SignedTransaction,
    frozen: Connection,
) -> None:
    assert network.look_up(transaction.signature) == NotFound()
    outcome = prove_while_frozen(network, database, transaction, frozen.commit)
    assert isinstance(outcome, Execution)


def test_a_send_frozen_and_rolled_back_leaves_the_proof(
    network: SimulatedNetwork,
    database: Engine,
    transaction: SignedTransaction,
    frozen: Connection,
) -> None:
    outcome = prove_while_frozen(network, database, transaction, frozen.rollback)
    assert outcome == NotFound()
    assert ledger_row(database, transaction).outcome == "expired"


def test_there_is_no_proof_while_a_send_stays_frozen(
    network: SimulatedNetwork,
    transaction: SignedTransaction,
    frozen: Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("orderengine.postgres.sessions.STATEMENT_TIMEOUT_S", 0.3)
    with pytest.raises(NetworkUnavailable):
        network.look_up_expired(transaction)
    monkeypatch.undo()
    frozen.commit()
    assert isinstance(network.look_up(transaction.signature), Execution)


def test_a_send_frozen_before_its_insert_can_not_land_behind_the_proof(
    network: SimulatedNetwork, database: Engine, transaction: SignedTransaction
) -> None:
    assert network.look_up_expired(transaction) == NotFound()
    with send_without_commit(database, transaction) as woken:
        woken.commit()
    found = ledger_row(database, transaction)
    assert (found.outcome, found.lands_at) == ("expired", None)
    assert network.look_up(transaction.signature) == NotFound()
    assert executions(database, found.order_id) == 0


def test_the_proof_can_be_had_as_soon_as_the_last_block_is_past(
    make_network: MakeNetwork, database: Engine
) -> None:
    network = make_network(SIM_BLOCK_MS="50", SIM_VALIDITY_MS="100")
    transaction = network.sign(a_swap())
    with database.connect() as connection:
        connection.execute(
            text("SELECT pg_sleep_until(to_timestamp(:block * 50 / 1000.0))"),
            {"block": transaction.last_valid_height + 1},
        )
    assert network.final_height() > transaction.last_valid_height
    assert network.look_up_expired(transaction) == NotFound()


def test_the_proof_is_repeated_by_everyone_who_asks(network: SimulatedNetwork) -> None:
    transaction = expired(network)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: network.look_up_expired(transaction), range(8)))
    assert answers == [NotFound()] * 8


def test_the_same_bytes_land_once_and_the_first_time_counts(
    make_network: MakeNetwork, database: Engine
) -> None:
    network = make_network(SIM_SETTLEMENT_MS="1000-2000")
    swap = a_swap()
    transaction = sent(network, swap)
    first = ledger_row(database, transaction)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: network.send(transaction), range(16)))
    assert ledger_row(database, transaction) == first


def test_all_who_look_at_once_see_the_same(network: SimulatedNetwork) -> None:
    for _ in range(10):
        signature = sent(network).signature
        barrier = threading.Barrier(8)

        def look(_: int, signature: str = signature, barrier: threading.Barrier = barrier) -> Any:
            barrier.wait()
            return network.look_up(signature)

        with ThreadPoolExecutor(8) as pool:
            outcomes = list(pool.map(look, range(8)))
        assert isinstance(outcomes[0], Execution)
        assert all(outcome == outcomes[0] for outcome in outcomes)


def test_who_settles_second_reads_what_the_first_one_stored(
    network: SimulatedNetwork, make_network: MakeNetwork
) -> None:
    signature = sent(network).signature
    found = network._ledger.find([signature])
    first = make_network(SIM_CHAIN_ERROR_RATE="1").look_up(signature)
    assert network._concluded(found) == {signature: first}
    assert network.look_up(signature) == first
