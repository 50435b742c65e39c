"""Assembles trading on a live Solana cluster; loaded only with NETWORK=solana."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from solders.pubkey import Pubkey
from sqlalchemy import Engine as DatabaseEngine

from orderengine.bootstrap.network import Prices, Settlement
from orderengine.config.settings import ConfigurationError, wallet_key
from orderengine.config.solana import SolanaSettings
from orderengine.domain.errors import NetworkUnavailable
from orderengine.domain.home import LIVE
from orderengine.domain.instruments import POOL_COLUMNS, Instruments
from orderengine.execution.operations.counters import CounterName, Metrics
from orderengine.execution.operations.order_metrics import observe_seconds
from orderengine.execution.ports import Clock, Venue
from orderengine.settlement.solana.assembly import Surroundings, solana_network
from orderengine.solana import requests
from orderengine.solana.cluster import USDC_MINTS, Cluster
from orderengine.solana.keys import Wallet
from orderengine.solana.reader import PoolReader
from orderengine.solana.rpc import Node, Rpc
from orderengine.storage.promises import SqlPromises, SqlWallets
from orderengine.storage.second_looks import SqlSecondLooks
from orderengine.venues.live import LivePrices, LiveVenue


@dataclass(frozen=True, slots=True)
class LiveTrading:
    """Implements `bootstrap.network.Trading`; one shared reader serves quotes and signing."""

    settings: SolanaSettings
    cluster: Cluster
    reader: PoolReader
    instruments: Instruments
    clock: Clock
    metrics: Metrics

    def venues(self) -> Sequence[Venue]:
        """The venues with a column of pools in the instrument file."""
        return [LiveVenue(name, self.reader) for name in POOL_COLUMNS]

    def prices(self) -> Prices:
        """The prices of the deepest pools."""
        return LivePrices(self.reader)

    def placed_on(self) -> str | None:
        """The name of the cluster; None until a node has told it, which is then asked."""
        return self.cluster.known_network()

    def settlement(self, database: DatabaseEngine) -> Settlement:
        """The live network; reads the wallet's key, and raises ConfigurationError without one."""
        around = Surroundings(
            settings=self.settings,
            cluster=self.cluster,
            wallet=Wallet.read(wallet_key()),
            pools=self.reader,
            instruments=self.instruments,
            usdc=lambda: usdc_mint(self.settings, self.cluster),
            promises=SqlPromises(database),
            wallets=SqlWallets(database),
            looks=SqlSecondLooks(database),
            metrics=self.metrics,
            now=self.clock.now,
        )
        network = solana_network(around)
        return Settlement(network, network.home, network.watch.run)


def live_trading(
    settings: SolanaSettings, instruments: Instruments, clock: Clock, metrics: Metrics
) -> LiveTrading:
    """Trading on the cluster of SOLANA_RPC_URL.

    Raises ConfigurationError for mainnet without ALLOW_MAINNET, nodes of several clusters, and a
    cluster whose USDC is not known, if a node answers now.
    """
    cluster = usable_cluster(settings, metrics)
    reader = PoolReader(
        lambda addresses: cluster.ask(lambda node: requests.accounts(node, addresses)),
        lambda: usdc_mint(settings, cluster),
        clock,
    )
    return LiveTrading(settings, cluster, reader, instruments, clock, metrics)


def usable_cluster(settings: SolanaSettings, metrics: Metrics) -> Cluster:
    """The nodes of SOLANA_RPC_URL; raises ConfigurationError as `live_trading` does."""
    cluster = cluster_of(settings, metrics)
    if refusal := cluster.refused():
        raise ConfigurationError(refusal)
    if cluster.genesis_hash is not None:
        try:
            usdc_mint(settings, cluster)
        except NetworkUnavailable as error:
            raise ConfigurationError(str(error)) from None
    return cluster


def cluster_of(settings: SolanaSettings, metrics: Metrics) -> Cluster:
    """The nodes of SOLANA_RPC_URL, with metrics of what they are asked."""
    counting = _Counting(metrics)
    nodes = [Node(url, counting) for url in settings.rpc_urls]
    return Cluster(Rpc(nodes), allow_mainnet=settings.allow_mainnet)


def usdc_mint(settings: SolanaSettings, cluster: Cluster) -> Pubkey:
    """The mint of USDC; raises NetworkUnavailable while the cluster is not known."""
    if settings.usdc_mint is not None:
        return Pubkey.from_string(settings.usdc_mint)
    genesis = cluster.genesis_hash or cluster.network().removeprefix(LIVE)
    mint = USDC_MINTS.get(genesis)
    if mint is None:
        raise NetworkUnavailable(f"SOLANA_USDC_MINT must be set for the cluster {genesis}")
    return Pubkey.from_string(mint)


class _Counting:
    """Counts requests to nodes; see `solana.rpc.OnCall`."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def __call__(self, method: str, took_s: float, outcome: str) -> None:
        seconds = Decimal(str(round(took_s, 6)))
        observe_seconds(self._metrics, CounterName.RPC_TIME, method, seconds)
        if outcome != "ok":
            self._metrics.count(CounterName.RPC_ERRORS, f"{method}:{outcome}")
