"""Orders that wait for the network do not keep workers from other orders."""

from collections.abc import Mapping

import pytest
from sqlalchemy import Engine

from harness.waiting import stretched, wait_until
from tests.e2e.ledger import open_orders, switch_network
from tests.e2e.stack import Stack
from tests.e2e.timing import seconds_between

WAITING = 200
PROMPT_S = 2.0


@pytest.fixture(scope="module")
def stack_environ() -> Mapping[str, str]:
    return {"SIM_QUOTE_LATENCY_MS": "0-0", "SIM_SETTLEMENT_MS": "600000-600000"}


def routed_after_s(stack: Stack) -> float:
    """How many seconds a new order waits until it is routed."""
    order_id = stack.post("AAPL", "buy", "1")
    events = f"/api/orders/{order_id}/events"
    wait_until(lambda: len(stack.get(events)["events"]) > 1, 40.0)
    pending, routing, *_ = stack.get(events)["events"]
    return seconds_between(pending, routing)


@pytest.mark.parametrize("network", ["slow", "dark"])
def test_many_orders_in_settlement_do_not_hold_up_a_new_one(
    stack: Stack, stack_database: Engine, network: str
) -> None:
    if not open_orders(stack_database):
        for _ in range(WAITING // 20):
            stack.post_many(20)
    wait_until(lambda: open_orders(stack_database)["submitted"] >= WAITING, 60.0)
    if network == "dark":
        switch_network(stack_database, up=False)
    assert all(routed_after_s(stack) < stretched(PROMPT_S) for _ in range(5))
