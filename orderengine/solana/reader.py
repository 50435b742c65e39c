"""One read of a symbol's pools at a time, shared by all that ask for it within a moment.

Prices and instructions come from the same accounts. A read asks for all accounts of all pools of a
symbol at once, so that they are from one block.
"""

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from solders.pubkey import Pubkey

from orderengine.domain.errors import NetworkUnavailable, VenueUnavailable
from orderengine.domain.instruments import Instrument
from orderengine.execution.ports import Clock
from orderengine.solana.accounts import CLOCK, decode_clock
from orderengine.solana.pools.pool import Accounts, Pair, Pool
from orderengine.solana.pools.registry import program_of
from orderengine.solana.refusals import AccountRefused

KEPT_S = 0.4
"""How long a read is shared: one slot."""
MOST_BEHIND = timedelta(seconds=30)
"""The oldest time of the chain that prices may have."""
MOST_SLOTS_BACK = 25
"""How many slots a read may be behind an earlier one, as after a change to another node."""
NEWEST_COUNTS_S = 30.0
"""For how long an earlier read makes an older one useless."""
MOST_ACCOUNTS = 100
_ROUNDS = 4

ReadAccounts = Callable[[Sequence[Pubkey]], tuple[int, Accounts]]
"""Reads up to MOST_ACCOUNTS accounts at one moment, with its slot; raises NetworkUnavailable."""


@dataclass(frozen=True, slots=True)
class PoolsRead:
    """The pools of one symbol at one slot: each venue's, or why it cannot be traded.

    `at` is the engine's time just before the read.
    """

    slot: int
    at: datetime
    pools: Mapping[str, Pool | AccountRefused]


@dataclass(slots=True)
class _Kept:
    """The last read of a symbol, and the accounts that its pools wanted."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    until: float = float("-inf")
    answer: PoolsRead | Exception | None = None
    addresses: frozenset[Pubkey] = frozenset()


class PoolReader:
    """Reads pools; safe for any thread. Those that ask during a read wait for it, and share it."""

    def __init__(
        self,
        read_accounts: ReadAccounts,
        usdc_mint: Callable[[], Pubkey],
        clock: Clock,
        *,
        kept_s: float = KEPT_S,
        steady_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read_accounts = read_accounts
        self._usdc_mint = usdc_mint
        self._clock = clock
        self._kept_s = kept_s
        self._steady_s = steady_s
        self._guard = threading.Lock()
        self._kept: dict[str, _Kept] = {}
        self._newest_slot, self._newest_at = 0, float("-inf")

    def read(self, instrument: Instrument) -> PoolsRead:
        """The instrument's pools, read at most KEPT_S ago.

        Raises VenueUnavailable without an answer, or for one that is too old.
        """
        with self._guard:
            kept = self._kept.setdefault(instrument.symbol, _Kept())
        with kept.lock:
            if self._steady_s() > kept.until:
                kept.answer = self._answer(instrument, kept)
                kept.until = self._steady_s() + self._kept_s
            answer = kept.answer
        if isinstance(answer, PoolsRead):
            return answer
        raise VenueUnavailable(str(answer)) from answer

    def known(self, instrument: Instrument, age_s: float) -> PoolsRead:
        """The last read if it ended at most so many seconds ago; else as `read`."""
        with self._guard:
            kept = self._kept.get(instrument.symbol)
        answer = None if kept is None else kept.answer
        if isinstance(answer, PoolsRead) and kept is not None:
            ended = kept.until - self._kept_s
            if self._steady_s() - ended <= age_s:
                return answer
        return self.read(instrument)

    def _answer(self, instrument: Instrument, kept: _Kept) -> PoolsRead | Exception:
        try:
            return self._read(instrument, kept)
        except (NetworkUnavailable, VenueUnavailable, AccountRefused) as error:
            return error

    def _read(self, instrument: Instrument, kept: _Kept) -> PoolsRead:
        at = self._clock.now()
        own = {venue: Pubkey.from_string(each) for venue, each in instrument.pools.items()}
        slot, accounts = self._all_accounts(own.values(), kept)
        behind = at.timestamp() - decode_clock(accounts.get(CLOCK)).unix_s
        if behind > MOST_BEHIND.total_seconds() or slot < self._newest() - MOST_SLOTS_BACK:
            raise VenueUnavailable(f"the node is behind: slot {slot}, {behind:.0f} s ago")
        if slot >= self._newest():
            self._newest_slot, self._newest_at = slot, self._steady_s()
        pair = Pair(Pubkey.from_string(instrument.mint or ""), self._usdc_mint())
        pools = {venue: _decoded(address, pair, accounts) for venue, address in own.items()}
        return PoolsRead(slot, at, pools)

    def _newest(self) -> int:
        """The newest slot of the last seconds; one told by mistake must not count for ever."""
        is_recent = self._steady_s() - self._newest_at < NEWEST_COUNTS_S
        return self._newest_slot if is_recent else 0

    def _all_accounts(self, own: Iterable[Pubkey], kept: _Kept) -> tuple[int, Accounts]:
        """The pools and all that they want; again if a pool wants others than the last time."""
        wanted = frozenset({*own, CLOCK})
        addresses = wanted | kept.addresses
        for _ in range(_ROUNDS):
            if len(addresses) > MOST_ACCOUNTS:
                raise VenueUnavailable(f"the pools need {len(addresses)} accounts at once")
            slot, accounts = self._read_accounts(sorted(addresses, key=bytes))
            wanted = frozenset({*own, CLOCK}).union(*(_wanted(each, accounts) for each in own))
            if wanted <= accounts.keys():
                kept.addresses = wanted
                return slot, accounts
            addresses = wanted
        raise VenueUnavailable("the pools need other accounts at each read")


def _wanted(address: Pubkey, accounts: Accounts) -> tuple[Pubkey, ...]:
    try:
        return program_of(address, accounts.get(address)).wanted(address, accounts)
    except AccountRefused:
        return ()  # `_decoded` says why


def _decoded(address: Pubkey, pair: Pair, accounts: Accounts) -> Pool | AccountRefused:
    try:
        return program_of(address, accounts.get(address)).decode(address, pair, accounts)
    except AccountRefused as error:
        return error
