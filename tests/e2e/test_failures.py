"""Orders that can not be filled: their attempts, their messages, and their stored reasons."""

import re

import pytest
from sqlalchemy import Engine, text

from tests.e2e.ledger import executions
from tests.e2e.stack import Document, Following, Stack
from tests.e2e.timing import seconds_between

ATTEMPT = ["pending", "routing", "building", "submitted"]


@pytest.fixture(scope="module")
def slipped(stack: Stack) -> Following:
    """An order without slippage tolerance, in a market that always moves against it."""
    return stack.follow(stack.post("AAPL", "buy", "10", slippageBps=0))


@pytest.fixture(scope="module")
def shown(stack: Stack, slipped: Following) -> Document:
    """The API's final answer for that order."""
    return stack.order(slipped.events[0]["orderId"])


def test_slippage_beyond_the_tolerance_is_tried_three_times(slipped: Following) -> None:
    assert slipped.statuses == [*ATTEMPT, *ATTEMPT, *ATTEMPT, "failed"]
    assert [event["attempt"] for event in slipped.events] == [*4 * [1], *4 * [2], *5 * [3]]
    assert (slipped.seqs, slipped.code) == (list(range(1, 14)), 1000)


def test_each_attempt_is_signed_and_routed_anew(slipped: Following) -> None:
    signatures = {slipped.events[index]["data"]["txHash"] for index in (3, 7, 11)}
    assert len(signatures) == 3
    causes = [slipped.events[index]["data"]["cause"] for index in (1, 5, 9)]
    assert causes == ["order", "retry", "retry"]


@pytest.mark.parametrize(("retry", "nominal_ms"), [(4, 500), (8, 1000)])
def test_the_pause_before_each_attempt_grows(
    slipped: Following, retry: int, nominal_ms: int
) -> None:
    waiting, routing = slipped.events[retry], slipped.events[retry + 1]
    announced_ms = waiting["data"]["retryInMs"]
    assert nominal_ms / 2 <= announced_ms <= nominal_ms
    waited_ms = seconds_between(waiting, routing) * 1000
    assert nominal_ms / 2 <= waited_ms < announced_ms + 2000


def test_the_reason_of_each_attempt_is_shown_and_kept(
    slipped: Following, shown: Document, stack_database: Engine
) -> None:
    assert (shown["status"], shown["reason"]) == ("failed", "SLIPPAGE_EXCEEDED")
    failed = shown["failedAttempts"]
    assert [(each["attempt"], each["reason"]) for each in failed] == [
        (number, "SLIPPAGE_EXCEEDED") for number in (1, 2, 3)
    ]
    told = [slipped.events[index]["data"]["detail"] for index in (4, 8, 12)]
    assert [each["detail"] for each in failed] == told
    # Raydium's error code for exceeded slippage, and Meteora's two for a buy.
    assert all(re.search(r"\((6005|6104|6057)\)", detail) for detail in told)
    assert shown["detail"] == told[-1]
    with stack_database.connect() as connection:
        statement = text("SELECT failure_reason, failed_attempts FROM orders WHERE id = :id")
        kept = connection.execute(statement, {"id": shown["orderId"]}).one()
    assert kept == ("SLIPPAGE_EXCEEDED", failed)


def test_a_failed_order_was_never_executed(shown: Document, stack_database: Engine) -> None:
    assert executions(stack_database)[shown["orderId"]] == 0
    assert "executedPrice" not in shown


def test_an_order_that_no_venue_quotes_is_routed_again_then_fails(stack: Stack) -> None:
    stack.restart("worker", SIM_QUOTE_FAIL_RATE="1", MAX_ATTEMPTS="1")
    try:
        order_id = stack.post("AAPL", "sell", "1")
        stream = stack.follow(order_id)
    finally:
        stack.restart("worker", SIM_QUOTE_FAIL_RATE="0", MAX_ATTEMPTS="3")
    assert (stream.statuses, stream.code) == (["pending", "routing", "failed"], 1000)
    shown = stack.order(order_id)
    assert shown["reason"] == "NO_QUOTE"
    assert all(dex in shown["detail"] for dex in ("raydium", "meteora"))
    assert [failed["reason"] for failed in shown["failedAttempts"]] == ["NO_QUOTE"]
    assert stack.logs("worker").count('"fault": "VenueUnavailable"') == 1
