"""Orders as text: it fits the terminal, has units, and shows the times of events."""

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
import websocket

from orderengine.cli import tables
from orderengine.cli.common import asked_text
from orderengine.cli.tables import order_lines
from orderengine.config.settings import PACKAGE_DIR
from tests.cli_desk import Desk, FakeSocket, call, messages, open_desk
from tests.steps import CONFIRMED

ID = "0198c0de-0000-7000-8000-00000000000{}"
CREATED = {"createdAt": "2026-11-29T23:40:22.123456Z"}
BONK = {"side": "sell", "quantity": "70000000", "symbol": "BONK"}
ORDERS = [
    {"orderId": ID.format(1), **CREATED, **BONK, "status": "failed", "dex": "raydium+meteora"}
    | {"reason": "INSUFFICIENT_LIQUIDITY"},
    {"orderId": ID.format(2), **CREATED, **BONK, "status": "confirmed", "dex": "meteora"}
    | {"executedPrice": "0.000025312345678901"},
    {"orderId": ID.format(3), **CREATED, **BONK, "status": "pending"},
]


@pytest.fixture
def desk() -> Iterator[Desk]:
    with open_desk() as desk:
        desk.pages["/api/orders?limit=20"] = json.dumps({"orders": ORDERS}).encode()
        yield desk


@pytest.mark.parametrize("order_id", ["a b", "../instruments", "a?limit=1", "ä"])
def test_whatever_is_given_as_an_id_is_asked_for_as_one(desk: Desk, order_id: str) -> None:
    path = f"/api/orders/{quote(order_id, safe='')}"
    desk.pages[path] = b'{"orderId":"7a5f"}'
    desk.pages[f"{path}/events"] = b'{"events":[]}'
    ran = call("show", order_id, "--url", desk.url)
    assert (ran.exit_code, ran.stdout.split()[:2]) == (0, ["orderId", "7a5f"])


@pytest.mark.parametrize("width", [80, 100, 120, 200])
def test_a_list_fits_the_terminal(desk: Desk, monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    monkeypatch.setattr(tables, "terminal_width", lambda: width)
    head, *rows = call("list", "--url", desk.url).stdout.splitlines()
    assert max(map(len, (head.rstrip(), *(row.rstrip() for row in rows)))) <= width
    assert len(rows) == 3
    for order, row in zip(ORDERS, rows, strict=True):
        shown = " ".join(row.split())
        assert shown.startswith(order["orderId"])
        assert "sell 70000000 BONK" in shown
        assert order["status"] in shown
    cut = "INSUFFICIENT_LIQUIDITY" not in rows[0]
    assert cut is (width == 80)
    assert "INSUFF" in rows[0]
    assert ("2.53123e-5" if width < 200 else ORDERS[1]["executedPrice"]) in rows[1]
    assert ("23:40" in rows[2]) is (width > 80)


@pytest.mark.parametrize(("width", "told"), [(200, "limit"), (100, "waiting 220.5")])
def test_an_order_that_waits_is_listed_with_its_price(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, width: int, told: str
) -> None:
    monkeypatch.setattr(tables, "terminal_width", lambda: width)
    waiting = {**ORDERS[2], "status": "waiting", "type": "limit", "limitPrice": "220.5"}
    desk.pages["/api/orders?limit=20"] = json.dumps({"orders": [waiting]}).encode()
    head, row = call("list", "--url", desk.url).stdout.splitlines()
    assert told in row
    assert ("limitPrice" in head, "stopPrice" in head) == (width == 200, False)


def test_elsewhere_a_list_has_all_columns(desk: Desk) -> None:
    head, failed, *_ = call("list", "--url", desk.url).stdout.splitlines()
    assert tuple(head.split()) == tables.ALL_COLUMNS
    assert failed.split()[-2:] == ["raydium+meteora", "INSUFFICIENT_LIQUIDITY"]


def test_an_order_is_shown_with_units(desk: Desk) -> None:
    order = {
        "orderId": "7a5f",
        "symbol": "AAPL",
        "side": "buy",
        "quantity": "10",
        "slippageBps": 100,
        "quotedPrice": "230",
        "executedPrice": "230.1",
        "worstPrice": "231",
        "limitPrice": "232",
        "trigger": {"on": "poolOpened", "minLiquidity": "5000"},
        "limitAmount": "2323000000",
        "slippagePct": "0.043478",
        "marketImpactBps": "3.1",
        "fee": "5.7525",
        "baseAmount": "10000000",
        "quoteAmount": "2301000000",
        "status": "confirmed",
        "attempt": 1,
    }
    desk.pages["/api/orders/7a5f"] = json.dumps(order).encode()
    desk.pages["/api/orders/7a5f/events"] = b'{"events":[]}'
    lines = call("show", "7a5f", "--url", desk.url).stdout.splitlines()
    told = dict(line.split(maxsplit=1) for line in lines if line.split()[:1] and line[0] != "i")
    assert told["quantity"] == "10 AAPL"
    assert told["slippageBps"] == "100 bps (tolerance)"
    prices = {name: told[name] for name in tables.PRICES if name in told}
    assert prices == {
        "limitPrice": "232 USDC for 1 AAPL",
        "quotedPrice": "230 USDC for 1 AAPL",
        "executedPrice": "230.1 USDC for 1 AAPL",
        "worstPrice": "231 USDC for 1 AAPL",
    }
    assert told["trigger"] == "once a pool is open with at least 5000 USDC"
    assert told["limitAmount"] == "2323 USDC, at most"
    assert told["quoteAmount"] == "2301 USDC"
    assert told["baseAmount"] == "10000000 base units of AAPL"
    assert told["slippagePct"] == "0.043478 % (positive is worse than quoted)"
    assert (told["marketImpactBps"], told["fee"]) == ("3.1 bps", "5.7525 USDC")


def test_a_finished_order_is_watched_by_the_times_of_its_events(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = []
    for second, text in enumerate(messages(*CONFIRMED)):
        event = {**json.loads(str(text)), "at": f"2026-11-29T23:40:{second * 2:02}.250000Z"}
        told.append(json.dumps(event))
    monkeypatch.setattr(websocket, "create_connection", lambda *_, **__: FakeSocket([*told]))
    ran = call("watch", "7a5f", "--url", desk.url)
    times = [line.split()[0] for line in ran.stdout.splitlines()]
    assert times == ["0.000", "2.000", "4.000", "6.000", "8.000"]


def test_an_order_is_watched_once_however_its_id_is_written(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def connect(address: str, **_: object) -> FakeSocket:
        asked.append(address)
        return FakeSocket(messages(*CONFIRMED))

    monkeypatch.setattr(websocket, "create_connection", connect)
    assert call("watch", "7A5F", "7a5f", "--url", desk.url).exit_code == 0
    (address,) = asked
    assert "orderId=7a5f" in address


def test_the_version_is_that_of_the_project() -> None:
    project = tomllib.loads((PACKAGE_DIR.parent / "pyproject.toml").read_text("utf-8"))
    ran = call("--version")
    assert (ran.exit_code, ran.output) == (0, f"orderengine {project['project']['version']}\n")


def test_a_full_disk_is_one_line(desk: Desk) -> None:
    placed = ["submit", "AAPL", "buy", "1"]
    for command in (["list"], ["list", "--json"], ["instruments"], placed):
        desk.traded = b'{"instruments":[{"symbol":"AAPL"}]}'
        with Path("/dev/full").open("w", encoding="utf-8") as full:
            ran = subprocess.run(
                [sys.executable, "-m", "orderengine", *command, "--url", desk.url],
                env={"PATH": os.environ["PATH"]},
                cwd=PACKAGE_DIR.parent,
                stdout=full,
                stderr=subprocess.PIPE,
                text=True,
                check=False,
            )
        code, before = (3, "order 7a5f was accepted; ") if command is placed else (2, "")
        told = f"{before}writing standard output failed: No space left on device\n"
        assert (ran.returncode, ran.stderr) == (code, told)


def test_an_order_of_usdc_is_told_by_its_usdc() -> None:
    order = {"side": "buy", "symbol": "AAPL", "quoteQuantity": "1500", "limitAmount": "6400000"}
    assert asked_text(order) == "buy AAPL for 1500 USDC"
    lines = dict(line.split(maxsplit=1) for line in order_lines(order))
    assert lines["quoteQuantity"] == "1500 USDC"
    assert lines["limitAmount"] == "6400000 base units of AAPL, at least"
    sale = dict(line.split(maxsplit=1) for line in order_lines({**order, "side": "sell"}))
    assert sale["limitAmount"] == "6400000 base units of AAPL, at most"
