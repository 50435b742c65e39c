"""Looks for every secret of a whole run in everything that its processes wrote and showed.

The processes log at DEBUG, lose Redis on the way, and are also started with wrong settings.
"""

import base64
import json
import re
from collections.abc import Mapping
from pathlib import Path
from secrets import token_hex, token_urlsafe
from urllib.parse import quote, urlsplit

import pytest
import websocket
from sqlalchemy import Engine, text

from harness.waiting import wait_until
from orderengine.local.ports import LOOPBACK
from orderengine.local.processes import command_line
from orderengine.local.redis_server import EmbeddedRedis
from tests.e2e.flower import flower_port
from tests.e2e.secrets_run import TIMEOUT_S, Run, fetch, send_raw, start_with_what_can_not_work
from tests.e2e.stack import ASK_PAUSE_S, LOGS, Stack, rest

FLOWER_PASSWORD = f"flower-{token_hex(8)}"
WRONG_PASSWORD = f"p@ss/{token_hex(8)}"  # must be quoted in a URL
ORDER = {"symbol": "AAPL", "side": "buy", "quantity": 1}
FLOWER_PAGES = (
    *("/", "/workers", "/tasks", "/broker", "/metrics", "/api/tasks", "/api/queues/length"),
    "/api/workers?refresh=1",
)
NOBODY = "00000000-0000-4000-8000-000000000000"
KEY_OR_TICKET = re.compile(r"(?:oe_[0-9a-f]{12}|oet)_[\w-]+|Bearer \S+")


def flower(path: str, password: str = FLOWER_PASSWORD) -> tuple[int, str]:
    token = base64.b64encode(f"me:{password}".encode()).decode()
    url = f"http://{LOOPBACK}:{flower_port()}{path}"
    return fetch(url, None, {"Authorization": f"Basic {token}"})


@pytest.fixture(scope="module")
def stack_redis_url(own_redis: EmbeddedRedis) -> str:
    return own_redis.url


@pytest.fixture(scope="module")
def stack_environ() -> Mapping[str, str]:
    return {
        "AUTH": "required",
        "LOG_LEVEL": "DEBUG",
        "SIM_SETTLEMENT_MS": "300-500",
        "FLOWER_PORT": str(flower_port()),
        "FLOWER_BASIC_AUTH": f"me:{FLOWER_PASSWORD}",
    }


@pytest.fixture
def run(stack: Stack) -> Run:
    run = Run(stack)
    for what, url in (("PostgreSQL", stack.database_url), ("Redis", stack.redis_url)):
        run.learn(f"the password of {what}", urlsplit(url).password or "")
    run.learn("the password of Flower", FLOWER_PASSWORD)
    run.learn("a wrong password", WRONG_PASSWORD)
    run.learn("what follows the slash in it", WRONG_PASSWORD.partition("/")[2])
    run.secrets["a wrong password in a URL"] = quote(WRONG_PASSWORD, safe="")
    for password in (FLOWER_PASSWORD, WRONG_PASSWORD):
        run.secrets[f"Basic {password}"] = base64.b64encode(f"me:{password}".encode()).decode()
    return run


def test_no_secret_of_a_run_is_written_or_shown(
    run: Run, stack_database: Engine, own_redis: EmbeddedRedis
) -> None:
    run.stack.start_line("flower")
    key = use_the_api(run)
    lose_redis(run, own_redis, key)
    look_at_flower(run)
    learn_signed_bytes(run, stack_database)
    run.told |= {f"the log of {name}": run.stack.logs(name) for name in LOGS}
    for name in ("web", "worker", "flower"):
        run.told[f"the command line of {name}"] = command_line(run.stack.pid(name))
    assert len(run.told["the log of web"].splitlines()) > 5
    assert "order_moved" in run.told["the log of worker"]
    assert len(run.secrets) > 25
    assert all(len(secret) >= 16 for secret in run.secrets.values())
    assert run.leaks() == []
    assert KEY_OR_TICKET.findall("".join(map(run.stack.logs, LOGS))) == []


@pytest.mark.timeout(300)  # waits until 15 processes have ended by themselves
def test_what_can_not_start_tells_no_password(run: Run, tmp_path: Path) -> None:
    start_with_what_can_not_work(run, WRONG_PASSWORD, tmp_path)
    assert len(run.told) == 15
    assert all(run.told.values())
    assert run.leaks() == []


def use_the_api(run: Run) -> str:
    """Make orders, tickets and refusals, with keys in the right and in wrong places."""
    alice, operator = run.key("alice"), run.key("local")
    name = run.learn("an Idempotency-Key", token_urlsafe(16))
    named = {"Idempotency-Key": name}
    first, again = (run.ask("/api/orders/execute", alice, ORDER, **named) for _ in range(2))
    # A repeated order is told as it is by then.
    assert [status for status, _ in (first, again)] == [202, 202]
    order_id, same_id = (json.loads(answer)["orderId"] for _, answer in (first, again))
    assert order_id == same_id
    socket = f"ws://{LOOPBACK}:{run.stack.port}/ws/orders?orderId={order_id}&ticket="
    used = run.ticket(alice)
    client = websocket.create_connection(socket + used, timeout=TIMEOUT_S)
    assert rest(client).statuses[-1] == "confirmed"
    client.shutdown()  # type: ignore[no-untyped-call]
    run.ticket(alice)  # and never used
    for ticket in (used, run.learn("a guessed ticket", f"oet_{token_urlsafe(32)}")):
        with pytest.raises(websocket.WebSocketBadStatusException, match="401"):
            websocket.create_connection(socket + ticket, timeout=TIMEOUT_S)
    assert run.ask("/metrics", operator)[0] == 200
    assert run.ask("/metrics", alice)[0] == 403
    use_keys_where_they_do_not_belong(run, alice)
    revoked = run.key("mallory")
    run.command("keys", "revoke", revoked.split("_")[1])
    assert run.ask("/api/orders", revoked)[0] == 401
    run.command("keys", "list")
    run.command("doctor")
    return alice


def use_keys_where_they_do_not_belong(run: Run, alice: str) -> None:
    """Send keys in paths, queries, bodies and malformed HTTP."""
    guess = run.learn("a guessed key", f"oe_{token_hex(6)}_{token_urlsafe(32)}")
    assert run.ask("/api/orders", guess)[0] == 401
    assert run.ask("/api/orders", Authorization=f"Token {alice}")[0] == 401
    assert run.ask(f"/api/orders/{alice}", alice)[0] == 404
    assert run.ask("/api/orders/execute", alice, {**ORDER, "side": alice})[0] == 400
    assert run.ask(f"/api/orders?status={alice}", alice)[0] == 400
    assert run.ask(f"/{alice}", alice)[0] == 404
    run.ask(f"/api/orders/{NOBODY}", alice, **{"X-Request-Id": "a request", "Prefer": "wait=1"})
    # The text after the second blank is the version; gunicorn takes any that begins with HTTP/1.
    for status, broken in (
        (505, f"GET /api/orders?key={alice} HTTP/1.2\r\n\r\n"),
        (505, f"GET /api/orders?key={alice} HTTP/9.9\r\n\r\n"),
        (505, f"GET /api/orders {alice} HTTP/1.1\r\n\r\n"),
        (400, f"{alice} / HTTP/1.1\r\n\r\n"),
        (400, f"GET / HTTP/1.1\r\nHost: a\r\n{alice}\r\n\r\n"),
        (400, f"GET / HTTP/1.1\r\nHost: a\r\n{alice} : b\r\n\r\n"),
        (400, f"GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {alice}\x00\r\n\r\n"),
    ):
        answer = send_raw(run.stack.port, broken).decode()
        assert answer.startswith(f"HTTP/1.1 {status} ")
        assert "application/problem+json" in answer
        run.told[f"the answer to broken HTTP {len(run.told)}"] = answer


def lose_redis(run: Run, redis: EmbeddedRedis, key: str) -> None:
    """Kill Redis while web, worker and Flower run, order meanwhile, wait for their messages."""
    heard = {name: len(run.stack.logs(name)) for name in ("web", "worker", "flower")}
    redis.kill()
    assert run.ask("/api/orders/execute", key, ORDER)[0] == 202

    def all_complain() -> bool:
        said = [run.stack.logs(name)[length:] for name, length in heard.items()]
        return all(re.search(r'"level": "(error|warning)"', each) for each in said)

    wait_until(all_complain, TIMEOUT_S)
    redis.start()
    wait_until(run.stack.is_ready, TIMEOUT_S, pause_s=ASK_PAUSE_S)
    order_id = json.loads(run.ask("/api/orders/execute", key, ORDER)[1])["orderId"]

    def has_ended() -> bool:
        return '"confirmed"' in run.ask(f"/api/orders/{order_id}", key)[1]

    wait_until(has_ended, TIMEOUT_S, pause_s=ASK_PAUSE_S)


def look_at_flower(run: Run) -> None:
    """Read all pages and answers of Flower with tasks, with the password and without."""

    def sees_tasks() -> bool:
        return "route_order" in flower("/api/tasks")[1]

    def sees_the_worker() -> bool:
        return "celery@" in flower("/api/workers?refresh=1")[1]

    wait_until(sees_tasks, TIMEOUT_S)
    wait_until(sees_the_worker, TIMEOUT_S)
    task = next(iter(json.loads(flower("/api/tasks")[1])))
    (worker,) = json.loads(flower("/api/workers?refresh=1")[1])
    for path in (*FLOWER_PAGES, f"/worker/{worker}", f"/task/{task}", f"/api/task/info/{task}"):
        status, page = flower(path)
        assert status == 200, path
        run.told[f"Flower's {path}"] = page
    assert "celery@" in run.told[f"Flower's /worker/{worker}"]
    assert flower("/api/tasks", WRONG_PASSWORD)[0] == 401


def learn_signed_bytes(run: Run, database: Engine) -> None:
    """Signed bytes are secrets too: anyone who has them can send them to the network."""
    with database.connect() as connection:
        payloads = connection.execute(text("SELECT payload FROM transactions")).scalars().all()
    assert len(payloads) >= 2
    for number, payload in enumerate(map(bytes, payloads)):
        run.secrets[f"signed bytes {number}"] = str(json.loads(payload)["nonce"])
        run.secrets[f"signed bytes {number} in hex"] = payload.hex()
        run.secrets[f"signed bytes {number} in base64"] = base64.b64encode(payload).decode()
