"""Whether PostgreSQL answers and its schema is the one that this code knows."""

from sqlalchemy import Engine, text
from sqlalchemy.exc import ProgrammingError

from orderengine.database import DATABASE_ERRORS

SCHEMA_REVISION = "0009"


def database_fault(engine: Engine) -> str | None:
    """None when the database is up and migrated, else what is wrong; never raises."""
    try:
        with engine.connect() as connection:
            found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    except ProgrammingError:
        return "the migrations were never run"
    except DATABASE_ERRORS:
        return "PostgreSQL gives no answer"
    if found is None or found < SCHEMA_REVISION:
        return f"migrations are behind: {found or 'none'} instead of {SCHEMA_REVISION}"
    return None
