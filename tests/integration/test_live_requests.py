"""How many requests the live path makes: counted at the node, for each limit that it keeps."""

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from harness.waiting import wait_until
from orderengine.domain.errors import AttemptFailed, FailureReason, NetworkUnavailable
from orderengine.domain.fill import SignedTransaction
from orderengine.domain.instruments import POOL_COLUMNS, Instruments
from orderengine.domain.side import Side
from orderengine.domain.terms import OrderType
from orderengine.execution.network import Execution, Swap
from orderengine.execution.waiting.looking import look_at
from orderengine.execution.waiting.watching import Watched
from orderengine.localnet.pools import USDC_MINT, fund
from orderengine.settlement.solana.statuses import StatusBoard
from orderengine.solana import requests
from orderengine.solana.cluster import Cluster
from orderengine.solana.reader import PoolReader
from orderengine.solana.rpc import Rpc
from orderengine.solana.rpc_errors import RpcUnavailable
from orderengine.venues.board import ConcurrentQuoteBoard
from orderengine.venues.live import LivePrices, LiveVenue
from tests.live_network import FlakyNode, LiveWorld, WallClock, live_settings

ACCOUNTS, STATUSES = "getMultipleAccounts", "getSignatureStatuses"
TIMEOUT_S = 30.0


@pytest.fixture
def world(instruments: Instruments) -> Iterator[LiveWorld]:
    world = LiveWorld(instruments)
    yield world
    world.close()


class Market:
    """The quotes and reference prices of a worker, which share one reader that keeps reads."""

    def __init__(self, world: LiveWorld) -> None:
        self.instruments = world.instruments
        cluster = Cluster(Rpc([world.rpc_node]), allow_mainnet=False)
        self._now = 1_000.0
        self.reader = PoolReader(
            lambda addresses: cluster.ask(lambda node: requests.accounts(node, addresses)),
            lambda: USDC_MINT,
            WallClock(),
            steady_s=lambda: self._now,
        )
        self.board = ConcurrentQuoteBoard(
            [LiveVenue(name, self.reader) for name in POOL_COLUMNS], max_workers=64
        )
        self.prices = LivePrices(self.reader)

    def tick(self, watched: Sequence[Watched]) -> None:
        """Look as a watcher does in each tick."""
        self._now += 0.5
        look_at(watched, self.instruments, self.board, self.prices)

    def close(self) -> None:
        self.board.close()


@pytest.fixture
def market(world: LiveWorld) -> Iterator[Market]:
    market = Market(world)
    yield market
    market.close()


def all_kinds(symbols: Sequence[str]) -> list[Watched]:
    """Orders of every type and side wait for each of these symbols."""
    return [Watched(symbol, kind, side) for symbol in symbols for kind in WAITING for side in Side]


WAITING = (OrderType.LIMIT, OrderType.STOP, OrderType.SNIPER)


def test_a_tick_asks_once_for_each_symbol_that_orders_wait_for(
    world: LiveWorld, market: Market
) -> None:
    symbols = [each.symbol for each in world.instruments][:5]
    market.tick(all_kinds(symbols))  # only now it is known which accounts the pools want
    for count in (1, 3, 5):
        world.rpc_node.asked.clear()
        market.tick(all_kinds(symbols[:count]))
        assert world.rpc_node.asked == [ACCOUNTS] * count


def test_all_who_want_a_symbol_within_a_tick_share_one_request(
    world: LiveWorld, market: Market
) -> None:
    instrument = world.instrument()
    market.tick(all_kinds([instrument.symbol]))
    market._now += 0.5
    world.rpc_node.asked.clear()
    wanted = [(instrument, side) for side in Side] * 10
    with ThreadPoolExecutor(10) as threads:
        quoted = threads.map(lambda _: market.board.collect_all(wanted), range(5))
        prices = threads.map(lambda _: market.prices.price(instrument), range(5))
        assert all(len(offers) == 2 for answer in quoted for offers, _ in answer)
        assert all(price > 0 for price in prices)
    assert world.rpc_node.asked == [ACCOUNTS]


def signed(world: LiveWorld, swaps: Sequence[Swap]) -> list[SignedTransaction]:
    """These swaps, signed after all that is kept has become too old."""
    pools = world.network.signer.pools
    pools._kept_s = 60.0
    for kept in pools._kept.values():
        kept.until = float("-inf")
    answers = world.network.sign_all(swaps)
    found = [each for each in answers if isinstance(each, SignedTransaction)]
    assert len(found) == len(swaps), answers
    return found


def test_a_group_of_a_symbol_is_signed_with_one_read_of_its_pools(world: LiveWorld) -> None:
    swaps = [world.swap(side=side) for side in Side for _ in range(5)]
    signed(world, swaps)
    world.rpc_node.asked.clear()
    signed(world, swaps)
    # The pools, and the wallet's balances.
    shared = ["getLatestBlockhash", ACCOUNTS, ACCOUNTS]
    assert sorted(world.rpc_node.asked) == sorted([*shared, *["simulateTransaction"] * 10])


def test_a_group_waits_for_no_more_than_two_answers_in_a_row_until_it_is_signed(
    world: LiveWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All requests of a round wait for each other: it ends only if they are under way at once."""
    swaps = [world.swap(), world.swap("TSLA"), world.swap("SOL")]
    signed(world, swaps)
    # Three reads of pools and a block; then the wallet's balances and three simulations.
    rounds = [threading.Barrier(4), threading.Barrier(4)]
    call, came = FlakyNode.call, iter(range(100))
    lock = threading.Lock()

    def meeting(self: FlakyNode, method: str, *params: Any) -> Any:
        with lock:
            number = next(came)
        rounds[number // 4].wait(TIMEOUT_S)
        return call(self, method, *params)

    monkeypatch.setattr(FlakyNode, "call", meeting)
    signed(world, swaps)
    assert next(came) == 8


def test_sends_and_landings_of_a_group_are_asked_for_at_once(
    world: LiveWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    transactions = [world.network.sign(world.swap()) for _ in range(10)]
    call, together = FlakyNode.call, threading.Barrier(10)

    def meeting(self: FlakyNode, method: str, *params: Any) -> Any:
        if method in {"sendTransaction", "getTransaction"}:
            together.wait(TIMEOUT_S)
        return call(self, method, *params)

    monkeypatch.setattr(FlakyNode, "call", meeting)
    world.rpc_node.asked.clear()
    assert world.network.send_all(transactions) == [None] * 10
    world.node.tick(2)
    outcomes = world.network.look_up_all([each.signature for each in transactions])
    assert all(isinstance(each, Execution) for each in outcomes)
    assert world.rpc_node.asked.count(STATUSES) == 1
    assert world.rpc_node.asked.count("sendTransaction") == 10
    assert world.rpc_node.asked.count("getTransaction") == 10


def test_those_who_look_during_a_look_share_the_next_one(
    world: LiveWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    board = StatusBoard(world.network.cluster)
    names = [world.network.sign(world.swap()).signature for _ in range(12)]
    call, asked, go_on = FlakyNode.call, threading.Event(), threading.Event()

    def slow(self: FlakyNode, method: str, *params: Any) -> Any:
        if method == STATUSES:
            asked.set()
            assert go_on.wait(TIMEOUT_S)
        return call(self, method, *params)

    monkeypatch.setattr(FlakyNode, "call", slow)
    world.rpc_node.asked.clear()
    with ThreadPoolExecutor(12) as threads:
        first = threads.submit(board.look, names[:1])
        assert asked.wait(TIMEOUT_S)
        others = [threads.submit(board.look, [name]) for name in names[1:]]
        wait_until(lambda: set(names) <= board._asked_at.keys(), TIMEOUT_S)
        go_on.set()
        assert [each.result(TIMEOUT_S) for each in (first, *others)] == [[None]] * 12
    assert world.rpc_node.asked.count(STATUSES) == 2


def test_the_cluster_is_asked_for_once_however_many_want_a_node_at_once(world: LiveWorld) -> None:
    cluster = Cluster(Rpc([world.rpc_node]), allow_mainnet=False)
    world.rpc_node.asked.clear()
    with ThreadPoolExecutor(20) as threads:
        networks = threads.map(lambda _: cluster.network(), range(40))
        assert set(networks) == {f"solana:{world.node.genesis}"}
    assert world.rpc_node.asked == ["getGenesisHash"]


def test_a_silent_node_is_waited_for_no_longer_by_many_than_by_one(
    world: LiveWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twenty that wait for a node which never answers do not wait one after the other."""
    cluster = Cluster(Rpc([world.rpc_node]), allow_mainnet=False)
    asked, go_on, came = threading.Event(), threading.Event(), threading.Semaphore(0)

    def silent(self: FlakyNode, method: str, *_: Any) -> Any:
        self.asked.append(method)
        asked.set()
        assert go_on.wait(TIMEOUT_S)
        raise RpcUnavailable(method, "timeout", "no answer")

    def network(_: int) -> str | NetworkUnavailable:
        came.release()
        try:
            return cluster.network()
        except NetworkUnavailable as error:
            return error

    monkeypatch.setattr(FlakyNode, "call", silent)
    world.rpc_node.asked.clear()
    with ThreadPoolExecutor(20) as threads:
        answers = [threads.submit(network, number) for number in range(20)]
        assert asked.wait(TIMEOUT_S)
        for _ in range(20):
            assert came.acquire(timeout=TIMEOUT_S)
        go_on.set()
        assert all(isinstance(each.result(TIMEOUT_S), NetworkUnavailable) for each in answers)
    assert len(world.rpc_node.asked) < 20


def test_a_prepared_swap_is_not_simulated(world: LiveWorld) -> None:
    world.rpc_node.asked.clear()
    wanted = [replace(world.swap(), prepared=True), world.swap()]
    signed(world, wanted)
    assert world.rpc_node.asked.count("simulateTransaction") == 1


def test_a_prepared_swap_is_checked_for_funds(world: LiveWorld) -> None:
    fund(world.node.bank, world.wallet.address, USDC_MINT, 1)
    world.node.tick(2)
    (answer,) = world.network.sign_all([replace(world.swap(), prepared=True)])
    assert isinstance(answer, AttemptFailed)
    assert answer.reason is FailureReason.INSUFFICIENT_FUNDS


def test_a_dry_run_simulates_a_prepared_swap_too(instruments: Instruments) -> None:
    world = LiveWorld(instruments, live_settings(dry_run=True))
    try:
        (answer,) = world.network.sign_all([replace(world.swap(), prepared=True)])
    finally:
        world.close()
    assert isinstance(answer, AttemptFailed)
    assert answer.reason is FailureReason.DRY_RUN
