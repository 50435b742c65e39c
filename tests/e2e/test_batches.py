"""Batches on the running stack: every order ends once, also if an answer or a process is lost."""

import http.client
import json
import re
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import websocket
from sqlalchemy import Engine

from harness.processes import ROOT
from harness.waiting import wait_until
from orderengine.local.ports import LOOPBACK
from tests.e2e.ledger import executions
from tests.e2e.stack import TIMEOUT_S, Stack

SYMBOLS = ("AAPL", "SOL", "ETH", "SPY")
BAD = {"symbol": "AAPL", "side": "hold", "quantity": 1}
TOLD_SERVICE = "127.0.0.1:3000"


def orders(number: int) -> list[dict[str, Any]]:
    return [
        {"symbol": SYMBOLS[place % 4], "side": "buy", "quantity": "0.5", "slippageBps": 1000}
        for place in range(number)
    ]


def send(stack: Stack, batch: Sequence[Mapping[str, Any]], key: str = "") -> tuple[Any, str | None]:
    """The results of a batch, and whether they were told to be a replay."""
    headers = {"Content-Type": "application/json"} | ({"Idempotency-Key": key} if key else {})
    body = json.dumps({"orders": batch}).encode()
    request = urllib.request.Request(f"{stack.url}/api/orders/batch", body, headers)  # noqa: S310
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310
        assert answer.status == 200
        return json.load(answer)["results"], answer.headers["Idempotency-Replayed"]


def ids(results: Sequence[Mapping[str, Any]]) -> list[str]:
    return [result["order"]["orderId"] for result in results if result["status"] == 202]


def wait_for_ends(stack: Stack, order_ids: Sequence[str]) -> None:
    def are_confirmed() -> bool:
        page = stack.get("/api/orders?limit=100&status=confirmed")["orders"]
        return set(order_ids) <= {order["orderId"] for order in page}

    wait_until(are_confirmed, TIMEOUT_S, pause_s=0.3)


def test_a_hundred_orders_are_confirmed_and_followed_on_one_socket(
    stack: Stack, stack_database: Engine
) -> None:
    before = len(executions(stack_database))
    url = f"ws://{LOOPBACK}:{stack.port}/ws/orders"
    with closing(websocket.create_connection(url, timeout=TIMEOUT_S)) as client:
        results, replayed = send(stack, [*orders(50), BAD, *orders(50)][:100], "hundred")
        assert replayed is None
        assert [result["status"] for result in results] == [202] * 50 + [400] + [202] * 49
        placed = ids(results)
        seqs: dict[str, list[int]] = {order_id: [] for order_id in placed}
        ended: dict[str, str] = {}
        while len(ended) < len(placed):
            message = json.loads(client.recv())
            if message.get("orderId") in seqs:
                seqs[message["orderId"]].append(message["seq"])
                if message["status"] in {"confirmed", "failed"}:
                    ended[message["orderId"]] = message["status"]
    assert set(ended.values()) == {"confirmed"}
    assert all(found == list(range(1, len(found) + 1)) for found in seqs.values())
    executed = executions(stack_database)
    assert [executed[order_id] for order_id in placed] == [1] * 99
    again, replayed = send(stack, [*orders(50), BAD, *orders(50)][:100], "hundred")
    assert replayed == "true"
    assert [result["status"] for result in again] == [result["status"] for result in results]
    assert ids(again) == placed
    now = [result["order"]["status"] for result in again if "order" in result]
    assert set(now) == {"confirmed"}
    assert len(executions(stack_database)) == before + 99


def test_a_batch_whose_answer_was_lost_is_sent_again_and_placed_once(
    stack: Stack, stack_database: Engine
) -> None:
    before = len(executions(stack_database))
    body = json.dumps({"orders": orders(40)}).encode()
    head = (
        f"POST /api/orders/batch HTTP/1.1\r\nHost: {LOOPBACK}:{stack.port}\r\n"
        "Content-Type: application/json\r\nIdempotency-Key: lost\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection((LOOPBACK, stack.port)) as client:
        client.sendall(head.encode() + body)  # and closes before an answer can come

    def answered() -> bool:
        try:
            results.append(send(stack, orders(40), "lost"))
        except urllib.error.HTTPError as error:
            if error.code != http.client.CONFLICT:
                raise
            return False
        return True

    results: list[tuple[Any, str | None]] = []
    wait_until(answered, TIMEOUT_S, pause_s=0.3)
    placed = ids(results[0][0])
    assert len(set(placed)) == 40
    wait_for_ends(stack, placed)
    executed = executions(stack_database)
    assert [executed[order_id] for order_id in placed] == [1] * 40
    assert len(executed) == before + 40


def test_a_batch_that_a_dying_web_process_had_stored_is_executed_once(
    stack: Stack, stack_database: Engine
) -> None:
    before = len(executions(stack_database))
    stack.restart("web", FAIL_POINT="accept.after_commit:1")
    with pytest.raises((OSError, http.client.HTTPException)):
        send(stack, orders(30), "dying")
    stack.restart("web", FAIL_POINT="")
    results, replayed = send(stack, orders(30), "dying")
    assert replayed == "true"
    wait_for_ends(stack, ids(results))
    executed = executions(stack_database)
    assert [executed[order_id] for order_id in ids(results)] == [1] * 30
    assert len(executed) == before + 30


def test_the_bot_of_the_page_places_its_orders_and_follows_them(stack: Stack) -> None:
    page = (ROOT / "docs" / "bots.md").read_text("utf-8")
    (script,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert TOLD_SERVICE in script
    done = subprocess.run(
        [sys.executable, "-c", script.replace(TOLD_SERVICE, f"{LOOPBACK}:{stack.port}")],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    refused, accepted, *ended = done.stdout.splitlines()
    assert refused == "refused: side must be one of: buy, sell"
    assert accepted == "2 accepted"
    assert [line.split()[1] for line in ended] == ["confirmed"] * 2


def test_the_command_line_places_the_orders_of_a_file(stack: Stack, tmp_path: Path) -> None:
    rows = [f"{SYMBOLS[place % 4]},buy,0.25,1000" for place in range(150)]
    rows[120] = "GONE,buy,1,"
    path = tmp_path / "orders.csv"
    path.write_text("symbol,side,quantity,slippageBps\n" + "\n".join(rows), "utf-8")

    def submit(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "orderengine", "submit", "--file", str(path)]
        return subprocess.run(
            [*command, "--url", stack.url, *arguments],
            cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    first = submit("--idempotency-key", "file")
    assert (first.returncode, first.stdout) == (2, "149 accepted, 1 refused\n")
    assert first.stderr.startswith("line 122: refused (VALIDATION_FAILED: symbol must be one of")
    again = [
        json.loads(line)
        for line in submit("--idempotency-key", "file", "--json").stdout.splitlines()
    ]
    assert [result["line"] for result in again] == list(range(2, 152))
    listed = stack.get("/api/orders?limit=100")["orders"]
    placed = {result["order"]["orderId"] for result in again if result["status"] == 202}
    assert len(placed) == 149
    assert {order["orderId"] for order in listed} < placed
