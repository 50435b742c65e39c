"""A recent block height for signing, so that not every signature costs a request."""

from collections.abc import Callable


class RecentHeight:
    """Asks for the height and keeps it for `kept_s` seconds; safe for any thread.

    A kept height is too low by the blocks that passed since, so what is signed with it only expires
    earlier.
    """

    def __init__(self, ask: Callable[[], int], kept_s: float, clock: Callable[[], float]) -> None:
        self._ask = ask
        self._kept_s = kept_s
        self._clock = clock
        self._known: tuple[float, int] | None = None

    def height(self) -> int:
        """A height that was current less than `kept_s` ago; raises what `ask` raises."""
        known, now = self._known, self._clock()
        if known is not None and now - known[0] < self._kept_s:
            return known[1]
        # Its age counts from before the request, so that a slow answer is not kept for longer.
        height = self._ask()
        self._known = now, height
        return height

    def forget(self) -> None:
        """Ask again next time."""
        self._known = None
