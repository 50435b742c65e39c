"""The part of the store that ends orders whatever message is under way."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from orderengine.domain.events import Moved


@dataclass(frozen=True, slots=True)
class CanceledPart:
    """What a part of canceling many orders has done.

    `moved` were canceled, or are submitted and were asked to be. Of the others, as many as
    `requested_before` says were asked before, `too_late` had ended when their turn came, and the
    database refused to change as many as `refused` says: their rows are damaged. `last` is the id
    of the part's last order; None if there is no further one.
    """

    moved: Sequence[Moved]
    requested_before: int
    too_late: int
    last: UUID | None
    refused: int = 0


class Endings(Protocol):
    """Ends orders from outside of the chain; every method raises StorageUnavailable."""

    def cancel(self, client_id: str, order_id: UUID) -> Moved | None:
        """Cancel a client's order; a submitted one is only asked to be canceled.

        The event tells which: `canceled` or `submitted`. None, and nothing changed, if the client
        has no such order, if the order has ended, or if this was asked before.
        """

    def cancel_all(
        self, client_id: str, symbol: str | None, after: UUID, limit: int
    ) -> CanceledPart:
        """Cancel up to `limit` of a client's open orders with ids above `after`, as `cancel` does.

        With a symbol, only orders of that symbol. Rows are locked in the order of their ids. An
        order whose damaged row the database refuses to change stops no other one.
        """

    def expire_due(self, limit: int) -> Sequence[Moved]:
        """End up to `limit` orders whose `expires_at` has passed, except submitted ones.

        Leaves out orders that another transaction has locked.
        """
