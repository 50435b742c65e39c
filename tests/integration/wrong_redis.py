"""Faults of `REDIS_URL`, and the servers that show them."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis

from orderengine.local.ports import LOOPBACK, free_port
from orderengine.redis.errors import RedisCause
from tests.servers import Servers

ROOT = Path(__file__).parents[2]
CERTIFICATE = ROOT / "tests" / "data" / "self_signed.pem"
PASSWORD = "secret-of-the-tests"
USERS = {
    "no-commands": "~* &* +@all -lpush",
    "no-keys": "~other:* &* +@all",
    "no-channels": "~* resetchannels +@all",
    "no-subscribing": "~* &* +@all -subscribe",
    "no-taking": "~* &* +@all -brpop",
    "no-info": "~* &* +@all -info",
    "as-documented": (
        "~settle ~intake ~orderengine:* ~_kombu.* ~unacked* ~*.pidbox ~*celery* &*"
        " +@all -@admin -@dangerous +info"
    ),
    "turned-off": "off ~* &* +@all",
}
TIMEOUT_S = 0.5


class Places:
    """Ports: the tests' Redis at `redis`, and servers that are not Redis."""

    def __init__(self, servers: Servers, stack: ExitStack) -> None:
        self.redis = urlsplit(servers.redis_url).port or 0
        self.postgres = urlsplit(servers.database_url).port or 0
        self.nobody = free_port()
        web = stack.enter_context(ThreadingHTTPServer((LOOPBACK, 0), BaseHTTPRequestHandler))
        threading.Thread(target=web.serve_forever, daemon=True).start()
        stack.callback(web.shutdown)
        self.web = web.server_port
        silent = stack.enter_context(socket.create_server((LOOPBACK, 0)))
        self.silent = silent.getsockname()[1]
        self.secured: int = stack.enter_context(tls_server())


@contextmanager
def tls_server() -> Iterator[int]:
    """A port that completes a TLS handshake, and does nothing else."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return  # closed by the end of the test
            try:
                context.wrap_socket(connection, server_side=True).close()
            except OSError:
                connection.close()

    with socket.create_server((LOOPBACK, 0)) as listener:
        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


@pytest.fixture(scope="module")
def places(servers: Servers) -> Iterator[Places]:
    admin = redis.Redis.from_url(servers.redis_url)
    with ExitStack() as stack, admin:
        for name, rules in USERS.items():
            state = [] if rules.startswith("off") else ["on"]
            admin.execute_command("ACL", "SETUSER", name, *state, f">{PASSWORD}", *rules.split())  # type: ignore[no-untyped-call]
        yield Places(servers, stack)
        admin.execute_command("ACL", "DELUSER", *USERS)  # type: ignore[no-untyped-call]


def user(name: str) -> Callable[[Places], str]:
    return lambda at: f"redis://{name}:{PASSWORD}@{LOOPBACK}:{at.redis}/0"


Fault = tuple[Callable[[Places], str], RedisCause, str, str]
FAULTS: dict[str, Fault] = {
    "no password": (
        lambda at: f"redis://{LOOPBACK}:{at.redis}/0",
        RedisCause.NO_ACCESS,
        "asks for a password, and REDIS_URL has none",
        "put user:password@ in front of the host",
    ),
    "wrong password": (
        lambda at: f"redis://:{PASSWORD}@{LOOPBACK}:{at.redis}/0",
        RedisCause.NO_ACCESS,
        "refuses the user or password of REDIS_URL",
        "correct them",
    ),
    "a user that is off": (
        user("turned-off"),
        RedisCause.NO_ACCESS,
        "refuses the user or password of REDIS_URL",
        "correct them",
    ),
    "no right to a command": (user("no-commands"), RedisCause.NO_RIGHTS, "lpush", "grant"),
    "no right to a key": (user("no-keys"), RedisCause.NO_RIGHTS, "access a key", "grant"),
    "no right to a channel": (
        user("no-channels"),
        RedisCause.NO_RIGHTS,
        "may not PUBLISH on orderengine:events",
        "grant",
    ),
    "no right to subscribe": (
        user("no-subscribing"),
        RedisCause.NO_RIGHTS,
        "may not SUBSCRIBE on orderengine:events",
        "grant",
    ),
    "no right to take": (
        user("no-taking"),
        RedisCause.NO_RIGHTS,
        "may not BRPOP on settle",
        "grant",
    ),
    "TLS asked of a server without": (
        lambda at: f"rediss://:{PASSWORD}@{LOOPBACK}:{at.redis}/0",
        RedisCause.TLS,
        "speaks no TLS",
        "write redis:// instead of rediss:// in REDIS_URL",
    ),
    "no TLS asked of a server with": (
        lambda at: f"redis://:{PASSWORD}@{LOOPBACK}:{at.secured}/0",
        RedisCause.TLS,
        "speaks TLS only",
        "write rediss:// instead of redis:// in REDIS_URL",
    ),
    "a certificate that nobody signed": (
        lambda at: f"rediss://:{PASSWORD}@{LOOPBACK}:{at.secured}/0",
        RedisCause.TLS,
        "shows an untrusted certificate (self-signed certificate)",
        "REDIS_SSL_CERT_REQS=none",
    ),
    "a web server": (
        lambda at: f"redis://:{PASSWORD}@{LOOPBACK}:{at.web}/0",
        RedisCause.WRONG_SERVER,
        "is not a Redis: a web server listens there",
        "correct host and port in REDIS_URL",
    ),
    "a web server, with TLS": (
        lambda at: f"rediss://:{PASSWORD}@{LOOPBACK}:{at.web}/0",
        RedisCause.WRONG_SERVER,
        "is not a Redis: a web server listens there",
        "correct host and port in REDIS_URL",
    ),
    "PostgreSQL": (
        lambda at: f"redis://:{PASSWORD}@{LOOPBACK}:{at.postgres}/0",
        RedisCause.WRONG_SERVER,
        "is not a Redis: PostgreSQL listens there",
        "correct host and port in REDIS_URL",
    ),
    "silence": (
        lambda at: f"redis://:{PASSWORD}@{LOOPBACK}:{at.silent}/0",
        RedisCause.NO_ANSWER,
        "gives no answer (Timeout",
        "is REDIS_URL right, and the server up?",
    ),
    "nobody": (
        lambda at: f"redis://:{PASSWORD}@{LOOPBACK}:{at.nobody}/0",
        RedisCause.NO_ANSWER,
        "gives no answer (Connection refused)",
        "is REDIS_URL right, and the server up?",
    ),
    "an unknown host": (
        lambda _: f"redis://:{PASSWORD}@no-such-host.invalid:6379/0",
        RedisCause.NO_ANSWER,
        "has an unknown host name",
        "correct the host in REDIS_URL",
    ),
}
