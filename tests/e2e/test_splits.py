"""Splits, worst prices and orders that are too large, on the stack as it is started."""

from decimal import Decimal

import pytest
from sqlalchemy import Engine, text

from tests.e2e.ledger import executions
from tests.e2e.stack import Stack

STATUSES = ["pending", "routing", "building", "submitted", "confirmed"]
LARGE = "40000"  # SOL: a third of the depth


def test_a_split_is_executed_as_one_transaction_and_told_by_its_legs(
    stack: Stack, stack_database: Engine
) -> None:
    order_id = stack.post("SOL", "buy", LARGE, maxLegs=2)
    stream = stack.follow(order_id)
    assert (stream.statuses, stream.code) == (STATUSES, 1000)
    built, done = (stream.events[index]["data"] for index in (2, 4))
    assert built["dex"] == done["dex"] == "raydium+meteora"
    assert built["routeReason"] == "BEST_SPLIT"
    for legs in (built["legs"], done["executedLegs"]):
        assert [leg["dex"] for leg in legs] == ["raydium", "meteora"]
        assert sum(int(leg["baseAmount"]) for leg in legs) == int(LARGE) * 10**9
    best = min(Decimal(quote["quoteAmount"]) for quote in built["quotes"])
    assert sum(int(leg["quoteAmount"]) for leg in built["legs"]) < best
    assert sum(int(leg["quoteAmount"]) for leg in done["executedLegs"]) == int(done["quoteAmount"])
    assert executions(stack_database)[order_id] == 1
    with stack_database.connect() as connection:
        statement = text("SELECT executed_legs FROM sim_transactions WHERE order_id = :id")
        kept = connection.execute(statement, {"id": order_id}).scalars().all()
    assert kept == [done["executedLegs"]]
    shown = stack.order(order_id)
    assert (shown["legs"], shown["executedLegs"]) == (built["legs"], done["executedLegs"])


@pytest.mark.parametrize("side", ["buy", "sell"])
@pytest.mark.parametrize("max_legs", [1, 2])
def test_an_order_of_usdc_trades_it_to_the_unit(
    stack: Stack, stack_database: Engine, side: str, max_legs: int
) -> None:
    usdc = "4000000.000001" if max_legs == 2 else "1234.567891"
    order_id = stack.place(symbol="SOL", side=side, quoteQuantity=usdc, maxLegs=max_legs)
    stream = stack.follow(order_id)
    assert (stream.statuses, stream.code) == (STATUSES, 1000)
    built, done = (stream.events[index]["data"] for index in (2, 4))
    units = str(Decimal(usdc).scaleb(6).to_integral_value())
    assert done["quoteAmount"] == units
    assert sum(int(leg["quoteAmount"]) for leg in built["legs"]) == int(units)
    assert len(built["legs"]) == max_legs
    bound = "minOut" if side == "buy" else "maxIn"
    assert all(bound in leg for leg in built["legs"])
    traded, limit = int(done["baseAmount"]), int(built["limitAmount"])
    assert traded >= limit if side == "buy" else traded <= limit
    assert executions(stack_database)[order_id] == 1
    shown = stack.order(order_id)
    assert shown["quoteQuantity"] == usdc
    assert "quantity" not in shown


def test_quotes_show_the_same_comparison(stack: Stack) -> None:
    path = f"/api/quotes?symbol=SOL&side=sell&quantity={LARGE}&maxLegs="
    alone, split = (stack.get(f"{path}{legs}") for legs in (1, 2))
    assert (alone["routeReason"], split["routeReason"]) == ("BEST_PRICE", "BEST_SPLIT")
    assert len(split["quotes"]) == len(split["legs"]) == 2
    assert Decimal(split["quotedPrice"]) > Decimal(alone["quotedPrice"])


def test_a_worst_price_that_no_venue_meets_fails_the_order_at_once(stack: Stack) -> None:
    order_id = stack.post("AAPL", "buy", "1", worstPrice="1.25")
    assert stack.follow(order_id).statuses == ["pending", "routing", "failed"]
    shown = stack.order(order_id)
    assert (shown["reason"], shown["worstPrice"]) == ("PRICE_LIMIT", "1.25")
    assert len(shown["failedAttempts"]) == 1


def test_a_worst_price_that_is_met_binds_the_limit(stack: Stack) -> None:
    quote = stack.get("/api/quotes?symbol=AAPL&side=buy&quantity=10")
    worst = Decimal(quote["quotedPrice"]) * Decimal("1.008")
    order_id = stack.post("AAPL", "buy", "10", worstPrice=f"{worst:.9f}")
    assert stack.follow(order_id).statuses == STATUSES
    shown = stack.order(order_id)
    assert int(shown["quoteAmount"]) <= int(shown["limitAmount"])
    assert int(shown["limitAmount"]) == int(Decimal(shown["worstPrice"]) * 10 * 10**6)


def test_an_order_that_is_too_large_fails_at_once_and_is_told_what_is_possible(
    stack: Stack,
) -> None:
    order_id = stack.post("SOL", "buy", "150000")
    assert stack.follow(order_id).statuses == ["pending", "routing", "failed"]
    shown = stack.order(order_id)
    assert shown["reason"] == "INSUFFICIENT_LIQUIDITY"
    possible = shown["detail"].split("at most ")[1].split(" SOL")[0]
    assert stack.get(f"/api/quotes?symbol=SOL&side=buy&quantity={int(Decimal(possible)) - 1500}")
