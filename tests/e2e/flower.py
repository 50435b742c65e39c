"""The port of a Flower that a module starts beside its stack."""

import functools

from orderengine.local.ports import free_port


@functools.cache
def flower_port() -> int:
    """Found at the first use, because another process may take it until Flower listens."""
    return free_port()
