"""A new user places orders that wait, changes their mind, and follows them to their end."""

import json
import os
import re
from datetime import datetime
from decimal import Decimal

import pytest

from tests.e2e.shell import Shell
from tests.e2e.stack import Document, Stack
from tests.e2e.timing import placed_with_an_end

LIMIT = ("--type", "limit", "--limit-price")


@pytest.fixture
def shell(stack: Stack) -> Shell:
    return Shell(stack)


@pytest.fixture
def at(stack: Stack) -> tuple[str, str]:
    return ("--url", stack.url)


def price(stack: Stack, times: str) -> str:
    """A price for AAPL, relative to that of now."""
    quoted = stack.get("/api/quotes?symbol=AAPL&side=buy&quantity=1")["quotedPrice"]
    return f"{Decimal(quoted) * Decimal(times):.0f}"


def place(stack: Stack, shell: Shell, at: tuple[str, str], times: str = "0.5") -> Document:
    placed = shell.json("submit", "AAPL", "buy", "1", *LIMIT, price(stack, times), *at)
    assert placed["status"] == "waiting"
    return placed


def test_a_limit_order_waits_is_amended_fires_and_is_confirmed(
    stack: Stack, shell: Shell, at: tuple[str, str]
) -> None:
    low, high = price(stack, "0.5"), price(stack, "2")
    told = shell("submit", "AAPL", "buy", "1", *LIMIT, low, *at)
    (order_id,) = re.findall(
        rf"^order (\S+): buy 1 AAPL at {low} USDC or better, until canceled\n$", told
    )

    assert stack.follow(stack.post("AAPL", "buy", "1")).statuses[-1] == "confirmed"
    listed = shell.json("list", "--status", "open", *at)["orders"]
    assert ("waiting", order_id) in {(each["status"], each["orderId"]) for each in listed}
    assert shell("orders", "stuck") == "no order stands still\n"

    amended = shell("amend", order_id, "--limit-price", high, *at)
    assert amended == f"order {order_id}: buy 1 AAPL at {high} USDC or better, until canceled\n"
    lines = shell("watch", order_id, *at).splitlines()
    assert [line.split()[2] for line in lines] == [
        *("waiting", "waiting", "pending", "routing", "building", "submitted", "confirmed")
    ]
    assert f"amended: 1 at {high} USDC" in lines[1]
    assert "triggered: " in lines[2]
    assert Decimal(stack.order(order_id)["executedPrice"]) <= Decimal(high)
    told = shell("cancel", order_id, *at, status=2)
    assert told == f"too late: order {order_id} is confirmed\n"


def test_an_order_is_canceled_once_and_then_nothing_amends_it(
    stack: Stack, shell: Shell, at: tuple[str, str]
) -> None:
    order_id = place(stack, shell, at)["orderId"]
    for _ in range(2):
        assert shell("cancel", order_id, *at) == f"order {order_id} is canceled\n"
    assert stack.follow(order_id).statuses == ["waiting", "canceled"]
    shell("watch", order_id, *at, status=1)
    assert "refused" in shell("amend", order_id, "--limit-price", "1", *at, status=2)


def test_orders_are_canceled_by_name_by_symbol_and_all_at_once(
    stack: Stack, shell: Shell, at: tuple[str, str]
) -> None:
    name = f"name-{os.urandom(4).hex()}"
    named = stack.post(
        "AAPL", "buy", "1", type="limit", limitPrice=price(stack, "0.5"), clientOrderId=name
    )
    assert shell("cancel", "--client-order-id", name, *at) == f"order {named} is canceled\n"
    for among in (("--symbol", "AAPL"), ("--all",)):
        placed = [place(stack, shell, at)["orderId"] for _ in range(2)]
        counts = json.loads(shell("cancel", *among, "--json", *at))
        assert counts["canceled"] >= len(placed)
        assert {stack.order(each)["status"] for each in placed} == {"canceled"}
    shell("cancel", "--client-order-id", "nobody", *at, status=2)


def test_a_stop_with_a_time_expires_by_itself(
    stack: Stack, shell: Shell, at: tuple[str, str]
) -> None:
    stop = ("--type", "stop", "--stop-price", price(stack, "2"))

    def place(ends_at: datetime) -> str:
        until = ("--expires-at", ends_at.isoformat())
        order_id: str = shell.json("submit", "AAPL", "buy", "1", *stop, *until, *at)["orderId"]
        return order_id

    order_id, _ = placed_with_an_end(place)
    assert stack.follow(order_id).statuses == ["waiting", "expired"]
    assert "its time has passed" in shell("show", order_id, *at)
