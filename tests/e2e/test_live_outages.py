"""Live workers that share a wallet, that become dry, and whose nodes are down when they start."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError

import pytest

from harness.waiting import wait_until
from orderengine.local.ports import LOOPBACK, free_port
from tests.e2e.conftest import next_redis_url, scratch_database
from tests.e2e.live_workers import SECOND, LiveWorkers, ask, localnet, swaps
from tests.e2e.test_live_safety import TEN_AAPL
from tests.servers import Servers

SIGNED = "swap_signed"
ONE_BY_ONE = {"ORDER_CONCURRENCY": "1"}
FAR_MS = 300


@pytest.fixture
def urls(servers: Servers, template: str) -> Iterator[tuple[str, str]]:
    """Servers of a stack of one test."""
    with scratch_database(servers, template) as database_url:
        yield database_url, next_redis_url(servers)


def test_two_workers_promise_the_last_coins_once(urls: tuple[str, str], tmp_path: Path) -> None:
    port = free_port()
    with (
        localnet(tmp_path / "localnet", port, TEN_AAPL) as settings,
        LiveWorkers(urls, tmp_path, {**settings, **ONE_BY_ONE}, own={}) as stack,
    ):
        # Each worker has a few threads, which wait for answers: none of them can take all orders.
        ask(port, "localnet_fault", latencyMs=FAR_MS)
        order = {"symbol": "AAPL", "side": "sell", "quantity": "2", "slippageBps": 500}
        ids = stack.place_at_once(10, **order)
        orders = [stack.wait_for(each, "confirmed", "failed") for each in ids]
        found = Counter((each["status"], each.get("reason")) for each in orders)
        assert found == {("confirmed", None): 5, ("failed", "INSUFFICIENT_FUNDS"): 5}
        assert [each["err"] for each in swaps(port)] == [None] * 5
        assert all(SIGNED in stack.logs(name) for name in ("worker", SECOND))


def test_what_was_signed_before_a_dry_run_is_carried_to_its_end_and_nothing_else_is_signed(
    urls: tuple[str, str], tmp_path: Path
) -> None:
    port = free_port()
    with (
        localnet(tmp_path / "localnet", port) as settings,
        LiveWorkers(urls, tmp_path, settings) as stack,
    ):
        ask(port, "localnet_fault", held=True)
        order = {"symbol": "AAPL", "side": "buy", "quantity": "1"}
        signed = stack.place(**order)
        stack.wait_for(signed, "submitted")
        waits = stack.place(**order, type="limit", limitPrice="1")
        stack.kill("worker")
        stack.wait("worker")
        unsigned = stack.place(**order)
        stack.restart("worker", DRY_RUN="1")
        assert stack.wait_for(unsigned, "failed", "confirmed")["reason"] == "DRY_RUN"
        ask(port, "localnet_fault", held=False)
        stack.wait_for(signed, "confirmed")
        again = {"type": "limit", "limitPrice": "100000"}
        triggered = stack.wait_for(stack.place(**order, **again), "failed", "confirmed")
        assert triggered["reason"] == "DRY_RUN"
        assert stack.order(waits)["status"] == "waiting"
        assert [each["signature"] for each in swaps(port)] == [stack.order(signed)["txHash"]]
        stack.restart("worker", DRY_RUN="0")
        stack.wait_for(stack.place(**order), "confirmed")
        assert len(swaps(port)) == 2


def test_a_stack_whose_nodes_are_all_down_starts_says_so_and_trades_once_one_is_up(
    urls: tuple[str, str], tmp_path: Path
) -> None:
    port, other = free_port(), free_port()
    order = {"symbol": "AAPL", "side": "buy", "quantity": "1"}
    with (
        localnet(tmp_path / "localnet", port) as settings,
        LiveWorkers(urls, tmp_path, settings) as stack,
    ):
        stack.kill("worker")
        order_id = stack.place(**order)
    both = f"http://{LOOPBACK}:{other},{settings['SOLANA_RPC_URL']}"
    down = {**settings, "SOLANA_RPC_URL": both, "OUTAGE_LIMIT_S": "3000"}
    with LiveWorkers(urls, tmp_path, down) as stack:
        wait_until(lambda: stack.degraded() == ["nodes"], 60, "it does not say so")
        wait_until(lambda: "network_awaited" in stack.logs("worker"), 60, "no worker waits")
        assert stack.order(order_id)["status"] == "routing"
        with pytest.raises(HTTPError) as refused:
            stack.place(**order)
        assert json.loads(refused.value.read())["code"] == "NO_QUOTE"
        stack.require_running()
        with localnet(tmp_path / "localnet", port):
            stack.wait_for(order_id, "confirmed")
            wait_until(lambda: not stack.degraded(), 60, "it is still degraded")
            stack.wait_for(stack.place(**order), "confirmed")
            assert [each["err"] for each in swaps(port)] == [None, None]


def test_workers_with_different_nodes_of_one_cluster_share_their_orders(
    urls: tuple[str, str], tmp_path: Path
) -> None:
    port = free_port()
    with localnet(tmp_path / "localnet", port) as settings:
        own = {"SOLANA_RPC_URL": f"{settings['SOLANA_RPC_URL']}/second"}
        with LiveWorkers(urls, tmp_path, {**settings, **ONE_BY_ONE}, own) as stack:
            ask(port, "localnet_fault", latencyMs=FAR_MS, held=True)
            order = {"symbol": "AAPL", "side": "buy", "quantity": "1", "slippageBps": 500}
            ids = stack.place_at_once(10, **order)
            for each in ids:
                stack.wait_for(each, "submitted")
            assert all(SIGNED in stack.logs(name) for name in ("worker", SECOND))
            stack.kill("worker")
            ask(port, "localnet_fault", held=False)
            orders = [stack.wait_for(each, "confirmed", "failed") for each in ids]
            assert {each["status"] for each in orders} == {"confirmed"}
            landed = [each["signature"] for each in swaps(port)]
            assert sorted(landed) == sorted(each["txHash"] for each in orders)
            assert "foreign_orders" not in stack.degraded()
