"""The chain alone brings an order to its end: each stage follows from the one before.

Recovery looks only after a minute here, so it cannot bring on an order that the chain dropped.
"""

from collections.abc import Mapping
from itertools import pairwise

import pytest

from harness.waiting import wait_until
from tests.e2e.metrics import told_by
from tests.e2e.stack import Stack

CHAIN_LIMIT_S = 15.0
MOVED_BY = {
    "routing": "route",
    "building": "build",
    "submitted": "submit",
    "confirmed": "confirm",
}
"""The stage that moves an order to each status."""


@pytest.fixture(scope="module")
def stack_environ() -> Mapping[str, str]:
    return {
        "RECOVERY_AFTER_MS": "60000",
        "SIM_QUOTE_LATENCY_MS": "20-40",
        "SIM_SETTLEMENT_MS": "200-300",
    }


def test_four_stages_in_this_order_and_nothing_else_confirm_an_order(stack: Stack) -> None:
    order_id = stack.post("AAPL", "buy", "1")
    wait_until(lambda: stack.order(order_id)["status"] == "confirmed", CHAIN_LIMIT_S)

    def moves() -> list[tuple[str, str]]:
        return [
            (line["status"], line["stage"])
            for line in stack.log_lines("worker")
            if line["event"] == "order_moved" and line["order_id"] == order_id
        ]

    # The worker logs a move after its commit.
    wait_until(lambda: len(moves()) >= len(MOVED_BY))
    assert moves() == list(MOVED_BY.items())
    assert stack.follow(order_id).statuses == ["pending", *MOVED_BY]


def test_many_orders_at_once_go_from_stage_to_stage_without_recovery(stack: Stack) -> None:
    order_ids = stack.post_many(20)
    for stream in stack.follow_many(order_ids):
        assert stream.statuses == ["pending", *MOVED_BY]
        times = [event["at"] for event in stream.events]
        assert all(earlier <= later for earlier, later in pairwise(times))
    sent = [count for name, count in told_by(stack).items() if "redispatches_total" in name]
    assert sum(sent) == 0
