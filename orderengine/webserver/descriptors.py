"""Fits the connections of a process into its limit of open files."""

import resource
from typing import NamedTuple

OTHERS = 256
"""Descriptors for everything else: held answers, PostgreSQL, Redis, files."""


class Fit(NamedTuple):
    """How many sockets and other connections of clients a process may have at once."""

    sockets: int
    connections: int


def fit_within_limit(sockets: int, connections: int, threads: int) -> Fit:
    """Raise the soft limit of open files to the hard one; returns what fits of both.

    Sockets come first, since a silent connection can be closed for a new one. But a quarter of the
    limit is left for connections, and at least `threads` + 1, as gunicorn requires.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if hard == resource.RLIM_INFINITY:
        return Fit(sockets, connections)
    least = threads + 1
    kept = max(least, min(connections, hard // 4))
    fitting = max(1, min(sockets, hard - OTHERS - kept))
    return Fit(fitting, max(kept, min(connections, hard - OTHERS - fitting)))
