"""Runs statements for the stores, and reads from a standby while no server takes writes."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Engine

from orderengine.domain.errors import StorageCause, StorageUnavailable
from orderengine.postgres.database import Row, Statement, outages_as, run


class Reader:
    """Reads over the writing connections; while PostgreSQL is read-only, over `read_engine`.

    `read_engine` may lead to a standby that lags. Missing rows prove nothing there: if they are
    `needed`, StorageUnavailable is raised.
    """

    def __init__(self, engine: Engine, read_engine: Engine | None) -> None:
        self._engine = engine
        self._read_engine = read_engine

    def rows(
        self,
        statement: Statement,
        values: Mapping[str, Any],
        *,
        needed: bool = True,
        instead: Statement | None = None,
    ) -> list[Row]:
        """The rows; raises StorageUnavailable.

        Over `read_engine`, `instead` replaces a statement that writes.
        """
        try:
            return ask(self._engine, statement, values)
        except StorageUnavailable as error:
            if self._read_engine is None or error.cause is not StorageCause.READ_ONLY:
                raise
            found = ask(self._read_engine, instead or statement, values)
            if needed and not found:
                raise
            return found


def ask(engine: Engine, statement: Statement, values: Mapping[str, Any]) -> list[Row]:
    """Run a statement; raises StorageUnavailable for an outage."""
    with outages_as(StorageUnavailable, "PostgreSQL gave no answer"):
        return run(engine, statement, values)
