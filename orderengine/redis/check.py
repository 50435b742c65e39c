"""Checks that the engine can use the Redis of `REDIS_URL`; otherwise one line says why not.

A process checks at its start, and a command on request; never while an order waits.
"""

import socket
import ssl
from dataclasses import dataclass
from urllib.parse import urlsplit

from orderengine.config.addresses import place_of
from orderengine.redis.advice import state_and_advice
from orderengine.redis.client import REDIS_ERRORS, create_client
from orderengine.redis.errors import RedisCause, cause_of, causes_of
from orderengine.redis.peer import Peer, peer_at
from orderengine.redis.probe import ALL, probe
from orderengine.redis.queues import INTAKE, SETTLE

TIMEOUT_S = 2.0
DEFAULT_PORT = 6379

_CORRECT_ADDRESS = "correct host and port in REDIS_URL"
_FOREIGN = {
    Peer.HTTP: ("is not a Redis: a web server listens there", _CORRECT_ADDRESS),
    Peer.POSTGRESQL: ("is not a Redis: PostgreSQL listens there", _CORRECT_ADDRESS),
}
_NO_TLS = ("speaks no TLS", "write redis:// instead of rediss:// in REDIS_URL")
_ONLY_TLS = ("speaks TLS only", "write rediss:// instead of redis:// in REDIS_URL")
_DISTRUSTED = (
    "shows an untrusted certificate",
    "name its authority in REDIS_URL with ?ssl_ca_certs=FILE, or set REDIS_SSL_CERT_REQS=none",
)
_NO_PASSWORD = (
    "asks for a password, and REDIS_URL has none",
    "put user:password@ in front of the host in REDIS_URL",
)
_NO_HOST = ("has an unknown host name", "correct the host in REDIS_URL")


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a Redis is unusable; `place`, `words` and `advice` contain no password."""

    cause: RedisCause
    place: str
    state: str
    words: str
    advice: str

    @property
    def detail(self) -> str:
        """The finding without the advice."""
        return f"{self.place} {self.state} ({self.words})"

    def __str__(self) -> str:
        return f"Redis at {self.detail}: {self.advice}"


def look(url: str, timeout_s: float = TIMEOUT_S) -> Trouble | None:
    """Why the engine cannot use this Redis; None if it can."""
    client = create_client(url, timeout_s)
    try:
        probe(client, (SETTLE, INTAKE), ALL)
    except REDIS_ERRORS as error:
        return explained(error, url)
    finally:
        client.close()
    return None


def explained(error: BaseException, url: str) -> Trouble:
    """Explain an error to whoever wrote `REDIS_URL`; probes the address if needed."""
    cause = cause_of(error)
    state, advice = state_and_advice(cause)
    if cause is RedisCause.NO_ACCESS and not urlsplit(url).password:
        state, advice = _NO_PASSWORD
    elif any(isinstance(each, socket.gaierror) for each in causes_of(error)):
        state, advice = _NO_HOST
    elif any(isinstance(each, ssl.SSLCertVerificationError) for each in causes_of(error)):
        state, advice = _DISTRUSTED
    elif cause in {RedisCause.NO_ANSWER, RedisCause.TLS, RedisCause.WRONG_SERVER}:
        cause, (state, advice) = _by_peer(url, cause, error) or (cause, (state, advice))
    return Trouble(cause, place_of(url), state, _words(error), advice)


def _by_peer(
    url: str, cause: RedisCause, error: BaseException
) -> tuple[RedisCause, tuple[str, str]] | None:
    """A better explanation from what listens at the address; None if there is none."""
    if any(isinstance(each, ConnectionRefusedError) for each in causes_of(error)):
        return None
    parts = urlsplit(url)
    peer = peer_at(parts.hostname or "localhost", parts.port or DEFAULT_PORT)
    is_secured = parts.scheme == "rediss"
    if peer in _FOREIGN:
        return RedisCause.WRONG_SERVER, _FOREIGN[peer]
    if peer is Peer.REDIS and is_secured:
        return RedisCause.TLS, _NO_TLS
    if peer is Peer.TLS and not is_secured and cause is RedisCause.NO_ANSWER:
        return RedisCause.TLS, _ONLY_TLS
    return None


def _words(error: BaseException) -> str:
    """The text of the system or of the server, in one line."""
    for each in causes_of(error):
        if isinstance(each, ssl.SSLCertVerificationError):
            return each.verify_message
        if isinstance(each, OSError) and each.strerror:
            return each.strerror
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__
