"""The watcher and the limit per client and day."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

import pytest
from sqlalchemy import Engine

from orderengine.domain.errors import FailureReason
from orderengine.domain.instruments import Instruments, parse_instruments
from orderengine.domain.order import OrderStatus
from orderengine.domain.side import Side
from orderengine.storage.daily import SqlDays
from tests.integration.watchers import Watch

HELD = FailureReason.DAILY_LIMIT


@pytest.fixture
def watch(database: Engine, instruments: Instruments) -> Watch:
    return Watch(database, instruments, max_daily_notional=5000)


def taken(watch: Watch, client_id: str = "local") -> Decimal:
    return SqlDays(watch.database).charged([client_id]).get(client_id, Decimal(0))


def test_orders_start_until_their_clients_day_is_spent(watch: Watch) -> None:
    """Each is for 10 AAPL: at 230 two of them fit into 5000 USDC."""
    watch.ask("230")
    ids = [watch.limit(price) for price in ("243", "242", "241")]
    watch.tick()
    assert watch.started == ids[:2]
    assert 4600 <= taken(watch) <= 4700
    held = watch.order(ids[2])
    assert (held.status, held.held_because) == (OrderStatus.WAITING, HELD)
    watch.tick()
    assert watch.started == ids[:2]


def test_they_start_on_the_next_day(watch: Watch) -> None:
    watch.references.price = Decimal(230)
    first, second = watch.stop("240"), watch.stop("241")
    third = watch.stop("242", Side.SELL)
    watch.tick()
    assert watch.started == [first, second]
    assert taken(watch) == 4600
    watch.run("UPDATE daily_charges SET day = day - 1")
    watch.run("UPDATE daily_notionals SET day = day - 1")
    watch.tick(after_s=61)
    watch.tick()
    assert watch.started == [first, second, third]
    assert watch.order(third).held_because is None
    assert taken(watch) == 2300


def test_a_sniper_takes_its_size_at_the_price_of_the_pool(watch: Watch) -> None:
    watch.ask("200")
    ids = [watch.sniper("1") for _ in range(3)]
    watch.tick()
    assert sorted(watch.status(each) for each in ids) == [
        *(OrderStatus.BUILDING, OrderStatus.BUILDING, OrderStatus.WAITING)
    ]
    assert 3990 <= taken(watch) <= 4100


class Unaware(SqlDays):
    """Days as they were before others started their orders, for one look."""

    looks = 0

    def charged(self, client_ids: Sequence[str]) -> Mapping[str, Decimal]:
        self.looks += 1
        return {} if self.looks == 1 else super().charged(client_ids)


def test_a_watcher_that_others_overtake_starts_what_still_fits(watch: Watch) -> None:
    watch.references.price = Decimal(230)
    watch.stop("240")
    watch.tick()
    watch.watcher.days = Unaware(watch.database)
    ids = [watch.stop("240"), watch.stop("240")]
    watch.tick()
    assert watch.started[1:] == ids[:1]
    assert watch.order(ids[1]).held_because is None, "the next look sees it"
    watch.tick()
    assert watch.order(ids[1]).held_because is HELD
    assert taken(watch) == 4600


def test_snipers_that_others_overtake_start_while_they_fit(watch: Watch) -> None:
    watch.ask("230")
    watch.sniper("1")
    watch.tick()
    watch.watcher.days = Unaware(watch.database)
    ids = [watch.sniper("1") for _ in range(3)]
    watch.tick()
    statuses = sorted(watch.status(each) for each in ids)
    assert statuses == [OrderStatus.BUILDING, OrderStatus.WAITING, OrderStatus.WAITING]
    assert 4600 <= taken(watch) <= 4700
    watch.tick()
    held = [watch.order(each) for each in ids if watch.status(each) is OrderStatus.WAITING]
    assert [each.held_because for each in held] == [HELD, HELD]


def test_without_a_limit_nothing_is_charged(database: Engine, instruments: Instruments) -> None:
    watch = Watch(database, instruments)
    watch.references.price = Decimal(230)
    for _ in range(3):
        watch.stop("240")
    watch.tick()
    assert len(watch.started) == 3
    assert taken(watch) == 0


HEADER = "symbol,name,decimals,quantity_step,min_quantity,max_quantity,reference_price,depth,mint\n"
AAPL = "AAPL,Apple,6,0.000001,0.0001,100000,229.40,6000000"
MINT = "XsbEhLAtcf6HdfpFZ5xEMdqW8nfAvcsP5bdudRLJzJp"
OTHER = "So11111111111111111111111111111111111111112"


@pytest.mark.parametrize(
    ("placed_for", "traded", "starts"),
    [(MINT, MINT, True), (OTHER, MINT, False), (None, MINT, False), (MINT, "", False)],
)
def test_an_order_starts_for_the_token_that_it_was_placed_for(
    database: Engine, placed_for: str | None, traded: str, starts: bool
) -> None:
    """One without a mint is of the simulated network: a live one must not start it."""
    watch = Watch(database, parse_instruments(f"{HEADER}{AAPL},{traded}\n"))
    watch.references.price = Decimal(230)
    order_id = watch.stop("240", base_mint=placed_for)
    watch.tick()
    assert watch.started == ([order_id] if starts else [])
    expected = None if starts else FailureReason.INSTRUMENT_CHANGED
    assert watch.order(order_id).held_because is expected
