"""Fits the connections of a process into its limit of open files."""

import resource

OTHERS = 256
"""Descriptors for everything but client connections: PostgreSQL, Redis, files, the process's own.
"""


def connections_within_limit(wanted: int, threads: int, sockets: int) -> int:
    """Raise the process's limit of open files as far as is needed and allowed.

    Up to `sockets` of the connections are WebSockets; each needs a second descriptor to wait on.
    Returns how many connections fit: at most `wanted`, and at least `threads` + 1, as gunicorn
    requires.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    others = OTHERS + sockets
    needed = wanted + others
    if soft != resource.RLIM_INFINITY and soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == resource.RLIM_INFINITY:
        return wanted
    return max(threads + 1, min(wanted, soft - others))
