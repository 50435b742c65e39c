"""Ends the threads that a test of the API has started."""

from collections.abc import Iterator

import pytest

from tests.web import OPEN_HUBS


@pytest.fixture(autouse=True)
def closed_hubs() -> Iterator[None]:
    """A thread that goes on would log into the tests that follow."""
    yield
    while OPEN_HUBS:
        OPEN_HUBS.pop().close()
