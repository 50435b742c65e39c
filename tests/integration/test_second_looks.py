"""The marks of the looks that one worker makes for all."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from sqlalchemy import Engine, text

from orderengine.domain.moves import RoutingCause, StartRouting, Submit
from orderengine.domain.order import Order
from orderengine.execution.second_looks import SettledPart
from orderengine.storage import second_looks
from orderengine.storage.figures import SqlFigures
from orderengine.storage.orders import SqlOrders
from orderengine.storage.promises import SqlWallets
from orderengine.storage.second_looks import FIRST_LOOK_S, SqlSecondLooks
from tests.builders import TRANSACTION, a_build, a_confirm
from tests.conftest import a_new_order
from tests.plans import analyze_all, scratch_database, unsought, what_is_read

NETWORK, WALLET = "solana:genesis", "wallet"
AGE_S = 20.0
OFTEN = 8
"""After five executions PostgreSQL chooses between a generic and a custom plan."""
LARGE = 100_000


@pytest.fixture
def looks(database: Engine, monkeypatch: pytest.MonkeyPatch) -> SqlSecondLooks:
    monkeypatch.setattr(second_looks, "FINAL_PAUSE_S", 0)
    SqlWallets(database).claim(NETWORK, WALLET)
    return SqlSecondLooks(database)


def confirmed(database: Engine, age_s: float, network: str = NETWORK) -> Order:
    """An order that was confirmed so long ago."""
    orders = SqlOrders(database)
    order = orders.accept(a_new_order()).order
    signature = f"sig{order.order_id}"
    signed = replace(TRANSACTION, signature=signature, network=network, wallet=WALLET, slot=7)
    for move in (
        StartRouting(RoutingCause.ORDER),
        a_build(order.created_at),
        Submit(signed),
        replace(a_confirm(order.created_at), signature=signature),
    ):
        moved = orders.move(order.order_id, order.version, move)
        assert moved is not None
        order = moved.order
    with database.connect() as connection:
        connection.execute(
            text(
                "UPDATE order_events SET occurred_at = now() - make_interval(secs => :age_s)"
                " WHERE order_id = :id AND status = 'confirmed'"
            ),
            {"age_s": age_s, "id": order.order_id},
        )
    return order


def looked(looks: SqlSecondLooks, limit: int = 10) -> SettledPart:
    part = looks.begin_settled(NETWORK, AGE_S, limit)
    assert part is not None
    return part


def names(part: SettledPart) -> list[str]:
    return [each.signature for each in part.settled]


def signature_of(order: Order) -> str:
    return f"sig{order.order_id}"


def test_what_was_settled_is_looked_at_by_the_next_worker_if_one_is_killed(
    database: Engine, looks: SqlSecondLooks
) -> None:
    second, first = confirmed(database, 100), confirmed(database, 300)
    confirmed(database, AGE_S - 5)
    confirmed(database, 50, "solana:another")
    SqlOrders(database).accept(a_new_order())
    part = looked(looks)
    assert names(part) == [signature_of(first), signature_of(second)], "the oldest first"
    assert part.settled[0].slot == 7
    assert 299 < part.settled[0].age_s < 330
    # The worker is killed: it has not said that they are final.
    assert names(looked(SqlSecondLooks(database))) == names(part)
    looks.are_final(NETWORK, part.settled[0].at)
    assert names(looked(looks)) == [signature_of(second)]
    looks.are_final(NETWORK, part.until)
    assert names(looked(looks)) == []


def test_a_mark_never_goes_back(database: Engine, looks: SqlSecondLooks) -> None:
    confirmed(database, 100)
    part = looked(looks)
    looks.are_final(NETWORK, part.until)
    looks.are_final(NETWORK, part.settled[0].at.replace(year=2020))
    assert names(looked(looks)) == []


def test_a_part_ends_with_a_whole_moment(database: Engine, looks: SqlSecondLooks) -> None:
    """Orders that one statement confirms have one time."""
    for age_s in (300, 200, 200, 200, 100):
        confirmed(database, age_s)
    with database.connect() as connection:
        same = (
            "UPDATE order_events SET occurred_at = date_trunc('minute', now()) - interval '3 min'"
        )
        middle = "occurred_at BETWEEN now() - interval '250 s' AND now() - interval '150 s'"
        connection.execute(text(f"{same} WHERE status = 'confirmed' AND {middle}"))
    part = looked(looks, limit=2)
    assert len(part.settled) == 4
    looks.are_final(NETWORK, part.until)
    assert len(looked(looks, limit=2).settled) == 1


def test_the_first_look_goes_back_some_minutes(database: Engine, looks: SqlSecondLooks) -> None:
    confirmed(database, FIRST_LOOK_S + 60)
    known = confirmed(database, FIRST_LOOK_S - 60)
    assert names(looked(looks)) == [signature_of(known)]


def test_failed_landings_are_kept_until_they_need_no_look(
    database: Engine, looks: SqlSecondLooks
) -> None:
    for signature, slot in (("first", 2**40), ("second", 8), ("first", 9)):
        looks.note_failed(NETWORK, signature, slot)
    looks.note_failed("solana:another", "third", 7)
    assert looks.failed(NETWORK, AGE_S, 10) == []
    with database.connect() as connection:
        age = "UPDATE failed_landings SET seen_at = seen_at - make_interval(secs => :s)"
        connection.execute(text(f"{age} WHERE signature <> 'second'"), {"s": 50})
        connection.execute(text(f"{age} WHERE signature = 'second'"), {"s": 40})
    found = SqlSecondLooks(database).failed(NETWORK, AGE_S, 10)
    assert [(each.signature, each.slot) for each in found] == [("first", 2**40), ("second", 8)]
    assert 50 <= found[0].age_s < 80
    assert [each.signature for each in looks.failed(NETWORK, AGE_S, 1)] == ["first"]
    looks.forget_failed(["first", "unknown"])
    assert [each.signature for each in looks.failed(NETWORK, AGE_S, 10)] == ["second"]


def test_one_worker_looks_at_a_time(database: Engine) -> None:
    looks, other = SqlSecondLooks(database), SqlSecondLooks(database)
    assert looks.begin_settled(NETWORK, AGE_S, 10) is None, "no worker has claimed a wallet"
    SqlWallets(database).claim(NETWORK, WALLET)
    assert looks.begin_settled(NETWORK, AGE_S, 10) is not None
    assert other.begin_settled(NETWORK, AGE_S, 10) is None
    assert looks.begin_strangers(NETWORK)
    assert not other.begin_strangers(NETWORK)
    with database.connect() as connection:
        connection.execute(text("UPDATE wallets SET strangers_looked_at = now() - interval '61 s'"))
    assert other.begin_strangers(NETWORK)


def test_transactions_without_an_order_are_unknown_and_told(
    database: Engine, looks: SqlSecondLooks
) -> None:
    order = confirmed(database, 0)
    assert looks.unknown([signature_of(order), "strange"]) == {"strange"}
    assert looks.unknown([]) == set()
    figures = SqlFigures(database, 90, is_live=True)
    with database.connect() as connection:
        connection.execute(text("UPDATE wallets SET lamports = 1, usdc = 2, told_at = now()"))
    (found,) = figures.open_orders().wallets
    assert found.strangers is None, "nobody has looked yet"
    looks.note_strangers(NETWORK, 3)
    (found,) = figures.open_orders().wallets
    assert found.strangers == 3


def test_a_look_reads_what_was_settled_since_the_last_one(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(second_looks, "FINAL_PAUSE_S", 0)
    with scratch_database(database_url, LARGE) as database:
        SqlWallets(database).claim(NETWORK, WALLET)
        looks = SqlSecondLooks(database)

        def look() -> object:
            return looks.begin_settled(NETWORK, AGE_S, 10)

        def ask() -> object:
            return looks.unknown([f"sig{number}" for number in range(50)])

        for _ in range(OFTEN):
            look(), ask()
        for _ in range(2):
            assert set(unsought(database, look)) <= {"Seq Scan of wallets"}
            assert unsought(database, ask) in ([], ["Function Scan of asked"])
            analyze_all(database)
        (_, settled) = what_is_read(database, look)
        assert settled.rows <= 50, settled.plan


def test_times_are_aware(database: Engine, looks: SqlSecondLooks) -> None:
    confirmed(database, 100)
    part = looked(looks)
    assert part.until.tzinfo is UTC
    assert part.settled[0].at < part.until < datetime.now(UTC)
