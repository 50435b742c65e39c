"""Whether anybody else uses the wallet: its transactions that no order of this database has had."""

from collections.abc import Callable
from datetime import datetime

import structlog
from solders.pubkey import Pubkey

from orderengine.execution.second_looks import SecondLooks
from orderengine.solana import requests
from orderengine.solana.cluster import Cluster

log = structlog.get_logger(__name__)

LOOKED_BACK = 1000
"""Transactions of one look. Source: the limit of `getSignaturesForAddress`."""
COUNTED_S = 3600.0
"""How long a strange transaction counts."""


class Strangers:
    """Counts them with one request a minute, of all workers together.

    Another stack with the same wallet cannot be refused, only told. Whoever sends something to the
    wallet counts as well. What is signed here is stored before it is sent, so it is never counted.
    """

    def __init__(
        self, cluster: Cluster, wallet: Pubkey, looks: SecondLooks, now: Callable[[], datetime]
    ) -> None:
        self._cluster = cluster
        self._wallet = wallet
        self._looks = looks
        self._now = now
        self._told = 0

    def look(self) -> None:
        """Look, if no worker has for a minute; raises NetworkUnavailable or StorageUnavailable."""
        network = self._cluster.network()
        if not self._looks.begin_strangers(network):
            return
        found = self._cluster.ask_aside(
            lambda node: requests.transactions_of(node, self._wallet, LOOKED_BACK)
        )
        oldest = self._now().timestamp() - COUNTED_S
        recent = [each.signature for each in found if each.at_s is None or each.at_s >= oldest]
        unknown = self._looks.unknown(recent) if recent else ()
        self._looks.note_strangers(network, len(unknown))
        if len(unknown) > self._told:
            first = next(each for each in recent if each in unknown)
            log.warning("strange_transactions", count=len(unknown), signature=first)
        self._told = len(unknown)
