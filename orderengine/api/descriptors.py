"""How many connections a process may have open."""

import resource

OTHERS = 256
"""Descriptors for all but connections of clients: PostgreSQL, Redis, files, the process's own."""


def connections_within_limit(wanted: int, threads: int) -> int:
    """Raise the process's limit of open files as far as is needed and allowed.

    Returns how many connections of clients fit: at most `wanted`, and at least one more than
    `threads`, which gunicorn asks for.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted + OTHERS
    if soft != resource.RLIM_INFINITY and soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == resource.RLIM_INFINITY:
        return wanted
    return max(threads + 1, min(wanted, soft - OTHERS))
