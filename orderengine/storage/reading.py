"""Running statements for the stores, and reading single rows while no server takes writes."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Engine

from orderengine.database import Row, Statement, outages_as, run
from orderengine.domain.errors import StorageCause, StorageUnavailable


class Reader:
    """Reads over the connections that write; while PostgreSQL is read-only, over `elsewhere`.

    Those may lead to a standby that is behind. Where rows are `needed`, their absence proves
    nothing there, and raises StorageUnavailable as no answer does.
    """

    def __init__(self, engine: Engine, elsewhere: Engine | None) -> None:
        self._engine = engine
        self._elsewhere = elsewhere

    def rows(
        self,
        statement: Statement,
        values: Mapping[str, Any],
        *,
        needed: bool = True,
        instead: Statement | None = None,
    ) -> list[Row]:
        """The rows; raises StorageUnavailable.

        `instead` is run over `elsewhere` in the place of a statement that writes.
        """
        try:
            return ask(self._engine, statement, values)
        except StorageUnavailable as error:
            if self._elsewhere is None or error.cause is not StorageCause.READ_ONLY:
                raise
            found = ask(self._elsewhere, instead or statement, values)
            if needed and not found:
                raise
            return found


def ask(engine: Engine, statement: Statement, values: Mapping[str, Any]) -> list[Row]:
    """Run a statement; raises StorageUnavailable where `database.run` finds an outage."""
    with outages_as(StorageUnavailable, "PostgreSQL gave no answer"):
        return run(engine, statement, values)
