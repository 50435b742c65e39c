"""The proxy of the fault suite: passes, cuts and stalls traffic, and swallows answers."""

import random
import socket
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit, urlunsplit

import psycopg2
import pytest

from chaos.proxy import Link, Proxy
from harness.waiting import wait_until
from orderengine.local.ports import LOOPBACK
from tests.servers import Servers

PATIENCE_S = 0.2


@pytest.fixture
def echo() -> Iterator[int]:
    """The port of an echo server."""
    with socket.create_server((LOOPBACK, 0)) as listener:
        threading.Thread(target=_serve, args=(listener,), daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def _serve(listener: socket.socket) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=_repeat, args=(connection,), daemon=True).start()


def _repeat(connection: socket.socket) -> None:
    with connection:
        try:
            while data := connection.recv(4096):
                connection.sendall(data)
        except OSError:
            return


@pytest.fixture
def proxy(echo: int) -> Iterator[Proxy]:
    with Proxy(lambda: echo, random.Random(1)) as running:
        yield running


def connect(proxy: Proxy) -> socket.socket:
    return socket.create_connection((LOOPBACK, proxy.port), timeout=5)


def say(client: socket.socket, data: bytes) -> bytes:
    client.sendall(data)
    return client.recv(4096)


def test_bytes_pass_both_ways(proxy: Proxy) -> None:
    with connect(proxy) as client:
        assert say(client, b"hello") == b"hello"
        assert proxy.links == 1


def test_a_client_that_leaves_leaves_nothing_behind(proxy: Proxy) -> None:
    with connect(proxy) as client:
        say(client, b"hello")
    wait_until(lambda: proxy.links == 0)


def test_a_cut_ends_all_connections_and_new_ones_are_welcome(proxy: Proxy) -> None:
    with connect(proxy) as client:
        say(client, b"hello")
        proxy.cut()
        with pytest.raises(ConnectionResetError):
            client.recv(1)
        wait_until(lambda: proxy.links == 0)
    with connect(proxy) as client:
        assert say(client, b"again") == b"again"


def test_what_is_stalled_comes_later(proxy: Proxy) -> None:
    with connect(proxy) as client:
        say(client, b"hello")
        proxy.stall()
        client.settimeout(PATIENCE_S)
        client.sendall(b"anybody there?")
        with pytest.raises(TimeoutError):
            client.recv(1)
        proxy.flow()
        client.settimeout(5)
        assert client.recv(4096) == b"anybody there?"


def test_a_server_that_is_away_resets_its_client() -> None:
    with socket.socket() as taken:
        # Bound but not listening, so that nobody else gets the port, the proxy included.
        taken.bind((LOOPBACK, 0))
        port = taken.getsockname()[1]
        with (
            Proxy(lambda: port, random.Random(1)) as proxy,
            pytest.raises(ConnectionResetError),  # on connect, or on read
            connect(proxy) as client,
        ):
            client.recv(1)


def test_words_are_found_across_two_reads() -> None:
    one, other = socket.socketpair()
    with one, other:
        link = Link(one, other)
        assert not link.asks_for(b"INSERT INTO ord", [b"INSERT INTO orders"])
        assert link.asks_for(b"ers VALUES", [b"INSERT INTO orders"])
        assert not link.asks_for(b"ers VALUES", [b"INSERT INTO orders"])


def test_a_swallowed_answer_is_of_something_that_was_committed(servers: Servers) -> None:
    parts = urlsplit(servers.database_url)
    port = parts.port or 5432
    with Proxy(lambda: port, random.Random(1)) as proxy:
        netloc = f"{parts.netloc.rpartition('@')[0]}@{LOOPBACK}:{proxy.port}"
        through = psycopg2.connect(urlunsplit(parts._replace(netloc=netloc)))
        through.autocommit = True
        direct = psycopg2.connect(servers.database_url)
        direct.autocommit = True
        with through.cursor() as asking, direct.cursor() as looking:
            asking.execute("CREATE TABLE swallowed (value integer)")
            try:
                proxy.swallow([b"no such thing", b"INSERT INTO swallowed"], rate=1.0, count=1)
                asking.execute("SELECT 1")
                with pytest.raises(psycopg2.OperationalError):
                    # More than PostgreSQL buffers until the end, so the answer comes in parts.
                    asking.execute(
                        "INSERT INTO swallowed SELECT generate_series(1, 20000) RETURNING value"
                    )
                looking.execute("SELECT count(*) FROM swallowed")
                assert looking.fetchone() == (20_000,)
                assert proxy.swallowed == 1
            finally:
                looking.execute("DROP TABLE swallowed")
        through.close()
        direct.close()


def test_no_more_answers_are_swallowed_than_wanted(proxy: Proxy) -> None:
    proxy.swallow([b"please"], rate=1.0, count=0)
    with connect(proxy) as client:
        assert say(client, b"please") == b"please"
