"""Snipers on PostgreSQL: the tick that opens their pool builds them, and sends them on."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from threading import Barrier
from uuid import UUID

import pytest
from sqlalchemy import Engine

from orderengine.domain.instruments import Instruments
from orderengine.domain.moves import Build, RoutingCause, Submit
from orderengine.domain.order import OrderStatus
from orderengine.domain.side import Side
from orderengine.domain.terms import OrderType, TimeInForce, TriggerOn
from orderengine.execution.chain.recovery import Recovery
from orderengine.execution.ports import PreparedStart
from orderengine.execution.waiting import judging
from orderengine.storage.halts import SqlHalts
from orderengine.storage.orders import SqlOrders
from tests.builders import A_TRIGGER, TRANSACTION, a_build
from tests.conftest import a_new_order
from tests.integration.watchers import Watch
from tests.plans import scratch_database, unsought
from tests.statements import sent_statements

BUILDING, PENDING = OrderStatus.BUILDING, OrderStatus.PENDING
STEPS = ["waiting", "pending", "routing", "building"]
ROUNDS = 60


@pytest.fixture
def watch(database: Engine, instruments: Instruments) -> Watch:
    return Watch(database, instruments)


def a_sniper(watch: Watch, worst: str = "1000", side: Side = Side.BUY, usdc: str = "") -> UUID:
    new = replace(
        a_new_order(side),
        type=OrderType.SNIPER,
        trigger_on=TriggerOn.POOL_OPENED,
        min_liquidity=Decimal(0),
        worst_price=Decimal(worst),
        slippage_tolerance_bps=None,
        time_in_force=TimeInForce.GTD,
        expires_at=datetime.now(UTC) + timedelta(hours=1),
        base_decimals=6,
    )
    if usdc:
        new = replace(new, quantity=None, quote_quantity=Decimal(usdc))
    return watch.orders.accept(new).order.order_id


def statuses(watch: Watch, order_id: UUID) -> list[str]:
    events = watch.orders.events(order_id)
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    return [event.status.value for event in events]


def stages(watch: Watch) -> list[tuple[str, UUID, int]]:
    return [(sent.stage, sent.order_id, sent.version) for sent in watch.dispatcher.sent]


@pytest.mark.parametrize(
    ("side", "worst", "usdc", "limit"),
    [
        (Side.BUY, "300", "", 3_000_000_000),
        (Side.SELL, "200", "", 2_000_000_000),
        (Side.BUY, "300", "600", 2_000_000),
        (Side.SELL, "200", "600", 3_000_000),
    ],
)
def test_a_sniper_is_built_from_the_offer_in_hand_and_bounded_by_its_worst_price(
    watch: Watch, side: Side, worst: str, usdc: str, limit: int
) -> None:
    order_id = a_sniper(watch, worst, side, usdc)
    watch.tick()
    order = watch.order(order_id)
    assert (order.status, order.limit_amount, order.recoveries) == (BUILDING, limit, 0)
    assert order.route is not None
    assert order.route.side is side
    assert watch.board.asked == 1, "the tick's own question"
    assert statuses(watch, order_id) == STEPS
    assert stages(watch) == [("submit", order_id, 4)]
    assert [each.event.seq for each in watch.publisher.published] == [2, 3, 4]
    assert [each.order.version for each in watch.publisher.published] == [2, 3, 4]
    _, started, _, built = watch.orders.events(order_id)
    assert started.data["cause"] == "triggered"
    assert started.data["pricedAt"]
    assert built.data["limitAmount"] == str(limit)


def test_they_go_on_in_groups_that_the_next_stage_reads_without_a_row(
    watch: Watch,
) -> None:
    order_ids = [a_sniper(watch) for _ in range(23)]
    watch.tick()
    groups = watch.dispatcher.groups
    assert [len(group) for group in groups] == [10, 10, 3]
    assert sorted(each.order_id for group in groups for each in group) == sorted(order_ids)
    assert all(each.swap is not None for group in groups for each in group)
    assert all(each.swap.prepared for group in groups for each in group if each.swap)
    assert watch.dispatcher.exchanges == 1


def test_snipers_have_a_room_of_their_own(
    database: Engine, instruments: Instruments, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orderengine.execution.waiting.starting.MOST_SNIPERS", 2)
    watch = Watch(database, instruments, slots=1)
    first, second, third = (a_sniper(watch) for _ in range(3))
    stop = watch.stop("220")
    watch.references.price = Decimal(219)
    assert watch.tick(), "one is left"
    assert [watch.status(each) for each in (first, second)] == [BUILDING] * 2
    assert watch.status(stop) is PENDING
    assert watch.status(third) is OrderStatus.WAITING
    assert watch.tick(0.05)
    assert watch.status(third) is OrderStatus.WAITING, "no worker has taken one"
    assert watch.orders.move(first, 4, Submit(TRANSACTION)) is not None
    watch.tick(0.05)
    assert watch.status(third) is BUILDING


def test_a_pool_that_opens_beyond_the_worst_price_leaves_the_sniper_to_the_chain(
    watch: Watch,
) -> None:
    order_id = a_sniper(watch, "229")
    watch.tick()
    assert statuses(watch, order_id) == ["waiting", "pending"]
    assert stages(watch) == [("route", order_id, 2)]


def test_one_that_breaks_the_statement_takes_the_chain_and_the_others_are_built(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database holds each row to its worst price, whatever has computed the limit."""
    first, bad, last = (a_sniper(watch) for _ in range(3))
    judge = judging.judge

    def beyond(order: object, *rest: object) -> object:
        verdict = judge(order, *rest)  # type: ignore[arg-type]
        if isinstance(verdict, PreparedStart) and verdict.order_id == bad:
            return replace(verdict, build=replace(verdict.build, limit_amount=10**15))
        return verdict

    monkeypatch.setattr("orderengine.execution.waiting.watcher.judge", beyond)
    watch.tick()
    assert [watch.status(each) for each in (first, bad, last)] == [BUILDING, PENDING, BUILDING]
    assert statuses(watch, bad) == ["waiting", "pending"]
    assert ("route", bad, 2) in stages(watch)


def test_without_a_broker_recovery_routes_it_anew(watch: Watch) -> None:
    order_id = a_sniper(watch)
    watch.dispatcher.down = True
    watch.tick()
    assert (watch.status(order_id), watch.started) == (BUILDING, [])
    watch.dispatcher.down = False
    watch.run("UPDATE orders SET due_at = now() - interval '1 s'")
    Recovery(watch.watcher.engine).run_once()
    (sent,) = watch.dispatcher.sent
    assert (sent.stage, sent.version, sent.cause) == ("route", 4, RoutingCause.RECOVERY)


def test_while_trading_is_halted_none_is_built(watch: Watch, database: Engine) -> None:
    order_id = a_sniper(watch)
    order = watch.order(order_id)
    SqlHalts(database).halt()
    assert watch.orders.start_prepared([prepared(order_id)]) == [[]]
    assert watch.order(order_id) == order
    SqlHalts(database).resume()
    assert len(watch.orders.start_prepared([prepared(order_id)])[0]) == 3


def test_many_are_built_by_one_statement(watch: Watch, database: Engine) -> None:
    wanted = [prepared(a_sniper(watch)) for _ in range(5)]
    with sent_statements(database) as statements:
        assert [len(steps) for steps in watch.orders.start_prepared(wanted)] == [3] * 5
    assert len(statements) == 1


def prepared(order_id: UUID, build: Build | None = None) -> PreparedStart:
    return PreparedStart(order_id, 1, A_TRIGGER, build or a_build(datetime.now(UTC)))


def test_of_a_start_and_a_cancel_at_once_one_statement_comes_first(watch: Watch) -> None:
    orders, met = watch.orders, set()
    for _ in range(ROUNDS):
        order_id = a_sniper(watch)
        barrier = Barrier(2)

        def start(order_id: UUID = order_id, barrier: Barrier = barrier) -> int:
            barrier.wait()
            return len(orders.start_prepared([prepared(order_id)])[0])

        def cancel(order_id: UUID = order_id, barrier: Barrier = barrier) -> bool:
            barrier.wait()
            return orders.cancel("local", order_id) is not None

        with ThreadPoolExecutor(2) as pool:
            has_started, is_canceled = pool.submit(start), pool.submit(cancel)
            assert is_canceled.result()
            passed = STEPS if has_started.result() else STEPS[:1]
        assert statuses(watch, order_id) == [*passed, "canceled"]
        met.add(has_started.result())
    assert met, "each round ended one way"


def test_two_watchers_build_each_sniper_once(database: Engine, instruments: Instruments) -> None:
    orders = SqlOrders(database)
    watch = Watch(database, instruments)
    for _ in range(ROUNDS):
        order_ids = [a_sniper(watch) for _ in range(4)]
        barrier = Barrier(2)

        def start(wanted: Sequence[UUID], barrier: Barrier = barrier) -> list[int]:
            barrier.wait()
            return [len(steps) for steps in orders.start_prepared([*map(prepared, wanted)])]

        with ThreadPoolExecutor(2) as pool:
            there, back = pool.map(start, (order_ids, order_ids[::-1]))
        assert [a + b for a, b in zip(there, back[::-1], strict=True)] == [3] * 4
        for order_id in order_ids:
            assert statuses(watch, order_id) == STEPS


def test_each_row_is_found_by_its_key(database_url: str) -> None:
    with scratch_database(database_url, 50_000) as database:
        orders = SqlOrders(database)
        wanted = [prepared(UUID(int=number)) for number in range(5)]
        for _ in range(8):
            orders.start_prepared(wanted)
        found = unsought(database, lambda: orders.start_prepared(wanted))
        assert [each for each in found if not each.endswith("of trading_halts")] == []
