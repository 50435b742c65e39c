"""Puts the live network together from its parts."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from solders.pubkey import Pubkey

from orderengine.config.solana import SolanaSettings
from orderengine.domain.instruments import Instruments
from orderengine.execution.operations.counters import Metrics
from orderengine.execution.promises import Promises, Wallets
from orderengine.execution.second_looks import SecondLooks
from orderengine.settlement.solana.blocks import BLOCK_KEPT_S, RecentBlocks
from orderengine.settlement.solana.fills import FillLegs
from orderengine.settlement.solana.finality import Finality
from orderengine.settlement.solana.funds import Funds
from orderengine.settlement.solana.network import SolanaNetwork
from orderengine.settlement.solana.parallel import Parallel
from orderengine.settlement.solana.signing import Signer
from orderengine.settlement.solana.statuses import KEPT_S, StatusBoard
from orderengine.settlement.solana.strangers import Strangers
from orderengine.settlement.solana.tokens import Tokens
from orderengine.settlement.solana.watch import WalletGuard, Watch
from orderengine.solana.cluster import Cluster
from orderengine.solana.keys import Wallet
from orderengine.solana.reader import PoolReader
from orderengine.solana.transactions import Budget

MOST_REQUESTS = 64
"""Requests of one worker to its nodes at once, besides those of its threads.

An order waits for three of its own, one after the other. With fewer threads than that a group would
wait for the requests of other groups, as soon as a node is far away.
"""


@dataclass(frozen=True, slots=True)
class Kept:
    """How long answers of the network are used again, in seconds."""

    statuses_s: float = KEPT_S
    block_s: float = BLOCK_KEPT_S


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the network of a worker works with.

    `usdc` is the mint of USDC; it raises NetworkUnavailable while the cluster is not known.
    """

    settings: SolanaSettings
    cluster: Cluster
    wallet: Wallet
    pools: PoolReader
    instruments: Instruments
    usdc: Callable[[], Pubkey]
    promises: Promises
    wallets: Wallets
    looks: SecondLooks
    metrics: Metrics
    now: Callable[[], datetime]


def solana_network(around: Surroundings, kept: Kept = Kept()) -> SolanaNetwork:
    """The network of a worker; it asks for nothing before it is used."""
    cluster, address = around.cluster, around.wallet.address
    tokens = Tokens.of(around.instruments, around.usdc)
    parallel = Parallel(MOST_REQUESTS)
    guard = WalletGuard(cluster, address, around.wallets)
    strangers = Strangers(cluster, address, around.looks, around.now)
    finality = Finality(cluster, around.metrics, around.looks)
    return SolanaNetwork(
        cluster=cluster,
        signer=_signer(around, tokens, parallel, guard, RecentBlocks(kept.block_s)),
        statuses=StatusBoard(cluster, kept.statuses_s),
        finality=finality,
        fills=FillLegs(tokens, around.pools),
        parallel=parallel,
        commitment=around.settings.commitment.value,
        now=around.now,
        watch=Watch(cluster, address, around.usdc, guard, finality, strangers, around.now),
    )


def _signer(
    around: Surroundings,
    tokens: Tokens,
    parallel: Parallel,
    guard: WalletGuard,
    blocks: RecentBlocks,
) -> Signer:
    settings, address = around.settings, around.wallet.address
    budget = Budget.capped(
        settings.compute_units,
        settings.priority_fee_microlamports,
        settings.max_priority_fee_lamports,
    )
    return Signer(
        cluster=around.cluster,
        wallet=around.wallet,
        pools=around.pools,
        instruments=around.instruments,
        funds=Funds(address, around.promises, tokens, budget, settings.reserve_lamports),
        budget=budget,
        parallel=parallel,
        dry_run=settings.dry_run,
        blocks=blocks,
        guard=guard,
    )
