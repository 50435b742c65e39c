"""Fixtures of several integration tests."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def folder() -> Iterator[Path]:
    """Unlike tmp_path, it can be reached by the user that PostgreSQL runs as under root."""
    path = Path(tempfile.mkdtemp(prefix="orderengine-test-"))
    path.chmod(0o711)
    yield path
    shutil.rmtree(path)
