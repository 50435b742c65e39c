"""The options in the query of a PostgreSQL URL: other clients know some that libpq does not."""

from urllib.parse import parse_qsl, urlencode


def unknown_option(query: str) -> str | None:
    """The first option that libpq refuses, which does so only when it connects; None if none.

    Without the driver, before anything is installed, all of them are taken.
    """
    if not query:
        return None
    try:
        import psycopg2.extensions
    except ImportError:
        return None
    for name, value in parse_qsl(query, keep_blank_values=True):
        try:
            psycopg2.extensions.parse_dsn(f"postgresql:///?{urlencode({name: value})}")
        except psycopg2.ProgrammingError:
            return name
    return None
