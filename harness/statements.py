"""Statements of tests and benchmarks, which may take longer than the engine's own."""

from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

from orderengine.postgres import sessions

LONGEST_S = 600.0


@contextmanager
def unbounded() -> Iterator[None]:
    """Lift the time limit of all statements of this process, whichever connection runs them."""
    with mock.patch.object(sessions, "STATEMENT_TIMEOUT_S", LONGEST_S):
        yield
