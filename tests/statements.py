"""The statements that a test sends to the database."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine, event


@contextmanager
def sent_statements(database: Engine) -> Iterator[list[str]]:
    """A list that fills with them; what prepares one, once a connection, is not among them."""
    seen: list[str] = []

    def record(*args: Any) -> None:
        if not args[2].startswith("PREPARE"):
            seen.append(args[2])

    event.listen(database, "before_cursor_execute", record)
    try:
        yield seen
    finally:
        event.remove(database, "before_cursor_execute", record)
