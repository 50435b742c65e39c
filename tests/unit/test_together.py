"""Work that concurrent callers share."""

import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

import pytest

from harness.waiting import wait_until
from orderengine.domain.errors import StorageCause, StorageUnavailable
from orderengine.execution.intake.together import MOST_TOGETHER, Together

TIMEOUT_S = 10.0
BAD = 99


class Work:
    """Doubles numbers; the first caller is kept until `go`, and everything done is noted."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.done: list[list[int]] = []
        self.error: Exception | None = None
        self.shared: Together[int, int] = Together(self.alone, self.together, TIMEOUT_S)
        self.threads = ThreadPoolExecutor(MOST_TOGETHER * 2)

    def alone(self, item: int) -> int:
        self.done.append([item])
        if item == 0:
            assert self.go.wait(TIMEOUT_S)
        if item == BAD:
            raise ValueError("a bad item")
        return item * 2

    def together(self, items: Sequence[int]) -> list[int]:
        self.done.append(list(items))
        if self.error is not None:
            raise self.error
        if BAD in items:
            raise ValueError("a bad item among them")
        return [item * 2 for item in items]

    def come(self, *items: int) -> list["Future[int]"]:
        """Let a caller come with 0, and others, in this order, while it is served."""
        calls = [self.threads.submit(self.shared.serve, 0)]
        wait_until(lambda: self.done == [[0]])
        for place, item in enumerate(items, start=1):
            calls.append(self.threads.submit(self.shared.serve, item))
            wait_until(partial(self._has_waiting, place))
        self.go.set()
        return calls

    def _has_waiting(self, callers: int) -> bool:
        return self.shared.waiting == callers


@pytest.fixture
def work() -> Work:
    return Work()


def results(calls: Sequence["Future[int]"]) -> list[int]:
    return [call.result(TIMEOUT_S) for call in calls]


def test_one_that_comes_alone_goes_alone(work: Work) -> None:
    assert [work.shared.serve(item) for item in (1, 2, 3)] == [2, 4, 6]
    assert work.done == [[1], [2], [3]]


def test_those_that_come_meanwhile_go_together_and_each_gets_its_own(work: Work) -> None:
    assert results(work.come(3, 1, 2)) == [0, 6, 2, 4]
    assert work.done == [[0], [3, 1, 2]]
    assert work.shared.serve(5) == 10
    assert work.done[-1] == [5]


def test_a_single_one_that_comes_meanwhile_goes_alone_after_it(work: Work) -> None:
    assert results(work.come(4)) == [0, 8]
    assert work.done == [[0], [4]]


def test_a_group_is_bounded(work: Work) -> None:
    items = list(range(1, MOST_TOGETHER + 4))
    assert results(work.come(*items)) == [0, *(item * 2 for item in items)]
    assert work.done == [[0], items[:MOST_TOGETHER], items[MOST_TOGETHER:]]


def test_one_bad_item_fails_alone(work: Work) -> None:
    first, good, bad, other = work.come(1, BAD, 2)
    assert results([first, good, other]) == [0, 2, 4]
    with pytest.raises(ValueError, match=r"a bad item$"):
        bad.result(TIMEOUT_S)
    assert work.done[:2] == [[0], [1, BAD, 2]]
    assert sorted(work.done[2:]) == [[1], [2], [BAD]]


def test_a_bad_item_that_goes_alone_is_tried_once(work: Work) -> None:
    first, bad = work.come(BAD)
    with pytest.raises(ValueError, match=r"a bad item$"):
        bad.result(TIMEOUT_S)
    assert first.result(TIMEOUT_S) == 0
    assert work.done == [[0], [BAD]]
    assert work.shared.serve(1) == 2


def test_a_missing_answer_is_missing_for_each_and_nothing_is_done_again(work: Work) -> None:
    work.error = StorageUnavailable("no answer")
    work.error.cause = StorageCause.NO_CONNECTION_LEFT
    first, *others = work.come(1, 2, 3)
    assert first.result(TIMEOUT_S) == 0
    errors = [call.exception(TIMEOUT_S) for call in others]
    assert [str(error) for error in errors] == ["no answer"] * 3
    assert len({id(error) for error in errors}) == 3
    causes = [error.cause for error in errors if isinstance(error, StorageUnavailable)]
    assert causes == [StorageCause.NO_CONNECTION_LEFT] * 3
    assert work.done == [[0], [1, 2, 3]]
    assert work.shared.serve(4) == 8


def test_who_has_waited_too_long_goes_alone_beside_the_slow_one() -> None:
    work = Work()
    work.shared = Together(work.alone, work.together, patience_s=0.0)
    slow = work.threads.submit(work.shared.serve, 0)
    wait_until(lambda: work.done == [[0]])
    assert work.shared.serve(1) == 2
    assert work.shared.waiting == 0
    work.go.set()
    assert slow.result(TIMEOUT_S) == 0
    assert work.done == [[0], [1]]


def test_every_caller_of_a_crowd_gets_its_own(work: Work) -> None:
    work.go.set()
    items = list(range(1, 90)) * 5
    with ThreadPoolExecutor(24) as threads:
        assert list(threads.map(work.shared.serve, items)) == [item * 2 for item in items]
    assert sorted(item for group in work.done for item in group) == sorted(items)
