"""TCP ports of this machine."""

import random
import socket

from orderengine.local.errors import ServerError

LOOPBACK = "127.0.0.1"

# Below the ports that Linux and macOS give to outgoing connections: a client that keeps trying to
# reach a server which is down may be given that very port as its own, and would then hold it.
_CANDIDATES = range(15_000, 32_000)


def obstacle(port: int, host: str = LOOPBACK) -> OSError | None:
    """The error that keeps a server from listening there now; closing connections do not."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        return error
    return None


def is_free(port: int, host: str = LOOPBACK) -> bool:
    """Whether a server could listen there now."""
    return obstacle(port, host) is None


def free_port() -> int:
    """A port on which nobody listens; ServerError if there seems to be none."""
    choice = random.SystemRandom()
    for _ in range(200):
        port = choice.choice(_CANDIDATES)
        if is_free(port):
            return port
    raise ServerError("no free TCP port was found on 127.0.0.1")
