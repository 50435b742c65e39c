"""Keys and tickets on the stack of the Procfile, which requires them."""

import json
import os
import re
import subprocess
import sys
import time
import urllib.error
from collections.abc import Iterator
from pathlib import Path

import pytest
import websocket

from harness.processes import ROOT
from harness.waiting import stretched, wait_until
from orderengine.local.ports import LOOPBACK, free_port
from tests.e2e.clients import bought_ticket, enter, keys
from tests.e2e.stack import ASK_PAUSE_S, Stack, next_event, rest

REVOKED_WITHIN_S = 5.0


@pytest.fixture
def strangers_stack(stack: Stack) -> Iterator[Stack]:
    stack.headers = {}
    yield stack
    stack.headers = {}


def status_of(stack: Stack, path: str) -> int:
    try:
        stack.text(path)
    except urllib.error.HTTPError as error:
        with error:
            return error.code
    return 200


def test_a_client_follows_its_order_and_nobody_else_does(strangers_stack: Stack) -> None:
    stack = strangers_stack
    assert status_of(stack, "/api/orders") == 401
    with pytest.raises(websocket.WebSocketBadStatusException, match="401"):
        stack.follow("00000000-0000-0000-0000-000000000000")
    enter(stack, "alice")
    order_id = stack.post("SOL", "buy", "1")
    assert stack.follow(order_id).statuses[-1] == "confirmed"
    assert stack.order(order_id)["status"] == "confirmed"
    enter(stack, "stranger")
    assert status_of(stack, f"/api/orders/{order_id}") == 404
    assert status_of(stack, f"/api/orders/{order_id}/events") == 404
    assert stack.get("/api/orders")["orders"] == []
    with pytest.raises(websocket.WebSocketBadStatusException, match="404"):
        stack.follow(order_id)
    assert status_of(stack, "/metrics") == 403


def test_plain_http_streams_an_order_to_its_end(strangers_stack: Stack) -> None:
    stack = strangers_stack
    enter(stack, "alice")
    order_id = stack.post("SOL", "buy", "1")
    path = f"/api/orders/{order_id}/stream"
    told = [line for line in stack.text(path).splitlines() if line.startswith("data: ")]
    events = [json.loads(line.removeprefix("data: ")) for line in told]
    assert [event["seq"] for event in events] == [1, 2, 3, 4, 5]
    assert [json.dumps(event) for event in events] == [
        json.dumps(event) for event in stack.get(f"/api/orders/{order_id}/events")["events"]
    ]
    enter(stack, "stranger")
    assert status_of(stack, path) == 404


def test_a_ticket_opens_one_socket_without_a_header(strangers_stack: Stack) -> None:
    stack = strangers_stack
    enter(stack, "alice")
    order_id = stack.post("SOL", "sell", "1")
    ticket = bought_ticket(stack)
    url = f"ws://{LOOPBACK}:{stack.port}/ws/orders?orderId={order_id}&ticket={ticket}"
    client = websocket.create_connection(url, timeout=20)
    assert rest(client).statuses[-1] == "confirmed"
    client.shutdown()  # type: ignore[no-untyped-call]
    with pytest.raises(websocket.WebSocketBadStatusException, match="401"):
        websocket.create_connection(url, timeout=20)
    assert ticket not in stack.logs("web")


def test_the_sockets_of_a_revoked_key_are_closed_within_seconds(strangers_stack: Stack) -> None:
    stack = strangers_stack
    enter(stack, "operator")
    stack.kill("worker")  # so that the order stays open
    stack.wait("worker")
    made = enter(stack, "alice")
    order_id = stack.post("SOL", "sell", "1")
    with stack.socket(order_id) as client:
        assert next_event(client)["status"] == "pending"
        keys(stack, "revoke", made["keyId"])
        began = time.monotonic()
        assert rest(client).code == 1008
        assert time.monotonic() - began < stretched(REVOKED_WITHIN_S)
    wait_until(lambda: status_of(stack, "/api/orders") == 401, pause_s=ASK_PAUSE_S)
    stack.headers = {}
    stack.restart("worker")


def test_prometheus_is_let_in_by_the_key_that_the_page_has_it_make(
    strangers_stack: Stack, tmp_path: Path
) -> None:
    stack = strangers_stack
    page = (ROOT / "docs" / "metrics.md").read_text("utf-8")
    (line,) = re.findall(r"^\(umask .*$", page, re.MULTILINE)
    (name,) = re.findall(r"credentials_file: (\S+)}", page)
    subprocess.run(
        ["sh", "-ec", line.replace("bin/orderengine", f"{sys.executable} -m orderengine")],
        cwd=tmp_path,
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "DATABASE_URL": stack.database_url,
        },
        check=True,
        capture_output=True,
    )
    assert (tmp_path / name).stat().st_mode & 0o777 == 0o600
    assert status_of(stack, "/metrics") == 401
    stack.headers = {"Authorization": f"Bearer {(tmp_path / name).read_text().strip()}"}
    assert 'orderengine_up{dependency="postgresql"} 1.0' in stack.text("/metrics")


def test_a_web_process_refuses_to_be_open_to_the_world_by_accident(stack: Stack) -> None:
    done = subprocess.run(
        stack.lines["web"],
        cwd=ROOT,
        env={
            "PATH": stack.environ["PATH"],
            "DATABASE_URL": stack.database_url,
            "REDIS_URL": stack.redis_url,
            "HOST": "0.0.0.0",
            "PORT": str(free_port()),
        },
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode != 0
    assert "AUTH must be set to required, or to off, when HOST is 0.0.0.0" in done.stderr
