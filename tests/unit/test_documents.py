"""What the documents say of the code, where it is a number."""

import re

import pytest

from orderengine.bootstrap import WEB_POOL_OVERFLOW, WEB_POOL_SIZE
from orderengine.config import PACKAGE_DIR


@pytest.mark.parametrize("page", ["README.md", "docs/operations.md"])
def test_the_connections_of_a_web_process_are_those_of_its_pool(page: str) -> None:
    most = WEB_POOL_SIZE + WEB_POOL_OVERFLOW
    text = (PACKAGE_DIR.parent / page).read_text("utf-8")
    told = re.findall(r"PostgreSQL up to (\d+) per web process", text)
    assert told == [str(most)]
