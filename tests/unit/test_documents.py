"""What the documents say of the code, where it is a number."""

import re

import pytest

from orderengine.bootstrap import WEB_POOL_SIZE
from orderengine.config import PACKAGE_DIR
from orderengine.database import create_database_engine


@pytest.mark.parametrize("page", ["README.md", "docs/operations.md"])
def test_the_connections_of_a_web_process_are_those_of_its_pool(page: str) -> None:
    engine = create_database_engine(
        "postgresql+psycopg2://nobody@nowhere/none", pool_size=WEB_POOL_SIZE, application="test"
    )
    most = WEB_POOL_SIZE + vars(engine.pool)["_max_overflow"]
    text = (PACKAGE_DIR.parent / page).read_text("utf-8")
    told = re.findall(r"PostgreSQL up to (\d+) per web process", text)
    assert told == [str(most)]
