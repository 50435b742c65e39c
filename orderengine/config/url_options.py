"""Options in the URLs of the servers, and the variables that libpq reads."""

import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import parse_qsl, urlencode

_HARMLESS = r"(?!DATA$|APPNAME$|TZ$|DATESTYLE$|CLIENTENCODING$|GEQO$)"
_LIBPQ = re.compile(rf"PG{_HARMLESS}[A-Z]+")


def variables_of_libpq(environ: Mapping[str, str]) -> str:
    """The end of an error text that names the variables libpq reads besides DATABASE_URL, or "".

    They are obeyed, since a deployment may need them, but may belong to another program.
    """
    names = sorted(name for name in environ if environ[name] and _LIBPQ.fullmatch(name))
    return f"; libpq also obeys {', '.join(names)}" if names else ""


def unknown_option(query: str) -> str | None:
    """The first option that libpq would refuse, which it does only when connecting; else None.

    Without the driver, before anything is installed, every option passes.
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


_CERT_REQS = frozenset({"none", "optional", "required"})
_TLS_FILES = frozenset({"ssl_ca_certs", "ssl_certfile", "ssl_keyfile"})
_TLS_OPTIONS = _TLS_FILES | {
    *("ssl_cert_reqs", "ssl_check_hostname", "ssl_ca_path", "ssl_ca_data"),
    *("ssl_password", "ssl_ciphers"),
}
"""The options that both redis-py and kombu read from a URL; kombu accepts no others."""


def wrong_redis_option(scheme: str, query: Mapping[str, str]) -> str | None:
    """Why the options of a Redis URL are unusable, as text to follow its name; None if usable.

    Both clients notice only when they connect, each in its own way, and keep trying.
    """
    for name, value in query.items():
        if name not in _TLS_OPTIONS:
            return f"has ?{name}=, which is not supported: remove it"
        if scheme != "rediss":
            return f"has ?{name}=, which is for TLS: remove it, or write rediss://"
        if name in _TLS_FILES and not Path(value).is_file():
            return f"has ?{name}={value}, which is not an existing file"
    if query.get("ssl_cert_reqs", "none") not in _CERT_REQS:
        return "has ?ssl_cert_reqs=, which must be none, optional or required"
    return None
