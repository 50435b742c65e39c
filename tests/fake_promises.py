"""What swaps are promised of a wallet, in memory."""

from collections.abc import Collection, Sequence
from threading import Lock
from uuid import UUID

from orderengine.execution.promises import Purse, Taken, Wanted
from orderengine.storage.promises import PROMISED_S
from tests.fakes import FakeClock


class FakePromises:
    """Implements `execution.promises.Promises`.

    `submitted` has the signatures of orders that are submitted, `ended` those of others.
    """

    def __init__(self, clock: FakeClock | None = None) -> None:
        self.submitted: dict[UUID, str] = {}
        self.ended: dict[UUID, str] = {}
        self._clock = clock or FakeClock()
        self._lock = Lock()
        self._kept: dict[tuple[Purse, UUID], tuple[float, Wanted]] = {}

    def promise(
        self, purse: Purse, wanted: Sequence[Wanted], landed: Collection[UUID] = ()
    ) -> Taken | None:
        with self._lock:
            now = self._clock.now().timestamp()
            self._kept = {
                key: (at, each)
                for key, (at, each) in self._kept.items()
                if at >= now - PROMISED_S or key[1] in self.submitted
            }
            own = {each.order_id for each in wanted}
            others = [
                each
                for (of_purse, order_id), (_, each) in self._kept.items()
                if of_purse == purse and order_id not in own | set(landed)
            ]
            short = _shortage(wanted, others)
            if short is None:
                self._kept |= {(purse, each.order_id): (now, each) for each in wanted}
            return short

    def signed(self, purse: Purse) -> list[tuple[UUID, str]]:
        known = self.ended | self.submitted
        return [
            (order_id, known[order_id])
            for of_purse, order_id in self._kept
            if of_purse == purse and order_id in known
        ]

    def withdraw(self, purse: Purse, order_ids: Collection[UUID]) -> None:
        for order_id in set(order_ids) - set(self.submitted):
            self._kept.pop((purse, order_id), None)

    def forget(self) -> None:
        """Let nothing be promised."""
        self._kept.clear()


def _shortage(wanted: Sequence[Wanted], others: Sequence[Wanted]) -> Taken | None:
    lamports = sum(each.lamports for each in others)
    taken = {
        each.mint: sum(other.units for other in others if other.mint == each.mint)
        for each in wanted
    }
    fits = lamports + sum(each.lamports for each in wanted) <= min(
        each.lamports_held for each in wanted
    )
    for mint, units in taken.items():
        asked = [each for each in wanted if each.mint == mint]
        fits &= units + sum(each.units for each in asked) <= min(each.units_held for each in asked)
    return None if fits else Taken(max(taken.values()), lamports)
