"""Puts the live network together from its parts."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from solders.pubkey import Pubkey

from orderengine.config.solana import SolanaSettings
from orderengine.domain.instruments import Instruments
from orderengine.execution.commitments import Commitments, Wallets
from orderengine.execution.operations.counters import Metrics
from orderengine.settlement.solana.fills import FillLegs
from orderengine.settlement.solana.finality import Finality
from orderengine.settlement.solana.funds import Funds
from orderengine.settlement.solana.network import SolanaNetwork
from orderengine.settlement.solana.parallel import Parallel
from orderengine.settlement.solana.signing import BLOCK_KEPT_S, RecentBlocks, Signer
from orderengine.settlement.solana.statuses import KEPT_S, StatusBoard
from orderengine.settlement.solana.tokens import Tokens
from orderengine.settlement.solana.watch import WalletGuard, Watch
from orderengine.solana.cluster import Cluster
from orderengine.solana.keys import Wallet
from orderengine.solana.reader import PoolReader
from orderengine.solana.transactions import Budget

MOST_REQUESTS = 16
"""Requests of one worker to its nodes at once, besides those of its threads."""


@dataclass(frozen=True, slots=True)
class Kept:
    """How long answers of the network are used again, in seconds."""

    statuses_s: float = KEPT_S
    block_s: float = BLOCK_KEPT_S


def solana_network(
    settings: SolanaSettings,
    cluster: Cluster,
    wallet: Wallet,
    pools: PoolReader,
    instruments: Instruments,
    usdc: Callable[[], Pubkey],
    commitments: Commitments,
    wallets: Wallets,
    metrics: Metrics,
    now: Callable[[], datetime],
    kept: Kept = Kept(),
) -> SolanaNetwork:
    """The network of a worker; it asks for nothing before it is used."""
    budget = Budget.capped(
        settings.compute_units,
        settings.priority_fee_microlamports,
        settings.max_priority_fee_lamports,
    )
    tokens = Tokens.of(instruments, usdc)
    parallel = Parallel(MOST_REQUESTS)
    guard = WalletGuard(cluster, wallet.address, wallets)
    finality = Finality(cluster, metrics)
    signer = Signer(
        cluster=cluster,
        wallet=wallet,
        pools=pools,
        instruments=instruments,
        funds=Funds(wallet.address, commitments, tokens, budget, settings.reserve_lamports),
        budget=budget,
        parallel=parallel,
        dry_run=settings.dry_run,
        blocks=RecentBlocks(kept.block_s),
        guard=guard,
    )
    return SolanaNetwork(
        cluster=cluster,
        signer=signer,
        statuses=StatusBoard(cluster, kept.statuses_s),
        finality=finality,
        fills=FillLegs(tokens, pools),
        parallel=parallel,
        commitment=settings.commitment.value,
        now=now,
        watch=Watch(cluster, wallet.address, usdc, guard, finality, now),
    )
