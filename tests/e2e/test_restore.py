"""The backup and the restore of docs/operations.md, run line by line."""

import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest
import redis
from sqlalchemy import text

from harness.processes import ROOT
from orderengine.config.settings import sqlalchemy_url
from orderengine.local.binaries import find_postgres
from orderengine.postgres.database import create_database_engine
from tests.e2e.ledger import executions
from tests.e2e.stack import Stack, next_event

PAGE = (ROOT / "docs" / "operations.md").read_text("utf-8")


@pytest.fixture(scope="module")
def stack_environ() -> Mapping[str, str]:
    return {
        "SIM_QUOTE_LATENCY_MS": "20-20",
        "SIM_SETTLEMENT_MS": "1500-1500",
        "RECOVERY_AFTER_MS": "1500",
        "RECOVERY_INTERVAL_MS": "200",
    }


@pytest.fixture(scope="module")
def restored_url(stack_database_url: str) -> Iterator[str]:
    """A new, empty database beside the stack's."""
    parts = urlsplit(stack_database_url)
    name = f"{parts.path[1:].removesuffix('_test')}_restored_test"
    engine = create_database_engine(
        sqlalchemy_url(stack_database_url), pool_size=1, application="tests-e2e"
    )
    with engine.connect() as connection:
        connection.execute(text(f'CREATE DATABASE "{name}"'))
        yield urlunsplit(parts._replace(path=f"/{name}"))
        connection.execute(text(f'DROP DATABASE "{name}" WITH (FORCE)'))
    engine.dispose()


def lines(beginning: str) -> str:
    """The page's code block that begins with this."""
    blocks: list[str] = re.findall(r"```\w*\n(.*?)```", PAGE, re.DOTALL)
    return next(block for block in blocks if block.startswith(beginning))


def run(script: str, stack: Stack, dump: Path, database_url: str) -> str:
    path = os.pathsep.join([str(find_postgres()), stack.environ["PATH"]])
    done = subprocess.run(
        ["sh", "-ec", script.replace("orderengine.dump", str(dump))],
        cwd=ROOT,
        env={"PATH": path, "DATABASE_URL": database_url},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_restored_database_executes_nothing_twice_and_every_order_ends(
    restored_url: str, stack: Stack, tmp_path: Path
) -> None:
    dump = tmp_path / "orders.dump"
    ended = stack.post("AAPL", "buy", "1")
    told_before = stack.follow(ended).texts
    submitted = stack.post("SOL", "sell", "2")
    with stack.socket(submitted) as client:
        while next_event(client)["status"] != "submitted":
            pass
    stop(stack, "worker")
    pending = stack.post("ETH", "buy", "1")
    run(lines("pg_dump"), stack, dump, stack.database_url)

    stack.restart("worker")
    assert {stack.follow(each).statuses[-1] for each in (submitted, pending)} == {"confirmed"}
    signature = stack.order(submitted)["txHash"]
    unknown = stack.post("RAY", "buy", "10")
    stack.follow(unknown)
    stop(stack, "web", "worker")
    listed = run(lines("pg_restore"), stack, dump, restored_url)
    assert pending in listed
    assert not {ended, submitted, unknown} & set(listed.split())
    empty_redis(stack)

    stack.start_line("web")
    stack.restart("worker", DATABASE_URL=restored_url)
    stack.restart("web")
    assert stack.follow(ended).texts == told_before
    assert stack.follow(submitted).statuses[-1] == "confirmed"
    assert stack.order(submitted)["txHash"] == signature
    given_up = stack.follow(pending)
    assert (given_up.statuses, given_up.code) == (["pending", "failed"], 1000)
    assert stack.order(pending)["reason"] == "ENGINE_ERROR"
    assert "the database was restored" in stack.order(pending)["detail"]
    known = {order["orderId"] for order in stack.get("/api/orders")["orders"]}
    assert known == {ended, submitted, pending}
    assert counted_executions(restored_url) == {ended: 1, submitted: 1}


def stop(stack: Stack, *names: str) -> None:
    for name in names:
        stack.kill(name)
        stack.wait(name)


def empty_redis(stack: Stack) -> None:
    with closing(redis.Redis.from_url(stack.redis_url)) as client:
        client.flushdb()


def counted_executions(database_url: str) -> Mapping[str, int]:
    engine = create_database_engine(
        sqlalchemy_url(database_url), pool_size=1, application="tests-e2e"
    )
    try:
        return executions(engine)
    finally:
        engine.dispose()
