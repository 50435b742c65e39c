"""Waiting for a condition: how often it looks."""

import pytest

from harness import waiting
from harness.waiting import LONGEST_POLL_S, POLL_S, wait_until


class Clock:
    """Stands still but for pauses, which it records, and looks, which take a time."""

    def __init__(self, look_s: float, looks: int) -> None:
        self.now = 0.0
        self.pauses: list[float] = []
        self._look_s = look_s
        self._left = looks

    def monotonic(self) -> float:
        return self.now

    def sleep(self, pause_s: float) -> None:
        self.pauses.append(pause_s)
        self.now += pause_s

    def look(self) -> bool:
        self.now += self._look_s
        self._left -= 1
        return self._left == 0


def waited(
    monkeypatch: pytest.MonkeyPatch, look_s: float, looks: int, pause_s: float | None = None
) -> Clock:
    clock = Clock(look_s, looks)
    monkeypatch.setattr(waiting, "time", clock)
    wait_until(clock.look, 1000.0, pause_s=pause_s)
    return clock


def test_a_look_that_costs_nothing_is_repeated_soon_and_later_less_often(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pauses = waited(monkeypatch, 0.0, 200).pauses
    assert pauses[0] == POLL_S
    assert pauses == sorted(pauses)
    assert pauses[-1] == LONGEST_POLL_S


def test_looks_take_a_quarter_of_the_time_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    assert waited(monkeypatch, 0.015, 3).pauses == pytest.approx([0.045, 0.045])


def test_a_given_pause_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    assert set(waited(monkeypatch, 0.5, 100, pause_s=0.3).pauses) == {0.3}


def test_a_condition_that_does_not_come_true_is_complained_of(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = Clock(1.0, 0)
    monkeypatch.setattr(waiting, "time", clock)
    with pytest.raises(TimeoutError, match="too late after"):
        wait_until(clock.look, 5.0, "too late")
