"""Fixtures of several integration tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.folders import reachable_folder


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that, unlike tmp_path, PostgreSQL's user can reach if the tests run as root."""
    with reachable_folder() as path:
        yield path
