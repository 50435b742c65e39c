"""The mark of a store: followed orders are read again only if something was committed."""

import pytest

from orderengine.domain.errors import StorageUnavailable
from orderengine.stream.mark import Mark
from tests.fakes import FakeOrders
from tests.steps import CONFIRMED, Walk


def read(mark: Mark, heard: int) -> bool:
    """Look, and read everything if that is needed."""
    has_moved = mark.has_moved(heard)
    if has_moved:
        mark.done()
    return has_moved


def test_while_nothing_is_committed_nothing_is_read() -> None:
    orders = FakeOrders()
    walk = Walk(orders)
    mark = Mark(orders)
    assert [read(mark, 0) for _ in range(3)] == [True, False, False]
    walk.step(CONFIRMED[0])
    assert [read(mark, 0) for _ in range(3)] == [True, False, False]


def test_after_a_live_event_the_store_is_read_and_not_asked() -> None:
    orders = FakeOrders()
    mark = Mark(orders)
    assert read(mark, 0)
    orders.down = True
    assert read(mark, 1)
    orders.down = False
    assert [read(mark, 1) for _ in range(3)] == [True, False, False]


def test_a_read_that_failed_is_made_again() -> None:
    orders = FakeOrders()
    Walk(orders)
    mark = Mark(orders)
    assert mark.has_moved(0)
    assert mark.has_moved(0)
    orders.down = True
    with pytest.raises(StorageUnavailable):
        mark.has_moved(0)
    orders.down = False
    assert read(mark, 0)
    assert not read(mark, 0)
