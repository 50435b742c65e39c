"""How much a tick of the price watcher reads while very many orders wait."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from sqlalchemy import Engine, text

from harness.statements import unbounded
from orderengine.domain.side import Side
from orderengine.domain.terms import OrderType
from orderengine.execution.waiting.prices import SeenPrice, has_come, starts_below
from orderengine.execution.waiting.watching import Watched
from orderengine.storage.triggers import SqlWaiting
from tests.plans import scratch_database, what_is_read

SYMBOLS = [f"S{number}" for number in range(20)]
WAITING = 40_000
A_PROBE = 10
"""The most blocks that a probe which starts nothing may read."""
OFTEN = 8
"""After five executions PostgreSQL chooses between a generic and a custom plan."""

_LOAD = """
INSERT INTO orders (id, client_id, symbol, side, quantity, slippage_tolerance_bps, status, version,
                    attempt, due_at, type, time_in_force, limit_price, stop_price, trigger_on,
                    min_liquidity, worst_price, watch_price, expires_at, created_at, updated_at)
SELECT gen_random_uuid(), 'client-' || n % 100, 'S' || n % :symbols, side, 1, 100, 'waiting', 1, 1,
       'infinity', type, CASE type WHEN 'sniper' THEN 'GTD' ELSE 'GTC' END,
       CASE type WHEN 'limit' THEN price END, CASE type WHEN 'stop' THEN price END,
       CASE type WHEN 'sniper' THEN 'poolOpened' END, CASE type WHEN 'sniper' THEN 0 END,
       CASE type WHEN 'sniper' THEN 1 END, CASE WHEN type <> 'sniper' THEN price END,
       CASE type WHEN 'sniper' THEN now() + interval '1 day' END, now(), now()
FROM (
    SELECT n, (ARRAY['buy', 'sell'])[1 + n / 20 % 2] AS side,
           CASE WHEN n % 1000 = 999 THEN 'sniper' WHEN n / 40 % 3 = 0 THEN 'stop' ELSE 'limit' END
               AS type,
           100 + n % 7919 * CASE WHEN (n / 20 % 2 = 1) = (n / 40 % 3 = 0) THEN -0.01 ELSE 0.01 END
               AS price
    FROM generate_series(1, :size) AS n
) AS numbered"""

KINDS = [Watched("S7", kind, side) for kind in (OrderType.LIMIT, OrderType.STOP) for side in Side]


@pytest.fixture(scope="module")
def crowded(database_url: str) -> Iterator[Engine]:
    """Orders that wait beyond the price of 100: buys below it, sales above it, stops beyond."""
    with scratch_database(database_url) as database:
        with unbounded(), database.connect() as connection:
            connection.execute(text(_LOAD), {"size": WAITING, "symbols": len(SYMBOLS)})
        yield database


@pytest.fixture(params=["unanalyzed", "analyzed"])
def big(request: pytest.FixtureRequest, crowded: Engine) -> Engine:
    if request.param == "analyzed":
        with unbounded(), crowded.connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT")
            connection.execute(text("VACUUM ANALYZE orders, price_watches"))
    return crowded


def none_has_come(watched: Watched, database: Engine) -> SeenPrice:
    """A price just before the first one at which an order of this kind starts."""
    best, beyond = ("max", "0.001") if watched.type is OrderType.LIMIT else ("min", "-0.001")
    if watched.side is Side.SELL:
        best, beyond = ("min", "-0.001") if best == "max" else ("max", "0.001")
    with database.connect() as connection:
        price = connection.execute(
            text(
                f"SELECT {best}(watch_price) FROM orders"  # noqa: S608 - a constant
                " WHERE symbol = :symbol AND type = :type AND side = :side"
            ),
            {"symbol": watched.symbol, "type": watched.type.value, "side": watched.side.value},
        ).scalar_one()
    return SeenPrice(price + Decimal(beyond), datetime.now(UTC), "test")


def often(call: Callable[[], object]) -> None:
    for _ in range(OFTEN):
        call()


@pytest.mark.parametrize("watched", KINDS, ids=lambda each: f"{each.type}-{each.side}")
def test_a_probe_that_starts_nothing_reads_one_path_of_the_index(
    big: Engine, watched: Watched
) -> None:
    waiting, seen = SqlWaiting(big), none_has_come(watched, big)
    often(lambda: waiting.candidates(watched, seen, 200))
    assert waiting.candidates(watched, seen, 200) == []
    (read,) = what_is_read(big, lambda: waiting.candidates(watched, seen, 200))
    assert read.blocks <= A_PROBE, read.plan
    assert read.rows == 0, read.plan


def test_a_question_for_all_kinds_reads_one_path_of_the_index_for_each(big: Engine) -> None:
    waiting = SqlWaiting(big)
    kinds = [replace(kind, symbol=symbol) for symbol in SYMBOLS for kind in KINDS]
    seen = {each: none_has_come(each, big) for each in kinds}
    often(lambda: waiting.come(seen))
    (read,) = what_is_read(big, lambda: waiting.come(seen))
    assert read.blocks <= len(kinds) * A_PROBE, read.plan
    assert waiting.come(seen) == set()
    low, high = SeenPrice(Decimal(1), seen[kinds[0]].at, "test"), Decimal(10**6)
    beyond = {
        each: low if starts_below(each.type, each.side) else replace(low, price=high)
        for each in kinds
    }
    assert waiting.come(seen | {kinds[3]: beyond[kinds[3]]}) == {kinds[3]}
    assert waiting.come(beyond) == set(kinds)
    (read,) = what_is_read(big, lambda: waiting.come(beyond))
    assert read.blocks <= len(kinds) * A_PROBE, read.plan


@pytest.mark.parametrize("watched", KINDS, ids=lambda each: f"{each.type}-{each.side}")
def test_a_probe_that_finds_orders_reads_no_more_than_it_returns(
    big: Engine, watched: Watched
) -> None:
    waiting = SqlWaiting(big)
    far = Decimal("0.01") if none_has_come(watched, big).price > 0 else Decimal(1)
    below = (watched.type is OrderType.LIMIT) == (watched.side is Side.BUY)
    seen = SeenPrice(far if below else Decimal(10**6), datetime.now(UTC), "test")
    often(lambda: waiting.candidates(watched, seen, 20))
    (read,) = what_is_read(big, lambda: waiting.candidates(watched, seen, 20))
    assert len(waiting.candidates(watched, seen, 20)) == 20
    assert read.rows <= 60, read.plan


def test_the_leases_read_little_of_many_waiting_orders(big: Engine) -> None:
    waiting = SqlWaiting(big)
    often(lambda: waiting.hold("one", SYMBOLS, 2))
    (read,) = what_is_read(big, lambda: waiting.hold("one", SYMBOLS, 2))
    # Seven looks at the index for each symbol, of four blocks each, and some for the rows.
    assert read.blocks <= len(SYMBOLS) * 60, read.plan
    # A row passes up to five nodes of the plan, and each kind has one.
    assert read.rows <= len(SYMBOLS) * 25, read.plan


def test_the_leases_tell_the_nearest_price_of_each_kind(big: Engine) -> None:
    nearest = SqlWaiting(big).hold("one", SYMBOLS, 2)
    assert {each.symbol for each in nearest} == set(SYMBOLS)
    for kind in KINDS:
        first = nearest[kind]
        assert first is not None
        just_before = none_has_come(kind, big).price
        assert abs(just_before - first) == Decimal("0.001")
        assert not has_come(kind.type, kind.side, just_before, first)


def test_after_many_cancels_a_probe_reads_little_from_the_second_tick_on(
    database_url: str,
) -> None:
    """Without a vacuum: the first probe after them marks the dead entries of the index."""
    watched = Watched("S0", OrderType.LIMIT, Side.BUY)
    with scratch_database(database_url) as database:
        with unbounded(), database.connect() as connection:
            connection.execute(text(_LOAD), {"size": 20_000, "symbols": 1})
            connection.execute(text("ANALYZE orders"))
        with database.connect() as connection:
            canceled = connection.execute(
                text(
                    "UPDATE orders SET status = 'canceled', due_at = NULL WHERE id IN ("
                    " SELECT id FROM orders WHERE symbol = 'S0' AND type = 'limit'"
                    " AND side = 'buy' AND status = 'waiting'"
                    " ORDER BY watch_price DESC LIMIT 2500)"
                )
            )
            assert canceled.rowcount == 2500
        waiting = SqlWaiting(database)
        seen = SeenPrice(Decimal(1000), datetime.now(UTC), "test")
        # The call is the first tick, its explanation the second one.
        (second,) = what_is_read(database, lambda: waiting.candidates(watched, seen, 200))
        assert second.blocks <= 50, second.plan
