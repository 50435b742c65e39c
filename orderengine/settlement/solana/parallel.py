"""Several requests at once: one order must not wait for the answers of the nine before it."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from orderengine.domain.errors import NetworkUnavailable

N = TypeVar("N")
R = TypeVar("R")


class Parallel:
    """A few threads that wait for answers."""

    def __init__(self, workers: int) -> None:
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="rpc")

    def each(self, question: Callable[[N], R], items: Sequence[N]) -> list[R | NetworkUnavailable]:
        """The answer for each item, or the error that it had instead; other errors are raised."""
        if len(items) < 2:
            return [_answer(question, each) for each in items]
        return self.begin(question, items)()

    def begin(
        self, question: Callable[[N], R], items: Sequence[N]
    ) -> Callable[[], list[R | NetworkUnavailable]]:
        """Ask, and return at once; a call of what is returned waits for the answers of `each`."""
        asked = [self._threads.submit(_answer, question, each) for each in items]
        return lambda: [each.result() for each in asked]


def _answer(question: Callable[[N], R], item: N) -> R | NetworkUnavailable:
    try:
        return question(item)
    except NetworkUnavailable as error:
        return error
