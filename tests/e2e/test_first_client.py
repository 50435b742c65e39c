"""A client of the first service, which reads `dex`, `price` and `txHash` at the message's top."""

from decimal import Decimal

import pytest

from tests.e2e.stack import Stack

REQUESTS = [
    ("AAPL", "buy", "10"),
    ("TSLA", "sell", "5"),
    ("GOOG", "buy", "3"),
    ("ETH", "buy", "2"),
    ("SOL", "sell", "8"),
]


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda each: each[0])
def test_its_orders_are_taken_and_told_as_it_reads_them(
    stack: Stack, request_: tuple[str, str, str]
) -> None:
    told = stack.follow(stack.post(*request_)).events
    last = {each["status"]: each for each in told}
    building, submitted, confirmed = (last[s] for s in ("building", "submitted", "confirmed"))
    assert building["dex"] == building["data"]["dex"] == confirmed["dex"]
    assert Decimal(building["price"]) == Decimal(building["data"]["quotedPrice"])
    assert Decimal(confirmed["price"]) == Decimal(confirmed["data"]["executedPrice"])
    assert submitted["txHash"] == confirmed["txHash"] == confirmed["data"]["txHash"]
