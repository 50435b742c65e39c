"""What the live network needs of PostgreSQL: the wallet, and foreign orders."""

from dataclasses import replace
from typing import Any

from sqlalchemy import Engine, text

from orderengine.domain.fill import SignedTransaction
from orderengine.domain.moves import RoutingCause, StartRouting, Submit
from orderengine.domain.order import NewOrder, Order
from orderengine.execution.operations.figures import SigningWallet
from orderengine.execution.promises import WalletFigures
from orderengine.storage.figures import FOREIGN_AFTER_S, SERVED_S, SqlFigures
from orderengine.storage.orders import SqlOrders
from orderengine.storage.promises import OTHER_WALLET_S, SqlWallets
from tests.builders import TRANSACTION, a_build
from tests.conftest import a_new_order

NETWORK, WALLET = "solana:genesis", "wallet"
FIGURES = WalletFigures(lamports=5, usdc=6, slots_behind=7)


def submitted(database: Engine, new: NewOrder, **signed: Any) -> Order:
    """An order that is submitted, with a transaction of its own."""
    orders = SqlOrders(database)
    order = orders.accept(new).order
    transaction = replace(TRANSACTION, signature=f"sig{order.order_id}", **signed)
    build = a_build(order.created_at, side=new.side)
    for move in (StartRouting(RoutingCause.ORDER), build, Submit(transaction)):
        moved = orders.move(order.order_id, order.version, move)
        assert moved is not None, move
        order = moved.order
    return order


def age(database: Engine, seconds: float) -> None:
    with database.connect() as connection:
        values = {"s": seconds}
        connection.execute(
            text("UPDATE orders SET updated_at = updated_at - make_interval(secs => :s)"), values
        )
        connection.execute(
            text(
                "UPDATE wallets SET seen_at = seen_at - make_interval(secs => :s),"
                " told_at = told_at - make_interval(secs => :s)"
            ),
            values,
        )


def test_one_wallet_signs_on_a_network_at_a_time(database: Engine) -> None:
    wallets = SqlWallets(database)
    assert wallets.claim(NETWORK, WALLET)
    assert not wallets.claim(NETWORK, "other")
    assert wallets.claim("solana:another", "other")
    assert wallets.claim(NETWORK, WALLET, FIGURES)
    age(database, OTHER_WALLET_S + 1)
    assert wallets.claim(NETWORK, "other")
    assert not wallets.claim(NETWORK, WALLET)


def test_what_the_wallet_holds_is_told_while_a_worker_tells_it(database: Engine) -> None:
    figures = SqlFigures(database, 90, is_live=True)
    SqlWallets(database).claim(NETWORK, WALLET)
    assert figures.open_orders().wallets == []
    SqlWallets(database).claim(NETWORK, WALLET, FIGURES)
    SqlWallets(database).claim(NETWORK, WALLET)
    SqlWallets(database).claim("solana:another", "other", FIGURES)
    found = figures.open_orders().wallets
    assert [replace(each, told_s=0.0) for each in found] == [
        SigningWallet("solana:another", 5, 6, 7),
        SigningWallet(NETWORK, 5, 6, 7),
    ]
    assert all(0 <= each.told_s < 30 for each in found)
    assert SqlFigures(database, 90).open_orders().wallets == ()
    age(database, 61)
    assert figures.open_orders().wallets == []


def test_orders_of_another_network_or_wallet_are_counted(database: Engine) -> None:
    live, simulated = SqlFigures(database, 90, is_live=True), SqlFigures(database, 90)
    submitted(database, a_new_order())
    submitted(database, a_new_order(), network=NETWORK, wallet=WALLET, slot=1)
    submitted(database, a_new_order(), network=NETWORK, wallet="other", slot=1)
    submitted(database, a_new_order(), network="solana:old", wallet=WALLET, slot=1)
    SqlWallets(database).claim(NETWORK, WALLET)
    assert live.open_orders().foreign == {}
    age(database, FOREIGN_AFTER_S + 1)
    assert live.open_orders().foreign == {
        ("simulated", ""): 1,
        (NETWORK, "other"): 1,
        ("solana:old", WALLET): 1,
    }
    assert simulated.open_orders().foreign == {
        (NETWORK, WALLET): 1,
        (NETWORK, "other"): 1,
        ("solana:old", WALLET): 1,
    }


def test_no_order_of_a_cluster_that_workers_serve_is_foreign(database: Engine) -> None:
    """Whichever of the workers has told of itself last."""
    figures, wallets = SqlFigures(database, 90, is_live=True), SqlWallets(database)
    other, third = "solana:another", "solana:third"
    for network in (NETWORK, other, third):
        submitted(database, a_new_order(), network=network, wallet=WALLET, slot=1)
    age(database, FOREIGN_AFTER_S + 1)
    for network in (NETWORK, other, NETWORK):
        assert wallets.claim(network, WALLET)
    assert figures.open_orders().foreign == {(third, WALLET): 1}
    age(database, SERVED_S + 1)
    assert wallets.claim(other, WALLET)
    assert figures.open_orders().foreign == {(third, WALLET): 1, (NETWORK, WALLET): 1}
    age(database, SERVED_S + 1)
    found = figures.open_orders().foreign
    assert found == {(third, WALLET): 1, (NETWORK, WALLET): 1}, "the last one to be served"


def test_a_signed_order_is_read_with_its_network(database: Engine) -> None:
    order = submitted(database, a_new_order(), network=NETWORK, wallet=WALLET, slot=2**40)
    read = SqlOrders(database).get(order.order_id)
    assert read is not None
    assert isinstance(read.transaction, SignedTransaction)
    assert (read.transaction.network, read.transaction.slot) == (NETWORK, 2**40)
