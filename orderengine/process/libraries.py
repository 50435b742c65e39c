"""Loads a library without another one that it would load as well."""

import sys


def load_structlog() -> None:
    """Load structlog without Rich, which it would use for tracebacks that no server shows.

    Rich takes 4 MB of each process. To Python a module that is None in `sys.modules` is not
    installed (https://docs.python.org/3/reference/import.html#the-module-cache). Does nothing if
    one of them is loaded already.
    """
    if "rich" in sys.modules or "structlog" in sys.modules:
        return
    sys.modules["rich"] = None  # type: ignore[assignment]
    try:
        import structlog  # noqa: F401
    finally:
        del sys.modules["rich"]
