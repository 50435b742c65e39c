"""Turns: bound how many requests of one kind run at once, and how many wait."""

import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import wraps
from typing import ParamSpec, TypeVar

from flask import Flask, current_app

from orderengine.api.answers.problems import ErrorCode, Refused

AT_ONCE = 1
"""Lists that a process reads and writes at once: writing one keeps the processor busy."""
WAITING = 7
WAIT_S = 1.0
"""Two open pages ask for four lists at once; a turn with its rest takes up to a quarter of this."""
REST_FACTOR = 5
"""The pause after a list lasts this many times as long: lists take a sixth of a process's time."""
LONGEST_REST_S = 0.2
LATEST_RETRY_S = 10.0
FIRST_INTERVAL_S = 0.05
"""The assumed time of a turn with its rest, until the first turn has ended."""
SMOOTHING = 0.2
"""The weight of the last turn in the average interval."""

GIVE_WAY_S = 0.02
"""How long a list waits for orders that are being placed, before each order that it writes."""

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")
_EXTENSION = "orderengine.turns"


class Turns:
    """Runs `at_once` requests, has `waiting` more wait for `wait_s` seconds, refuses the others.

    A request that runs has a turn. Few may wait, because each holds a thread of the server, and
    placing an order needs one too. The process rests between two turns, so that other requests get
    time. Refused clients are told to return one by one, as fast as turns end: clients that return
    together are refused again, and refusing costs time, too. While an order is being placed, the
    list whose turn it is gives way.
    """

    def __init__(
        self,
        at_once: int = AT_ONCE,
        waiting: int = WAITING,
        wait_s: float = WAIT_S,
        give_way_s: float = GIVE_WAY_S,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._clock = clock
        self._pause = pause
        self._rests_until = 0.0
        self._places = threading.BoundedSemaphore(at_once + waiting)
        self._turns = threading.BoundedSemaphore(at_once)
        self._wait_s = wait_s
        self._give_way_s = give_way_s
        self._interval_s = FIRST_INTERVAL_S
        self._promised = 0.0
        self._promising = threading.Lock()
        self._placing = 0
        self._placed = threading.Condition()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Hold a turn; raises Refused (503) if there is none."""
        if not self._places.acquire(blocking=False):
            raise self._busy()
        try:
            if not self._turns.acquire(timeout=self._wait_s):
                raise self._busy()
            try:
                with self._resting():
                    self.give_way()
                    yield
            finally:
                self._turns.release()
        finally:
            self._places.release()

    @contextmanager
    def placing(self) -> Iterator[None]:
        """Place an order, for which lists give way."""
        with self._placed:
            self._placing += 1
        try:
            yield
        finally:
            with self._placed:
                self._placing -= 1
                self._placed.notify_all()

    @property
    def is_placing(self) -> bool:
        """Whether an order is being placed at this moment."""
        return self._placing > 0

    def give_way(self) -> None:
        """Wait while an order is being placed, but not for long: more orders may follow."""
        # Read without the lock: a stale value costs one wait, or misses one.
        if self.is_placing:
            with self._placed:
                self._placed.wait_for(lambda: not self.is_placing, self._give_way_s)

    @contextmanager
    def _resting(self) -> Iterator[None]:
        rest_s = self._rests_until - self._clock()
        if rest_s > 0:
            self._pause(rest_s)
        began = self._clock()
        try:
            yield
        finally:
            took_s = self._clock() - began
            rest_s = min(REST_FACTOR * took_s, LONGEST_REST_S)
            self._rests_until = began + took_s + rest_s
            self._interval_s += SMOOTHING * (took_s + rest_s - self._interval_s)

    def _busy(self) -> Refused:
        detail = "this process reads as many lists as it can at once; retry shortly"
        headers = {"Retry-After": str(self._retry_after_s())}
        return Refused(503, ErrorCode.LISTS_BUSY, detail, headers=headers)

    def _retry_after_s(self) -> int:
        """Promise the turn after those that were promised to earlier refused clients."""
        with self._promising:
            now = self._clock()
            promised = max(self._promised, now) + self._interval_s
            self._promised = min(promised, now + LATEST_RETRY_S)
            return max(math.ceil(self._promised - now), 1)


def register_turns(app: Flask, turns: Turns) -> None:
    """Give the views of an application their turns."""
    app.extensions[_EXTENSION] = turns


def in_turn(view: Callable[P, R]) -> Callable[P, R]:
    """Make a view hold a turn, including all decorators below this one."""

    @wraps(view)
    def limited(*args: P.args, **kwargs: P.kwargs) -> R:
        with _turns().turn():
            return view(*args, **kwargs)

    return limited


def lists_give_way() -> AbstractContextManager[None]:
    """Lists give way during this block, which places an order."""
    return _turns().placing()


def giving_way(items: Iterable[T]) -> Iterator[T]:
    """The items, one by one; each waits while an order is being placed."""
    turns = _turns()
    for item in items:
        turns.give_way()
        yield item


def _turns() -> Turns:
    turns: Turns = current_app.extensions[_EXTENSION]
    return turns
