"""`make run NETWORK=localnet`: the live path on one machine, and a kill of everything."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.processes import ROOT
from harness.waiting import wait_until
from orderengine.local.runfile import load_run, state_folder
from tests.e2e.live_orders import END_TIMEOUT_S
from tests.e2e.live_stack import FOREIGN, running
from tests.folders import new_checkout

DEMO_TIMEOUT_S = 120.0


@pytest.fixture
def checkout() -> Iterator[Path]:
    """A checkout of this code that has never run."""
    with new_checkout() as root:
        yield root


def test_the_demo_trades_on_a_localnet_of_its_own(checkout: Path) -> None:
    ran = subprocess.run(
        [
            *(sys.executable, "-m", "orderengine.local", "demo", "--root", str(checkout)),
            *("--", "--orders", "4", "--plain"),
        ],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "NETWORK": "localnet"},
        capture_output=True,
        text=True,
        timeout=DEMO_TIMEOUT_S,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "4 confirmed, 0 failed, of 4 orders" in ran.stdout
    assert load_run(state_folder(checkout)) is None


@pytest.mark.parametrize("moment", ["before it lands", "after it landed"])
def test_an_order_outlives_a_kill_of_everything_and_is_executed_once(
    checkout: Path, moment: str
) -> None:
    with running(checkout) as stack:
        genesis = stack.ask_node("localnet_ledger")["genesisHash"]
        first = stack.place(symbol="SOL", side="buy", quantity="2")
        stack.wait_for(first, "confirmed")
        is_before = moment == "before it lands"
        if is_before:
            stack.ask_node("localnet_fault", held=True)
            order_id = stack.place(symbol="AAPL", side="buy", quantity="3")
            stack.wait_for(order_id, "submitted")
        else:
            # The swap lands, and no process can learn of it.
            stack.ask_node("localnet_fault", landingBlocks=5)
            order_id = stack.place(symbol="AAPL", side="buy", quantity="3")
            stack.wait_for(order_id, "submitted")
            stack.run.children["worker"].send(signal.SIGSTOP, to_group=True)
            wait_until(lambda: len(stack.landings()) == 2, 30, "the swap has not landed")
        assert len(stack.landings()) == (1 if is_before else 2)
        stack.kill_everything()
    with running(checkout) as stack:
        assert stack.ask_node("localnet_ledger")["genesisHash"] == genesis
        order = stack.ended(order_id)
        assert order["status"] == "confirmed"
        swaps = stack.landings()
        assert [each["err"] for each in swaps] == [None, None]
        assert order["txHash"] == swaps[1]["signature"]
        assert stack.order(first)["status"] == "confirmed"
        later = stack.place(symbol="SOL", side="sell", quantity="1")
        stack.wait_for(later, "confirmed")
        assert len(stack.landings()) == 3


def test_a_localnet_that_started_anew_leaves_earlier_orders_alone(checkout: Path) -> None:
    with running(checkout) as stack:
        stack.ask_node("localnet_fault", held=True)
        order_id = stack.place(symbol="AAPL", side="buy", quantity="3")
        stack.wait_for(order_id, "submitted")
        stack.run.children["worker"].send(signal.SIGSTOP, to_group=True)
        # SOL has the same mint on every cluster: nothing but the order's network tells them apart.
        unsigned = stack.place(symbol="SOL", side="buy", quantity="1")
        waits = stack.place(symbol="SOL", side="buy", quantity="1", type="limit", limitPrice="1000")
        stack.kill_everything()
    shutil.rmtree(state_folder(checkout) / "localnet")
    with running(checkout) as stack:
        for symbol in ("AAPL", "SOL"):
            later = stack.place(symbol=symbol, side="buy", quantity="1")
            stack.wait_for(later, "confirmed")
        wait_until(
            lambda: stack.get("/readyz").get("foreignOrders") == 2, 60, "they are not counted"
        )
        assert stack.get("/readyz")["degraded"] == [FOREIGN]
        found = [stack.order(each)["status"] for each in (order_id, unsigned)]
        assert found == ["submitted", "pending"]
        wait_until(
            lambda: stack.order(waits).get("heldBecause") == "NETWORK_CHANGED",
            END_TIMEOUT_S,
            "the order that waits does not say why",
        )
        assert len(stack.landings()) == 2
