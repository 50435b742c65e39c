"""What a worker looks at beside its orders: the nodes, the wallet, and settlements made final."""

import time
from collections.abc import Callable
from datetime import datetime
from threading import Lock

import structlog
from solders.pubkey import Pubkey

from orderengine.domain.errors import NetworkUnavailable, StorageUnavailable
from orderengine.execution.promises import WalletFigures, Wallets
from orderengine.settlement.solana.finality import Finality
from orderengine.settlement.solana.funds import Balances
from orderengine.settlement.solana.strangers import Strangers
from orderengine.solana import requests
from orderengine.solana.accounts import (
    CLOCK,
    TOKEN_PROGRAM,
    associated_token_address,
    decode_clock,
)
from orderengine.solana.cluster import Cluster
from orderengine.solana.refusals import AccountRefused
from orderengine.solana.requests import CONFIRMED

log = structlog.get_logger(__name__)

WATCH_S = 5.0
CLAIMED_S = 10.0
"""How long a claim of the wallet counts before it is made anew."""
SLOT_S = 0.4
TOLERATED_S = 10.0
"""The chain's clock may be this far behind ours without anything being late."""
MOST_SLOTS_BEHIND = 2**31 - 1
"""What the column takes; a clock may tell any time."""


class WalletGuard:
    """Lets a worker sign only while no worker of another wallet does so on the same database."""

    def __init__(
        self,
        cluster: Cluster,
        wallet: Pubkey,
        wallets: Wallets,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._cluster = cluster
        self._wallet = str(wallet)
        self._wallets = wallets
        self._clock = clock
        self._lock = Lock()
        self._claimed_at = float("-inf")
        self._refused_since: float | None = None

    @property
    def refused_s(self) -> float:
        """For how long another wallet has signed, in seconds; 0 if none does."""
        since = self._refused_since
        return 0.0 if since is None else max(self._clock() - since, 0.001)

    def require(self) -> None:
        """Raise NetworkUnavailable if another wallet signs, or StorageUnavailable."""
        with self._lock:
            if self._clock() - self._claimed_at >= CLAIMED_S:
                self._claim(None)

    def tell(self, figures: WalletFigures) -> None:
        """Say what the wallet holds; raises as `require` does."""
        with self._lock:
            self._claim(figures)

    def _claim(self, figures: WalletFigures | None) -> None:
        network = self._cluster.network()
        if not self._wallets.claim(network, self._wallet, figures):
            message = "another wallet signs on this database: stop its workers first"
            log.error("other_wallet", wallet=self._wallet, network=network)
            if self._refused_since is None:
                self._refused_since = self._clock()
            raise NetworkUnavailable(message)
        self._claimed_at, self._refused_since = self._clock(), None


class Watch:
    """Looks at nodes and wallet every few seconds; a round never raises.

    It also finds out that an outage has ended when no order asks for anything.
    """

    def __init__(
        self,
        cluster: Cluster,
        wallet: Pubkey,
        usdc_mint: Callable[[], Pubkey],
        guard: WalletGuard,
        finality: Finality,
        strangers: Strangers,
        now: Callable[[], datetime],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._cluster = cluster
        self._wallet = wallet
        self._usdc_mint = usdc_mint
        self._guard = guard
        self._finality = finality
        self._strangers = strangers
        self._now = now
        self._clock = clock
        self._next_at = float("-inf")

    def run(self) -> None:
        """Look, if it is time to."""
        if self._clock() < self._next_at:
            return
        self._next_at = self._clock() + WATCH_S
        try:
            self._guard.tell(self._figures())
            self._finality.look_again()
            self._strangers.look()
        except (NetworkUnavailable, StorageUnavailable) as error:
            log.warning("network_not_watched", error=str(error))
        except Exception:
            log.exception("network_not_watched")  # recovery must go on in this thread

    def _figures(self) -> WalletFigures:
        usdc = associated_token_address(self._wallet, self._usdc_mint(), TOKEN_PROGRAM)
        addresses = [self._wallet, usdc, CLOCK]
        slot, accounts = self._cluster.ask(lambda node: requests.accounts(node, addresses))
        balances = Balances(slot, accounts)
        try:
            at = decode_clock(accounts[CLOCK]).unix_s
        except AccountRefused as error:
            raise NetworkUnavailable(str(error)) from error
        behind_s = self._now().timestamp() - at
        late = round(behind_s / SLOT_S) if behind_s > TOLERATED_S else 0
        return WalletFigures(
            lamports=balances.lamports(self._wallet),
            usdc=balances.units(usdc),
            slots_behind=min(max(late, self._newest_slot() - slot, 0), MOST_SLOTS_BEHIND),
        )

    def _newest_slot(self) -> int:
        """The newest slot that any node tells."""
        newest = 0
        for node in self._cluster.nodes if len(self._cluster.nodes) > 1 else ():
            try:
                newest = max(newest, requests.current_slot(node, CONFIRMED))
            except NetworkUnavailable:
                continue  # `ask` tells of it
        return newest
