"""Work that concurrent callers share: those that come while it runs are served together next."""

import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import structlog

from orderengine.domain.errors import StorageUnavailable

log = structlog.get_logger(__name__)

T = TypeVar("T")
R = TypeVar("R")

PATIENCE_S = 0.05
"""How long a caller waits for its turn before it goes alone, beside the one that takes so long."""

MOST_TOGETHER = 20


class _Place(Generic[T, R]):
    """A caller's place; its thread waits for `turn`, and then leads `group` or takes `results`."""

    __slots__ = ("error", "group", "item", "results", "turn")

    def __init__(self, item: T) -> None:
        self.item = item
        self.group: list[_Place[T, R]] = []
        self.results: list[R] = []
        self.error: StorageUnavailable | None = None
        self.turn = threading.Lock()
        self.turn.acquire()


class Together(Generic[T, R]):
    """Serves callers `alone`, or several of them by one call of `together`, for any thread.

    A caller that comes while nobody is served goes at once. Those that come meanwhile go together
    after it, at most MOST_TOGETHER, led by the first of them. An unexpected error of several makes
    each go alone: one bad item must not fail the others. But a missing answer is missing for each
    of them, since the work may have been done.
    """

    def __init__(
        self,
        alone: Callable[[T], R],
        together: Callable[[Sequence[T]], Sequence[R]],
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._alone = alone
        self._together = together
        self._patience_s = patience_s
        self._lock = threading.Lock()
        self._is_led = False
        self._waiting: list[_Place[T, R]] = []

    @property
    def waiting(self) -> int:
        """How many callers wait for their turn."""
        return len(self._waiting)

    def serve(self, item: T) -> R:
        """The result for an item; raises what serving it raises."""
        place: _Place[T, R] = _Place(item)
        with self._lock:
            if self._is_led:
                self._waiting.append(place)
            else:
                self._is_led = True
                place.group.append(place)
        if not place.group and not self._has_turn(place):
            return self._alone(item)
        if place.group:
            self._lead(place.group)
        if place.error is not None:
            raise place.error
        return place.results[0] if place.results else self._alone(item)

    def _has_turn(self, place: _Place[T, R]) -> bool:
        """Wait; False if the place was given up."""
        if place.turn.acquire(timeout=self._patience_s):
            return True
        with self._lock:
            if place in self._waiting:
                self._waiting.remove(place)
                return False
        return place.turn.acquire()  # it has just been taken into a group

    def _lead(self, group: list[_Place[T, R]]) -> None:
        try:
            if len(group) == 1:
                group[0].results.append(self._alone(group[0].item))
            else:
                self._serve_all(group)
        finally:
            self._pass_on()
            for each in group[1:]:
                each.turn.release()

    def _serve_all(self, group: list[_Place[T, R]]) -> None:
        """Leave each its result, or its error; neither if it is to go alone."""
        try:
            results = self._together([each.item for each in group])
            for each, result in zip(group, results, strict=True):
                each.results.append(result)
        except StorageUnavailable as error:
            for each in group:
                each.error = _again(error)
        except Exception:
            log.exception("group_falls_apart", orders=len(group))
            for each in group:
                each.results.clear()

    def _pass_on(self) -> None:
        """Let those lead and follow who came meanwhile."""
        with self._lock:
            group = self._waiting[:MOST_TOGETHER]
            del self._waiting[:MOST_TOGETHER]
            self._is_led = bool(group)
        if group:
            group[0].group = group
            group[0].turn.release()


def _again(error: StorageUnavailable) -> StorageUnavailable:
    """The same error for another thread: a raised error belongs to the thread that raises it."""
    told = type(error)(*error.args)
    told.cause = error.cause
    told.__cause__ = error
    return told
