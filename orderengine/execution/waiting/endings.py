"""The part of the store that cancels orders and lets them expire, whatever message is under way."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from orderengine.domain.events import Moved


@dataclass(frozen=True, slots=True)
class CanceledPart:
    """The result of one part of a cancel of many orders.

    `moved` are the orders that were canceled, and the submitted ones whose cancel was requested.
    The others are counted: `requested_before` had a request already, `too_late` had ended when
    their turn came, and of `refused` the database refused to change the damaged rows. `last` is the
    id of the part's last order; None if there is no further one.
    """

    moved: Sequence[Moved]
    requested_before: int
    too_late: int
    last: UUID | None
    refused: int = 0


class Endings(Protocol):
    """Ends orders from outside of the chain; every method raises StorageUnavailable."""

    def cancel(self, client_id: str, order_id: UUID) -> Moved | None:
        """Cancel a client's order; for a submitted one only note the request to cancel it.

        The status of the event tells which: `canceled` or `submitted`. None, and nothing changed,
        if the client has no such order, if the order has ended, or if it has a request already.
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
