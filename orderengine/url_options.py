"""What libpq takes beside the address in a PostgreSQL URL: the URL's options, and variables."""

import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, urlencode

_HARMLESS = r"(?!DATA$|APPNAME$|TZ$|DATESTYLE$|CLIENTENCODING$|GEQO$)"
_LIBPQ = re.compile(rf"PG{_HARMLESS}[A-Z]+")


def variables_of_libpq(environ: Mapping[str, str]) -> str:
    """Names the variables that libpq reads beside DATABASE_URL, to end an error with; or nothing.

    They are obeyed, since a deployment may need them, but may also be of another program.
    """
    names = sorted(name for name in environ if environ[name] and _LIBPQ.fullmatch(name))
    return f"; libpq obeys {', '.join(names)} too" if names else ""


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
