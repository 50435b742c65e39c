"""Loads a library without another one that it would load as well."""

import contextlib
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def without(library: str) -> Iterator[None]:
    """Hide an installed library from the imports of the block, unless it is loaded already.

    To Python a module that is None in `sys.modules` is not installed
    (https://docs.python.org/3/reference/import.html#the-module-cache).
    """
    if library in sys.modules:
        yield
        return
    sys.modules[library] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[library]


def load_structlog() -> None:
    """Load structlog without Rich, which it would use for tracebacks that no server shows.

    Rich takes 4 MB of each process.
    """
    with without("rich"):
        import structlog  # noqa: F401
