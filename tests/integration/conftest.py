"""Fixtures of several integration tests."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that, unlike tmp_path, PostgreSQL's user can reach if the tests run as root."""
    path = Path(tempfile.mkdtemp(prefix="orderengine-test-"))
    path.chmod(0o711)
    yield path
    shutil.rmtree(path)
