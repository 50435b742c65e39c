"""A chain of accounts in memory: what a reader of pools asks, and what it is told."""

from collections.abc import Sequence
from dataclasses import replace

from solders.pubkey import Pubkey

from orderengine.domain.errors import NetworkUnavailable
from orderengine.domain.instruments import Instrument
from orderengine.solana.accounts import CLOCK, Account
from orderengine.solana.pools.pool import Accounts
from orderengine.solana.reader import PoolReader
from tests.fakes import START, FakeClock
from tests.pools import AAPL
from tests.solana_pools import BASE, POOL, USDC, Known, a_clock, a_localnet_pool

CHAIN_S = int(START.timestamp())


class FakeChain:
    """Answers reads from `accounts`; counts them, and fails while `down` says so."""

    def __init__(self, accounts: Known) -> None:
        self.accounts = {**accounts, CLOCK: a_clock(CHAIN_S)}
        self.slot = 1_000
        self.reads: list[Sequence[Pubkey]] = []
        self.down: str | None = None

    def read(self, addresses: Sequence[Pubkey]) -> tuple[int, Accounts]:
        self.reads.append(addresses)
        if self.down is not None:
            raise NetworkUnavailable(self.down)
        return self.slot, {each: self.accounts.get(each) for each in addresses}


class Desk:
    """A reader over a chain whose times a test sets."""

    def __init__(self, accounts: Known) -> None:
        self.chain = FakeChain(accounts)
        self.clock = FakeClock()
        self.passed_s = 0.0
        self.reader = PoolReader(
            self.chain.read, lambda: USDC, self.clock, steady_s=lambda: self.passed_s
        )

    def pass_time(self, seconds: float) -> None:
        self.passed_s += seconds


def listed(*venues: str, decimals: int = 9, pool: Pubkey = POOL) -> Instrument:
    """AAPL with the mint of the test pools, and its pool at these venues."""
    pools = {venue: str(pool) for venue in venues or ("raydium",)}
    return replace(AAPL, decimals=decimals, mint=str(BASE), pools=pools)


def a_desk(accounts: dict[Pubkey, Account | None] | None = None) -> Desk:
    return Desk(a_localnet_pool() if accounts is None else accounts)
