"""The demo: its orders, how it applies their events, and its display."""

import io
import json
import threading
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
import websocket
from rich.console import Console

from orderengine.cli.demo_board import Board, Row
from orderengine.cli.demo_orders import DemoOrder, choose_orders
from orderengine.cli.demo_view import live_view, table, totals
from orderengine.domain.instruments import Instruments
from tests.builders import a_failed_attempt
from tests.cli_desk import Desk, FakeSocket, Message, call, messages, open_desk, refusal
from tests.steps import CONFIRMED, FAIL

ORDER = DemoOrder("AAPL", "buy", "10", None)
APPLE = {
    "symbol": "AAPL",
    "quantityStep": "0.000001",
    "minQuantity": "0.0001",
    "maxQuantity": "100000",
}


@pytest.fixture
def traded(instruments: Instruments) -> list[dict[str, str]]:
    return [
        {
            "symbol": each.symbol,
            "quantityStep": f"{each.quantity_step:f}",
            "minQuantity": f"{each.min_quantity:f}",
            "maxQuantity": f"{each.max_quantity:f}",
        }
        for each in instruments
    ]


@pytest.fixture
def desk() -> Iterator[Desk]:
    with open_desk() as desk:
        desk.traded = json.dumps({"instruments": [APPLE]}).encode()
        yield desk


def rows_after(*texts: list[Message]) -> list[Row]:
    """Rows that got these messages, one a second."""
    rows = []
    for number, sent in enumerate(texts, start=1):
        row = Row(number, ORDER)
        for second, text in enumerate(sent, start=1):
            row = row.after(json.loads(str(text)), float(second))
        rows.append(row)
    return rows


def shown(view: Any, width: int = 80) -> list[str]:
    text = io.StringIO()
    Console(file=text, width=width).print(view)
    return text.getvalue().splitlines()


def test_the_orders_differ_and_have_every_instrument_on_both_sides(
    traded: list[dict[str, str]],
) -> None:
    orders = choose_orders(traded, 25)
    assert len(set(orders)) == 25
    sides = {(order.symbol, order.side) for order in orders}
    assert sides == {(each["symbol"], side) for each in traded for side in ("buy", "sell")}
    assert [order.slippage_bps for order in orders if order.slippage_bps is not None] == [0, 40]


def test_the_orders_are_taken_and_small_against_the_pools(
    traded: list[dict[str, str]], instruments: Instruments
) -> None:
    for order in choose_orders(traded, 200):
        instrument = instruments.get(order.symbol)
        quantity = Decimal(order.quantity)
        assert instrument.violation(quantity) is None
        assert quantity * instrument.reference_price < instrument.depth / 100


def test_one_instrument_is_enough_for_different_orders() -> None:
    orders = choose_orders([APPLE], 25)
    assert len(set(orders)) == 25
    assert {order.side for order in orders} == {"buy", "sell"}


def test_a_coarse_step_is_kept_to() -> None:
    coarse = {**APPLE, "quantityStep": "3", "minQuantity": "3", "maxQuantity": "999999"}
    assert {int(order.quantity) % 3 for order in choose_orders([coarse], 25)} == {0}


def test_a_tolerance_is_sent_only_where_there_is_one() -> None:
    assert ORDER.document() == {"symbol": "AAPL", "side": "buy", "quantity": "10"}
    tight = DemoOrder("AAPL", "buy", "10", 0)
    assert tight.document()["slippageBps"] == 0


def test_a_row_shows_what_its_events_told() -> None:
    (row,) = rows_after(messages(*CONFIRMED[:3], a_failed_attempt(), *CONFIRMED))
    assert (row.status, row.attempt, row.venue) == ("confirmed", 2, "raydium")
    assert (row.quoted_price, row.executed_price) == ("230", "230.1")
    assert (row.slippage_pct, row.ended_s) == ("0.043478", 9.0)
    assert row.is_terminal


def test_an_order_between_two_attempts_is_not_over() -> None:
    (row,) = rows_after(messages(*CONFIRMED[:3], a_failed_attempt()))
    assert (row.status, row.reason, row.is_over) == ("pending", "SLIPPAGE_EXCEEDED", False)


def test_the_table_fits_into_eighty_columns() -> None:
    row, *_ = rows_after(messages(*CONFIRMED))
    head, line = shown(table([row], 9.0))
    assert head.split() == ["#", "order", "venue", *head.split()[3:]]
    told = ["1", "buy", "10", "AAPL", "raydium", "230.000", "230.100", "+0.043", "1", "5.00"]
    assert line.split() == [*told, "confirmed"]


def test_a_very_small_price_keeps_its_digits() -> None:
    small = Row(1, ORDER, quoted_price="0.000049776534", executed_price="96288.4237")
    assert "4.97765e-5" in shown(table([small], 0.0))[1]
    assert "96288.4" in shown(table([small], 0.0))[1]


def test_a_low_screen_shows_the_orders_that_still_run() -> None:
    done = rows_after(*[messages(*CONFIRMED)] * 20)
    running = [Row(number, ORDER, "routing") for number in range(21, 26)]
    lines = shown(live_view([*done, *running], 3.0, height=12))
    assert len(lines) <= 12
    assert sum("routing" in line for line in lines) == 5
    assert lines[-1].endswith("20 of 25 in 3.0 s")


def test_the_totals_count_and_name_what_was_not_confirmed() -> None:
    rows = rows_after(messages(*CONFIRMED), messages(FAIL), messages(*CONFIRMED[:1]))
    assert totals(rows) == [
        "1 confirmed, 1 failed, of 3 orders",
        "24 orders a minute, the last one after 5.00 s",
        "time of an order: median 3.50 s, max 5.00 s",
        "attempts: 2 for 2 orders",
        "order 2 (buy 10 AAPL) failed: INSUFFICIENT_LIQUIDITY, attempts 1",
        "order 3 (buy 10 AAPL) did not end: still routing",
    ]
    assert totals(rows[2:])[0] == "0 confirmed, 0 failed, of 1 orders"


def test_the_board_tells_when_all_orders_are_over() -> None:
    board = Board([ORDER, ORDER])
    assert not board.wait(0.0)
    board.put(Row(1, ORDER, status="failed"))
    assert not board.wait(0.0)
    board.put(Row(2, ORDER, problem="gone"))
    assert board.wait(0.0)


@pytest.mark.parametrize(("moves", "status"), [(CONFIRMED, "confirmed"), ((FAIL,), "failed")])
def test_orders_that_end_are_a_success(
    desk: Desk,
    monkeypatch: pytest.MonkeyPatch,
    moves: Any,
    status: str,
) -> None:
    monkeypatch.setattr(
        websocket, "create_connection", lambda *_, **__: FakeSocket(messages(*moves))
    )
    ran = call("demo", "--orders", "3", "--url", desk.url)
    assert (ran.exit_code, len(desk.received)) == (0, 3)
    lines = ran.stdout.splitlines()
    assert sum(line.split()[-1] == status for line in lines if line) == 3
    assert f"3 {status}" in " ".join(lines)


def test_an_order_without_an_end_is_named(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()

    class Quiet(FakeSocket):
        def recv(self) -> str:
            over.wait()
            raise refusal(404)

    monkeypatch.setattr(websocket, "create_connection", lambda *_, **__: Quiet([]))
    ran = call("demo", "--orders", "1", "--timeout", "0.1", "--url", desk.url)
    over.set()
    assert ran.exit_code == 1
    assert "order 1 (buy 1 AAPL) did not end: still accepted" in ran.stdout


def test_a_refused_order_is_named_with_its_reason(desk: Desk) -> None:
    desk.status, desk.answer = 422, b'{"code":"UNKNOWN_SYMBOL","detail":"no AAPL"}'
    ran = call("demo", "--orders", "1", "--url", desk.url)
    assert ran.exit_code == 1
    assert "was not placed: refused (UNKNOWN_SYMBOL): no AAPL" in ran.stdout


def test_rows_are_told_as_json(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        websocket, "create_connection", lambda *_, **__: FakeSocket(messages(*CONFIRMED))
    )
    ran = call("demo", "--orders", "2", "--json", "--url", desk.url)
    rows = [json.loads(line) for line in ran.stdout.splitlines()]
    assert [(row["orderId"], row["status"]) for row in rows] == [("7a5f", "confirmed")] * 2
    first, _ = rows
    assert first["endedS"] >= first["beganS"]
    told = {"number", "orderId", "symbol", "side", "quantity", "status", "attempt", "dex"}
    told |= {"quotedPrice", "executedPrice", "slippagePct", "beganS", "endedS"}
    assert set(first) == told


def test_nobody_there_is_one_clear_line() -> None:
    ran = call("demo", "--url", "http://127.0.0.1:1")
    message = "nothing answers at http://127.0.0.1:1: start it with make run\n"
    assert (ran.exit_code, ran.stderr) == (2, message)


def test_a_service_without_instruments_is_another_service(desk: Desk) -> None:
    desk.traded = b"{}"
    ran = call("demo", "--url", desk.url)
    assert ran.exit_code == 2
    assert "lists no instruments" in ran.stderr


@pytest.mark.parametrize("count", ["0", "201", "-1", "x", "1.5"])
def test_a_count_that_makes_no_sense_is_refused(count: str) -> None:
    ran = call("demo", f"--orders={count}")
    assert (ran.exit_code, ran.stderr.count("\n")) == (2, 1)


@pytest.mark.parametrize("timeout", ["nan", "inf", "0", "-1", "1e9"])
def test_how_long_the_demo_watches_is_bounded(desk: Desk, timeout: str) -> None:
    ran = call("demo", "--orders", "1", "--timeout", timeout, "--url", desk.url)
    assert (ran.exit_code, ran.stderr.count("\n"), desk.received) == (2, 1, [])
    assert "must be more than 0 and at most 86400 seconds" in ran.stderr
