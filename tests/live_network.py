"""A live network in tests, on a node in this process whose blocks a test makes."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from solders.keypair import Keypair

from orderengine.config.solana import Commitment, SolanaSettings
from orderengine.domain.errors import AttemptFailed, FailureReason
from orderengine.domain.fill import SignedTransaction
from orderengine.domain.instruments import Instrument, Instruments
from orderengine.domain.side import Side
from orderengine.execution.network import Swap, SwapLeg
from orderengine.execution.operations.counters import ProcessMetrics
from orderengine.execution.promises import Promises, WalletFigures
from orderengine.execution.second_looks import Settled, SettledPart
from orderengine.localnet.node import FINALIZED_BEHIND, LocalNode
from orderengine.localnet.pools import USDC_MINT, VENUES, listed, put_pool, set_up
from orderengine.localnet.server import RpcServer, serve_in_thread
from orderengine.settlement.solana.assembly import Kept, Surroundings, solana_network
from orderengine.settlement.solana.expiry import VALIDITY
from orderengine.settlement.solana.network import SolanaNetwork
from orderengine.solana import requests
from orderengine.solana.cluster import Cluster
from orderengine.solana.keys import Wallet
from orderengine.solana.reader import PoolReader
from orderengine.solana.rpc import Node, Rpc
from orderengine.solana.rpc_errors import RpcUnavailable
from tests.fake_promises import FakePromises
from tests.fakes import FakeClock


def live_settings(**changes: Any) -> SolanaSettings:
    """The defaults, with these changes."""
    values: dict[str, Any] = {
        "rpc_urls": (),
        "commitment": Commitment.CONFIRMED,
        "priority_fee_microlamports": 0,
        "max_priority_fee_lamports": 1_000_000,
        "compute_units": 400_000,
        "reserve_lamports": 50_000_000,
        "usdc_mint": None,
        "allow_mainnet": False,
        "dry_run": False,
        "outage_limit_s": 60,
        **changes,
    }
    return SolanaSettings(**values)


class FlakyNode(Node):
    """A node that a test can cut off, and that counts what it is asked."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.dark = False
        self.lose: set[str] = set()
        self.lose_answers: set[str] = set()
        self.asked: list[str] = []

    def call(self, method: str, *params: object) -> Any:
        self.asked.append(method)
        if self.dark or method in self.lose:
            raise RpcUnavailable(method, "unreachable", "the node is cut off")
        answer = super().call(method, *params)
        if method in self.lose_answers:
            raise RpcUnavailable(method, "unreachable", "the answer was lost")
        return answer


class FixedWallets:
    """Remembers what a wallet said; a test may have another one sign."""

    def __init__(self) -> None:
        self.other_signs = False
        self.told: list[WalletFigures | None] = []

    def claim(self, network: str, wallet: str, figures: WalletFigures | None = None) -> bool:
        if not self.other_signs:
            self.told.append(figures)
        return not self.other_signs


class FixedLooks:
    """What a test says that the second looks find; it remembers what they note."""

    def __init__(self) -> None:
        self.settled: list[Settled] = []
        self.until: datetime | None = None
        self.is_time = False
        self.failures: dict[str, Settled] = {}
        self.own: set[str] = set()
        self.strangers: list[int] = []

    def begin_settled(self, network: str, age_s: float, limit: int) -> SettledPart | None:
        found = [each for each in self.settled if self.until is None or each.at > self.until]
        return SettledPart(found, datetime.now(UTC))

    def are_final(self, network: str, until: datetime) -> None:
        self.until = until

    def note_failed(self, network: str, signature: str, slot: int) -> None:
        self.failures.setdefault(signature, Settled(signature, slot, datetime.now(UTC), 0.0))

    def failed(self, network: str, age_s: float, limit: int) -> Sequence[Settled]:
        return [each for each in self.failures.values() if each.age_s >= age_s][:limit]

    def forget_failed(self, signatures: Collection[str]) -> None:
        self.failures = {k: v for k, v in self.failures.items() if k not in signatures}

    def begin_strangers(self, network: str) -> bool:
        return self.is_time

    def unknown(self, signatures: Sequence[str]) -> Collection[str]:
        return set(signatures) - self.own

    def note_strangers(self, network: str, count: int) -> None:
        self.strangers.append(count)


class WallClock:
    def now(self) -> datetime:
        return datetime.now(UTC)


@dataclass
class LiveWorld:
    """A chain with pools, a funded wallet, and the network of one worker."""

    instruments: Instruments
    settings: SolanaSettings = field(default_factory=live_settings)
    node: LocalNode = field(default_factory=LocalNode)

    def __post_init__(self) -> None:
        self.instruments = Instruments(listed(each) for each in self.instruments)
        self.wallet = Wallet(Keypair())
        set_up(self.node, self.instruments, self.wallet.address)
        self.node.tick(2)
        self.server: RpcServer = serve_in_thread(self.node, with_faults=True)
        self.rpc_node = FlakyNode(self.server.url)
        self.clock = FakeClock()
        self.promises = FakePromises(self.clock)
        self.wallets = FixedWallets()
        self.looks = FixedLooks()
        self.metrics = ProcessMetrics()
        self.network = self.network_at([self.rpc_node])

    def network_at(
        self, nodes: Iterable[Node], promises: Promises | None = None, **changes: Any
    ) -> SolanaNetwork:
        """The network of another worker with the same wallet, which asks these nodes."""
        settings = self.settings if not changes else live_settings(**changes)
        cluster = Cluster(Rpc(list(nodes)), allow_mainnet=settings.allow_mainnet)
        pools = PoolReader(
            lambda addresses: cluster.ask(lambda node: requests.accounts(node, addresses)),
            lambda: USDC_MINT,
            WallClock(),
            kept_s=0,
        )
        around = Surroundings(
            settings=settings,
            cluster=cluster,
            wallet=self.wallet,
            pools=pools,
            instruments=self.instruments,
            usdc=lambda: USDC_MINT,
            promises=promises or self.promises,
            wallets=self.wallets,
            looks=self.looks,
            metrics=self.metrics,
            now=WallClock().now,
        )
        return solana_network(around, Kept(statuses_s=0, block_s=0))

    def signed(self, side: Side = Side.BUY) -> SignedTransaction:
        """A signed swap."""
        return self.network.sign(self.swap(side=side))

    def sent(self, side: Side = Side.BUY) -> SignedTransaction:
        """A swap that the node has."""
        transaction = self.signed(side)
        self.network.send(transaction)
        return transaction

    def expire(self) -> None:
        """Make so many blocks that what is signed by now can land no more, and this is final."""
        self.node.tick(VALIDITY + FINALIZED_BEHIND + 1)

    def instrument(self, symbol: str = "AAPL") -> Instrument:
        """An instrument, with the addresses of its pools."""
        return self.instruments.get(symbol)

    def land(self, signature: str) -> None:
        """Let this one of the waiting transactions land, and be confirmed."""
        waiting = self.node._waiting
        (chosen,) = [each for each in waiting if str(each.transaction.signatures[0]) == signature]
        self.node._waiting, self.node.traffic.held = [chosen], False
        self.node.tick()
        self.node._waiting = [each for each in waiting if each is not chosen]
        self.node.traffic.held = True
        self.node.tick()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Meanwhile the pools of AAPL are not open, so that their program refuses swaps."""
        instrument = self.instrument()
        for open_s in (2**40, 0):
            for venue, terms in VENUES.items():
                put_pool(self.node.bank, instrument, venue, fee_rate=terms.fee_rate, open_s=open_s)
            if open_s:
                yield

    def close(self) -> None:
        """End the server."""
        self.server.close()
        self.node.close()

    def landings(self) -> list[dict[str, Any]]:
        """Every landing, from the node's own ledger, which the engine never reads."""
        answer = Node(self.server.url).call("localnet_ledger", {})
        found: list[dict[str, Any]] = answer["landings"]
        return found

    def fault(self, path: str = "", **faults: Any) -> None:
        """Break something at one of the node's two URLs."""
        Node(self.server.url + path).call("localnet_fault", faults)

    def swap(self, symbol: str = "AAPL", side: Side = Side.BUY, **changes: Any) -> Swap:
        """A swap of 10 whole tokens at Raydium, with a limit that is far enough."""
        instrument = self.instrument(symbol)
        units = 10 ** (instrument.decimals + 1)
        leg = SwapLeg("raydium", instrument.pools["raydium"], units)
        limit = int(instrument.reference_price * 12 * 10**6) if side is Side.BUY else 1
        swap = Swap(uuid4(), 1, symbol, side, (leg,), limit)
        return replace(swap, **changes)


def signed(answers: list[SignedTransaction | AttemptFailed]) -> list[SignedTransaction]:
    found = [each for each in answers if isinstance(each, SignedTransaction)]
    assert len(found) == len(answers), answers
    return found


def reasons(answers: list[SignedTransaction | AttemptFailed]) -> list[FailureReason | None]:
    return [each.reason if isinstance(each, AttemptFailed) else None for each in answers]
