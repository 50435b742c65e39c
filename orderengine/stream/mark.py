"""The mark of a store: whether all followed orders must be read again."""

from orderengine.execution.ports import Orders


class Mark:
    """Remembers what the store had committed when all followed orders were last read.

    Asking reads no table, so an idle process with thousands of sockets costs next to nothing. For
    one thread.
    """

    def __init__(self, orders: Orders) -> None:
        self._orders = orders
        self._mark: str | None = None
        self._asked: str | None = None
        self._heard = 0

    def has_moved(self, heard: int) -> bool:
        """Whether anything was committed since `done`; raises StorageUnavailable.

        `heard` counts live events. If there was one since the last call, the store is not asked.
        """
        before, self._heard = self._heard, heard
        self._asked = None
        if heard == before:
            self._asked = self._orders.mark()
        return self._asked is None or self._asked != self._mark

    def done(self) -> None:
        """All followed orders were read after the last call of `has_moved`."""
        self._mark = self._asked
