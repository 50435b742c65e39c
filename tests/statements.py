"""The statements that a test sends to the database."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from sqlalchemy import Engine, event

from orderengine import database as under_test


def explaining(statement: under_test.Statement) -> str:
    """The statement as it stands, with the settings that it is sent with, to be explained."""
    local = statement.local
    return f"{local}EXPLAIN {statement.plain.removeprefix(local)}"


@contextmanager
def sent_statements(database: Engine) -> Iterator[list[str]]:
    """A list that fills with them; what prepares one, once a connection, is not among them."""
    seen: list[str] = []
    run_one = under_test._run

    def record(*args: Any) -> None:
        seen.append(args[2])

    def run_recorded(
        connection: Any, statement: under_test.Statement, values: Any
    ) -> list[under_test.Row]:
        seen.append(statement.execute)
        return run_one(connection, statement, values)

    event.listen(database, "before_cursor_execute", record)
    try:
        with mock.patch.object(under_test, "_run", run_recorded):
            yield seen
    finally:
        event.remove(database, "before_cursor_execute", record)
