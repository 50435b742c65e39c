"""The command line against a running stack, as a user and as an operator."""

import json
import os
import re
import shutil
import subprocess

import pytest

from harness.processes import ROOT
from tests.e2e.shell import Shell
from tests.e2e.stack import TIMEOUT_S, Stack


@pytest.fixture
def shell(stack: Stack) -> Shell:
    return Shell(stack)


def test_an_order_is_submitted_watched_listed_and_shown(stack: Stack, shell: Shell) -> None:
    at = ("--url", stack.url)
    order_id = shell.json("submit", "SOL", "sell", "2.5", *at)["orderId"]
    assert "confirmed  attempt 1  executed at" in shell("watch", order_id, *at)
    listed = shell.json("list", "--symbol", "SOL", "--status", "confirmed", *at)["orders"]
    assert order_id in {order["orderId"] for order in listed}
    shown = shell.json("show", order_id, *at)
    assert (shown["status"], [event["seq"] for event in shown["events"]]) == (
        "confirmed",
        [1, 2, 3, 4, 5],
    )
    text = shell("show", order_id, *at)
    assert shown["txHash"] in text
    assert order_id in shell("list", *at)


def test_a_terminal_shows_the_stages_as_they_come(stack: Stack, shell: Shell) -> None:
    told, status = shell.on_a_terminal("submit", "SOL", "sell", "2.5", "--watch")
    assert status == 0
    frames = told.split("\x1b[2K")  # each frame is drawn over the previous one
    first_seen = [
        next(n for n, frame in enumerate(frames) if name in frame)
        for name in ("pending", "submitted", "confirmed")
    ]
    assert first_seen == sorted(first_seen)
    assert len(set(first_seen)) > 1
    plain, status = shell.on_a_terminal("submit", "SOL", "sell", "2.5", "--watch", "--plain")
    assert "\x1b" not in plain
    assert "confirmed  attempt 1  executed at" in plain


@pytest.mark.skipif(shutil.which("bash") is None, reason="completion is shown with bash")
@pytest.mark.parametrize(
    ("words", "completed"),
    [("su", "submit"), ("submit SO", "SOL"), ("submit SOL s", "sell"), ("orders r", "requeue")],
)
def test_bash_completes_as_the_documentation_says(words: str, completed: str) -> None:
    page = (ROOT / "docs" / "command-line.md").read_text("utf-8")
    (evaluated,) = re.findall(r"^(export PATH=.*?)\s+#", page, re.MULTILINE)
    *_, last = given = ["orderengine", *words.split()]
    script = f"""
        {evaluated}
        complete -p orderengine >/dev/null
        COMP_WORDS=({" ".join(given)}) COMP_CWORD={len(given) - 1}
        _orderengine_completion orderengine {last}
        printf '%s\n' "${{COMPREPLY[@]}}"
    """
    ran = subprocess.run(
        ["bash", "-ec", script],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent"},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=True,
    )
    assert ran.stdout.split() == [completed]


def test_a_failed_order_is_the_exit_status(stack: Stack, shell: Shell) -> None:
    arguments = ("AAPL", "buy", "1", "--slippage-bps", "0", "--watch", "--url", stack.url)
    told = shell("submit", *arguments, status=1)
    assert told.count("SLIPPAGE_EXCEEDED") == 3


def test_an_order_whose_answer_died_with_the_service_is_placed_once(
    stack: Stack, shell: Shell
) -> None:
    before = {order["orderId"] for order in stack.get("/api/orders?limit=100")["orders"]}
    stack.restart("web", FAIL_POINT="accept.after_commit:1")
    try:
        order_id = shell.json("submit", "SOL", "buy", "1", "--url", stack.url)["orderId"]
    finally:
        stack.restart("web", FAIL_POINT="")
    assert "fail_point_struck" in stack.logs("web")
    after = {order["orderId"] for order in stack.get("/api/orders?limit=100")["orders"]}
    assert after - before == {order_id}


def test_quotes_say_which_venue_wins(stack: Stack, shell: Shell) -> None:
    found = shell.json("quotes", "AAPL", "buy", "10", "--url", stack.url)
    assert {quote["dex"] for quote in found["quotes"]} == {"raydium", "meteora"}
    # The market moves between two calls, so a table is only compared with itself.
    rows = shell("quotes", "AAPL", "buy", "10", "--url", stack.url).splitlines()
    winners = [row.split() for row in rows if row.rstrip().endswith("yes")]
    assert len(winners) == 1
    dex, _kind, price, *_ = winners[0]
    assert rows[-1].startswith(f"{dex} at {price}")


def test_the_instruments_are_listed(stack: Stack, shell: Shell) -> None:
    found = shell.json("instruments", "--url", stack.url)["instruments"]
    assert {"AAPL", "SOL"} <= {each["symbol"] for each in found}
    rows = shell("instruments", "--url", stack.url).splitlines()
    assert rows[0].split() == ["symbol", "name", "minQuantity", "maxQuantity", "quantityStep"]
    assert len(rows) == len(found) + 1
    assert max(map(len, rows)) <= 80


def test_an_operator_finds_all_well(stack: Stack, shell: Shell) -> None:
    checks = {each["name"]: each for each in shell.json("doctor", "--no-flower")["checks"]}
    assert all(each["ok"] for each in checks.values())
    assert stack.url in checks["api"]["detail"]
    assert "AUTH=off" in checks["access"]["detail"]
    assert shell("orders", "stuck") == "no order stands still\n"


def test_a_missing_worker_is_found_and_its_order_pushed(stack: Stack, shell: Shell) -> None:
    stack.kill("worker")
    stack.wait("worker")
    order_id = stack.post("AAPL", "buy", "1")
    told = shell("orders", "requeue", order_id)
    assert "stays pending, attempt 1, version 1" in told
    stack.restart("worker")
    assert stack.follow(order_id).statuses[-1] == "confirmed"
    assert "there is nothing left to do" in shell("orders", "requeue", order_id, status=2)


def test_an_export_has_every_order(stack: Stack, shell: Shell) -> None:
    stack.follow(stack.post("AAPL", "buy", "1"))
    listed = shell.json("list", "--limit", "1000", "--url", stack.url)["orders"]
    lines = [
        json.loads(line)
        for line in shell("export", "orders", "--format", "jsonl").splitlines()[:-1]
    ]
    assert {row["orderId"] for row in lines} == {order["orderId"] for order in listed}
