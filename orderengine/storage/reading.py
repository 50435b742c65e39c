"""Reading single orders also while no server takes writes."""

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
        self, statement: Statement, values: Mapping[str, Any], *, needed: bool = True
    ) -> list[Row]:
        """The rows; raises StorageUnavailable."""
        try:
            return _ask(self._engine, statement, values)
        except StorageUnavailable as error:
            if self._elsewhere is None or error.cause is not StorageCause.READ_ONLY:
                raise
            found = _ask(self._elsewhere, statement, values)
            if needed and not found:
                raise
            return found


def _ask(engine: Engine, statement: Statement, values: Mapping[str, Any]) -> list[Row]:
    with outages_as(StorageUnavailable, "PostgreSQL gave no answer"):
        return run(engine, statement, values)
