"""The live network of a worker: orders hold no slots while they wait for its answers."""

from collections.abc import Sequence
from typing import Any

from orderengine.domain.errors import AttemptFailed, NetworkUnavailable
from orderengine.domain.fill import SignedTransaction
from orderengine.execution.chain.slots import Slots
from orderengine.execution.network import Outcome, SettlementNetwork, Swap


class UnheldNetwork:
    """Implements `execution.network.SettlementNetwork` on another one.

    An answer takes a tenth of a second or more, and slots bound what a worker does, not what it
    waits for. The threads, and the groups that they run, bound the orders that wait.
    """

    def __init__(self, network: SettlementNetwork, slots: Slots) -> None:
        self._network = network
        self._slots = slots

    def __getattr__(self, name: str) -> Any:
        return getattr(self._network, name)

    def sign_all(self, swaps: Sequence[Swap]) -> list[SignedTransaction | AttemptFailed]:
        """See `SettlementNetwork.sign_all`."""
        with self._slots.released():
            return self._network.sign_all(swaps)

    def send_all(
        self, transactions: Sequence[SignedTransaction]
    ) -> list[NetworkUnavailable | None]:
        """See `SettlementNetwork.send_all`."""
        with self._slots.released():
            return self._network.send_all(transactions)

    def look_up_all(self, signatures: Sequence[str]) -> list[Outcome]:
        """See `SettlementNetwork.look_up_all`."""
        with self._slots.released():
            return self._network.look_up_all(signatures)

    def look_up_expired_all(
        self, transactions: Sequence[SignedTransaction]
    ) -> list[Outcome | NetworkUnavailable]:
        """See `SettlementNetwork.look_up_expired_all`."""
        with self._slots.released():
            return self._network.look_up_expired_all(transactions)
