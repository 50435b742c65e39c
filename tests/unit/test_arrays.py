"""Parameters for many rows: one array for each column."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from orderengine.postgres.arrays import array, array_parameter, columns_of, unnest

ORDER = UUID(int=7)


@pytest.mark.parametrize(
    ("values", "sent"),
    [
        ([1, 2], "{1,2}"),
        ([Decimal("0.10"), None], "{0.10,NULL}"),
        ([ORDER], "{00000000-0000-0000-0000-000000000007}"),
        ([datetime(2026, 11, 22, tzinfo=UTC)], "{2026-11-22 00:00:00+00:00}"),
        ([True, None], "{True,NULL}"),
        ([None, None], "{NULL,NULL}"),
        (["a", None], ["a", None]),
        ([None, '"{,}\\'], [None, '"{,}\\']),
        ([b"\x00"], [b"\x00"]),
    ],
)
def test_only_texts_and_bytes_are_left_to_the_driver(values: list[Any], sent: object) -> None:
    assert array(values) == sent


def test_documents_are_sent_as_texts() -> None:
    assert array_parameter("data", "jsonb") == "CAST(CAST(:data AS text[]) AS jsonb[])"
    assert array_parameter("id", "uuid") == "CAST(:id AS uuid[])"


def test_rows_become_columns() -> None:
    rows = [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}]
    assert columns_of(rows) == {"id": "{1,2}", "name": ["a", "b"]}
    told = unnest({"id": "integer", "name": "text"}, "m").split()
    assert " ".join(told) == "unnest(CAST(:id AS integer[]), CAST(:name AS text[])) AS m (id, name)"
