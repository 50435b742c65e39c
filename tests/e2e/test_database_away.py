"""PostgreSQL dead or frozen: requests that need it get 503 in time, and work again afterwards."""

import contextlib
import os
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import websocket
from alembic.config import Config

from harness.waiting import stretched, wait_until
from orderengine.config.settings import sqlalchemy_url
from orderengine.local.postgres_server import EmbeddedPostgres
from orderengine.postgres.database import create_database_engine
from tests.conftest import migrate
from tests.e2e.ledger import switch_network
from tests.e2e.metrics import told_by
from tests.e2e.stack import Stack

ANSWERS_WITHIN_S = 10.0
ORDER = b'{"symbol":"AAPL","side":"buy","quantity":1}'
NOWHERE = "00000000-0000-4000-8000-000000000000"

NEEDS_IT = (
    *("/api/orders", f"/api/orders/{NOWHERE}", f"/api/orders/{NOWHERE}/events", "/readyz"),
    *(f"/ws/orders?orderId={NOWHERE}", "POST"),
)
DOES_NOT = ("/livez", "/metrics", "/api/instruments", "/openapi.json")


@pytest.fixture(scope="module")
def own_postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """A server that the tests may stop."""
    folder = tmp_path_factory.mktemp("postgres")
    for parent in (folder, folder.parent):
        parent.chmod(0o711)
    # Durable, so that a killed server loses no commits.
    server = EmbeddedPostgres(folder / "data")
    with server:
        yield server
    server.remove()


@pytest.fixture(scope="module")
def stack_database_url(own_postgres: EmbeddedPostgres, alembic_config: Config) -> str:
    migrate(sqlalchemy_url(own_postgres.url), alembic_config)
    return own_postgres.url


@pytest.fixture(scope="module")
def stack_environ() -> Mapping[str, str]:
    # Settlement is slow enough to switch the network off first; later orders count as stuck.
    return {
        "SIM_SETTLEMENT_MS": "3000-3000",
        "STUCK_AFTER_S": "4",
        "RECOVERY_AFTER_MS": "1500",
        "RECOVERY_INTERVAL_MS": "200",
    }


@contextlib.contextmanager
def killed(server: EmbeddedPostgres) -> Iterator[None]:
    server.kill()
    try:
        yield
    finally:
        server.start()


@contextlib.contextmanager
def frozen(server: EmbeddedPostgres) -> Iterator[None]:
    """Stop the server and all its sessions, as if the link dropped everything."""
    assert server.pid is not None
    os.kill(server.pid, signal.SIGSTOP)  # first, so that it starts no more sessions
    sessions = list(_children(server.pid))
    for pid in sessions:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in [*sessions, server.pid]:
            os.kill(pid, signal.SIGCONT)


def _children(parent: int) -> Iterator[int]:
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # The name of a program may hold blanks and brackets.
            fields = status.read_text().rpartition(")")[2].split()
            if int(fields[1]) == parent:
                yield int(status.parent.name)


def ask(stack: Stack, path: str) -> tuple[int, float]:
    """The status of an answer, and its time in seconds."""
    began = time.monotonic()
    return _status(stack, path), time.monotonic() - began


def _status(stack: Stack, path: str) -> int:
    if path.startswith("/ws/"):
        url = f"ws://127.0.0.1:{stack.port}{path}"
        with pytest.raises(websocket.WebSocketBadStatusException) as refused:
            websocket.create_connection(url, timeout=10)
        return refused.value.status_code
    body = ORDER if path == "POST" else None
    request = urllib.request.Request(  # noqa: S310
        stack.url + ("/api/orders/execute" if body else path),
        data=body,
        headers={"Content-Type": "application/json", "Idempotency-Key": "while-away"},
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def dependencies_up(stack: Stack) -> list[str]:
    told = told_by(stack)
    names = ("postgresql", "redis", "worker")
    return [name for name in names if told[f'orderengine_up{{dependency="{name}"}}']]


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="sessions are found in /proc")
@pytest.mark.parametrize("away", [killed, frozen])
def test_what_needs_postgresql_is_refused_in_time_and_nothing_else_is(
    stack: Stack,
    own_postgres: EmbeddedPostgres,
    away: Callable[[EmbeddedPostgres], contextlib.AbstractContextManager[None]],
) -> None:
    before = stack.post_many(4)
    with away(own_postgres), ThreadPoolExecutor(40) as threads:
        wait_until(lambda: ask(stack, "/readyz")[0] == 503)
        paths = [*NEEDS_IT * 6, *DOES_NOT]
        answers = dict.fromkeys(paths, (0, 0.0))
        for path, answer in zip(paths, threads.map(lambda p: ask(stack, p), paths), strict=True):
            answers[path] = max(answers[path], answer)
        wait_until(lambda: dependencies_up(stack) == ["redis", "worker"])
    assert {path: status for path, (status, _) in answers.items()} == {
        **dict.fromkeys(NEEDS_IT, 503),
        **dict.fromkeys(DOES_NOT, 200),
    }
    assert max(seconds for _, seconds in answers.values()) < stretched(ANSWERS_WITHIN_S)
    wait_until(lambda: dependencies_up(stack) == ["postgresql", "redis", "worker"])
    assert ask(stack, "/readyz")[0] == 200
    assert {stream.statuses[-1] for stream in stack.follow_many(before)} == {"confirmed"}


def test_orders_in_a_dark_network_are_shown_as_stuck_and_finish_when_it_is_back(
    stack: Stack, own_postgres: EmbeddedPostgres
) -> None:
    engine = create_database_engine(
        sqlalchemy_url(own_postgres.url), pool_size=1, application="tests-dark"
    )
    order_ids = stack.post_many(3)
    wait_until(lambda: {stack.order(each)["status"] for each in order_ids} == {"submitted"})
    switch_network(engine, up=False)
    # Other tests used up the pool, so "connections" may be listed too for a minute.
    wait_until(lambda: "stuck" in stack.get("/readyz")["degraded"])
    shown, told = stack.get("/readyz"), told_by(stack)
    assert shown["stuckOrders"] == told["orderengine_stuck_orders"] == 3
    assert told['orderengine_open_orders{status="submitted"}'] == 3
    assert told["orderengine_oldest_submitted_order_age_seconds"] > 1
    assert shown["oldestOpenOrderS"] > 1
    switch_network(engine, up=True)
    engine.dispose()
    assert {stream.statuses[-1] for stream in stack.follow_many(order_ids)} == {"confirmed"}
    wait_until(lambda: "stuck" not in stack.get("/readyz")["degraded"])
