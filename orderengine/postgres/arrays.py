"""Statements for many rows: an array for each column, and settings that make the plan."""

from collections.abc import Mapping, Sequence
from typing import Any

BY_KEY: Mapping[str, str | int] = {
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    "enable_mergejoin": "off",
    "plan_cache_mode": "force_generic_plan",
}
"""Settings that make a statement for many rows find each one by an index, in its order.

A bitmap scan would follow the table instead, and a merge join might sort by another column. A hash
join keeps the order, and each setting costs time, so hash joins stay. The order is that of the ids
as long as no other index serves the statement (docs/decisions/0096-order-of-locks.md). A plan made
while a table was empty serves until the table is analyzed. Without the last setting PostgreSQL
would plan anew for each list that is shorter than the ten values it assumes.
"""


def unnest(columns: Mapping[str, str], name: str) -> str:
    """Rows called `name` whose columns have these types, each from the parameter of its name."""
    arrays = ", ".join(map(array_parameter, columns, columns.values()))
    return f"unnest({arrays})\n         AS {name} ({', '.join(columns)})"


def array_parameter(name: str, of_type: str) -> str:
    """The parameter `:name` as an array of a type, given as `array` returns it."""
    # The driver sends an array of documents as one of texts.
    sent = f"CAST(:{name} AS text[])" if of_type == "jsonb" else f":{name}"
    return f"CAST({sent} AS {of_type}[])"


def array(values: Sequence[Any]) -> list[Any] | str:
    """The values as PostgreSQL reads an array with the least work.

    The driver must quote texts and bytes one by one; the text of anything else needs no quotes.
    """
    if any(isinstance(value, str | bytes) for value in values):
        return list(values)
    return f"{{{','.join('NULL' if value is None else str(value) for value in values)}}}"


def columns_of(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any] | str]:
    """The parameters for rows with the same columns; at least one row."""
    return {name: array([row[name] for row in rows]) for name in rows[0]}
