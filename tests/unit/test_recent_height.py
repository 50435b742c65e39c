"""The height for signing is asked for once a block at most, and is never older."""

import pytest

from orderengine.domain.errors import NetworkUnavailable
from orderengine.settlement.recent_height import RecentHeight
from tests.fakes import FakeClock


class Chain:
    """A network with a height that a test sets; `asked` counts the requests for it."""

    def __init__(self, clock: FakeClock) -> None:
        self.number: int | None = 7
        self.asked = 0
        self.answers_after_s = 0.0
        self._clock = clock

    def height(self) -> int:
        self.asked += 1
        self._clock.advance(self.answers_after_s)
        if self.number is None:
            raise NetworkUnavailable("no answer")
        return self.number


@pytest.fixture
def chain(clock: FakeClock) -> Chain:
    return Chain(clock)


@pytest.fixture
def recent(chain: Chain, clock: FakeClock) -> RecentHeight:
    return RecentHeight(chain.height, 0.4, lambda: clock.seconds)


def test_it_is_kept_for_less_than_a_block(
    chain: Chain, recent: RecentHeight, clock: FakeClock
) -> None:
    assert recent.height() == 7
    chain.number = 8
    clock.advance(0.39)
    assert (recent.height(), chain.asked) == (7, 1)
    clock.advance(0.01)
    assert (recent.height(), chain.asked) == (8, 2)


def test_a_slow_answer_is_kept_for_a_shorter_time(
    chain: Chain, recent: RecentHeight, clock: FakeClock
) -> None:
    chain.answers_after_s = 0.3
    recent.height()
    clock.advance(0.11)
    chain.number = 8
    assert recent.height() == 8


def test_a_network_without_an_answer_is_asked_again(chain: Chain, recent: RecentHeight) -> None:
    chain.number = None
    for asked in (1, 2):
        with pytest.raises(NetworkUnavailable):
            recent.height()
        assert chain.asked == asked
    chain.number = 9
    assert recent.height() == 9


def test_it_can_be_forgotten(chain: Chain, recent: RecentHeight) -> None:
    recent.height()
    chain.number = 8
    recent.forget()
    assert recent.height() == 8
