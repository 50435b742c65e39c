"""The cluster that a process trades on: known by its genesis hash, and asked through its nodes."""

import time
from collections.abc import Callable, Iterator
from threading import Lock, Thread
from typing import Final, TypeVar

import structlog

from orderengine.domain.errors import NetworkUnavailable
from orderengine.domain.home import live_network
from orderengine.solana import requests
from orderengine.solana.rpc import Node, Rpc
from orderengine.solana.rpc_errors import WrongCluster

MAINNET: Final = "5eykt4UsFv8P8NJdTREpY1vzqKqZKvdpKuc147dw2N9d"
DEVNET: Final = "EtWTRABZaYq6iMfeYKouRu166VU2xqa1wcaWoxPkrZBG"
USDC_MINTS: Final = {
    MAINNET: "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v",
    DEVNET: "4zMMC9srt5Ri5X14GAgXhaHii3GnPAEERYPJgZJDncDU",
}
"""The mints of Circle's USDC by genesis hash. Source: developers.circle.com, "USDC on Solana"."""

CHECKED_S = 30.0
"""How long a node counts as one of the cluster after it has told its genesis hash."""

ASKS_AGAIN_S = 1.0
"""The least time between two questions for the cluster that nobody waits for."""

T = TypeVar("T")
log = structlog.get_logger(__name__)


class Cluster:
    """The nodes of one cluster: each tells its genesis hash before anything else is asked of it.

    The first hash that a node tells is the process's cluster from then on. A node that gives no
    answer has to tell it anew: another chain may have taken its place. Safe for any thread.
    """

    def __init__(
        self,
        rpc: Rpc,
        *,
        allow_mainnet: bool,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rpc = rpc
        self._allow_mainnet = allow_mainnet
        self._clock = clock
        self._lock = Lock()
        self._asking = Lock()
        self._asks_at = float("-inf")
        self._genesis: str | None = None
        self._silent_since: float | None = None
        self._checked_until: dict[Node, float] = {}
        self._checking = {node: Lock() for node in rpc.nodes}
        self._failures: dict[Node, tuple[float, NetworkUnavailable]] = {}

    @property
    def nodes(self) -> tuple[Node, ...]:
        """All nodes, whether or not they give answers."""
        return self._rpc.nodes

    @property
    def genesis_hash(self) -> str | None:
        """The cluster's genesis hash; None until a node has told it."""
        return self._genesis

    @property
    def outage_s(self) -> float:
        """For how long no node has given an answer, in seconds; 0 if one answered last."""
        since = self._silent_since
        return 0.0 if since is None else max(self._clock() - since, 0.001)

    def network(self) -> str:
        """The name that is stored with what is signed for this cluster; raises NetworkUnavailable.

        It asks a node if none has told its genesis hash before.
        """
        if self._genesis is None:
            self.ask(lambda _: None)
        return live_network(self._genesis)

    def known_network(self) -> str | None:
        """The same without waiting: None until a node has told its hash, which is asked for now."""
        if self._genesis is not None:
            return live_network(self._genesis)
        if self._clock() >= self._asks_at and self._asking.acquire(blocking=False):
            self._asks_at = self._clock() + ASKS_AGAIN_S
            Thread(target=self._learn, name="cluster", daemon=True).start()
        return None

    def _learn(self) -> None:
        try:
            self.network()
        except NetworkUnavailable as error:
            log.warning("cluster_not_known", error=str(error))
        finally:
            self._asking.release()

    def refused(self) -> str | None:
        """Why a node that answers now may not be used; None if none answers, or all may be."""
        for node in self._rpc.nodes:
            try:
                self._check(node)
            except WrongCluster as error:
                return str(error)
            except NetworkUnavailable as error:
                log.warning("node_unreachable", node=node.name, error=str(error))
        return None

    def ask(self, question: Callable[[Node], T]) -> T:
        """The answer of the first node of the cluster that gives one; raises NetworkUnavailable."""
        try:
            answer = self._rpc.ask(lambda node: self._asked(node, question))
        except NetworkUnavailable:
            if self._silent_since is None:
                self._silent_since = self._clock()
            raise
        self._silent_since = None
        return answer

    def ask_each(self, question: Callable[[Node], T]) -> Iterator[T | NetworkUnavailable]:
        """The answer of one node after another, or its error."""
        for node in self._rpc.nodes:
            try:
                answer = self._asked(node, question)
            except NetworkUnavailable as error:
                yield error
            else:
                self._silent_since = None
                yield answer

    def ask_aside(self, question: Callable[[Node], T]) -> T:
        """As `ask`, for what no order waits for: an error begins no outage, and avoids no node."""
        failure = NetworkUnavailable("there is no node")
        for answer in self.ask_each(question):
            if not isinstance(answer, NetworkUnavailable):
                return answer
            failure = answer
        raise failure

    def _asked(self, node: Node, question: Callable[[Node], T]) -> T:
        try:
            self._check(node)
            return question(node)
        except NetworkUnavailable:
            self._checked_until.pop(node, None)
            raise

    def _check(self, node: Node) -> None:
        """Know the node's cluster; those that come while it is asked for share the next answer."""
        came = self._clock()
        if self._checked_until.get(node, 0) > came:
            return
        with self._checking[node]:
            if self._checked_until.get(node, 0) > self._clock():
                return
            failure = self._failures.get(node)
            if failure is not None and failure[0] >= came:
                raise failure[1]  # somebody else has just asked in vain
            began = self._clock()
            try:
                self._ask_cluster(node)
            except NetworkUnavailable as error:
                self._failures[node] = began, error
                raise

    def _ask_cluster(self, node: Node) -> None:
        told = requests.genesis_hash(node)
        if told == MAINNET and not self._allow_mainnet:
            raise WrongCluster(f"{node.name} is a node of mainnet: ALLOW_MAINNET=1 allows it")
        with self._lock:
            if self._genesis is None:
                self._genesis = told
                log.info("cluster_known", node=node.name, genesis_hash=told)
        if told != self._genesis:
            raise WrongCluster(f"{node.name} is a node of another cluster, {told}")
        self._checked_until[node] = self._clock() + CHECKED_S
