"""The command that places an order and watches it."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import websocket

from orderengine.cli.order import CannotGoOn, Socket, follow, main, telling
from orderengine.domain.moves import Move
from orderengine.stream.messages import event_text
from tests.builders import TRANSACTION, a_failed_attempt
from tests.cli_desk import Desk, FakeSocket, Message, messages, open_desk, refusal
from tests.fakes import FakeOrders
from tests.steps import CONFIRMED, FAIL, RECOVER, Walk


class Line:
    """Gives out sockets in turn; an exception in place of one is raised instead."""

    def __init__(self, *sockets: list[Message] | Exception) -> None:
        self.opened: list[FakeSocket] = []
        self.asked: list[int] = []
        self.now = 0.0
        self._sockets = iter(sockets)

    def connect(self, after: int) -> Socket:
        self.asked.append(after)
        messages = next(self._sockets, ConnectionRefusedError("nobody there"))
        if isinstance(messages, Exception):
            raise messages
        self.opened.append(FakeSocket(messages))
        return self.opened[-1]

    def pause(self, seconds: float) -> None:
        self.now += seconds

    def follow(self) -> list[Any]:
        return list(follow(self.connect, lambda: self.now, self.pause))


def test_an_order_is_followed_to_its_end() -> None:
    line = Line(messages(*CONFIRMED))
    assert [event["status"] for event in line.follow()] == [
        "pending",
        "routing",
        "building",
        "submitted",
        "confirmed",
    ]
    assert [socket.closed for socket in line.opened] == [True]


@pytest.mark.parametrize("loss", [[], [""], [websocket.WebSocketTimeoutException("quiet")]])
def test_a_lost_connection_is_made_again_after_the_last_event(loss: list[Message]) -> None:
    sent = messages(*CONFIRMED)
    line = Line(sent[:2] + loss, OSError("away"), refusal(503), [*sent[2:3], *loss], sent[3:])
    assert [event["seq"] for event in line.follow()] == [1, 2, 3, 4, 5]
    assert line.asked == [0, 2, 2, 2, 3]


def test_a_stream_that_stays_away_is_given_up() -> None:
    line = Line(messages(*CONFIRMED)[:1])
    with pytest.raises(CannotGoOn, match="goes on without a watcher"):
        line.follow()
    assert 30 < line.now < 32


def test_a_quiet_order_is_watched_as_long_as_its_service_is_there() -> None:
    sent = messages(*CONFIRMED)
    quiet: list[list[Message]] = [[websocket.WebSocketTimeoutException("quiet")]] * 100
    assert len(Line(sent[:4], *quiet, sent[4:]).follow()) == 5


def test_a_refused_stream_is_given_up_at_once() -> None:
    line = Line(refusal(404))
    with pytest.raises(CannotGoOn, match="404"):
        line.follow()
    assert line.now == 0


def test_the_telling_data_of_each_event_is_told() -> None:
    walk = Walk(FakeOrders())
    walk.steps(*CONFIRMED[:2], RECOVER, CONFIRMED[1], a_failed_attempt(), *CONFIRMED)
    assert [telling(json.loads(event_text(event))) for event in walk.events] == [
        "",
        "",
        (building := "raydium at 230 (quotes: raydium 230, meteora 237)"),
        "because of: recovery",
        building,
        "SLIPPAGE_EXCEEDED: beyond the limit; again in 1500 ms",
        "",
        building,
        f"tx {TRANSACTION.signature}",
        "executed at 230.1, slippage 0.043478 % (positive is worse), fee 5.7525 USDC",
    ]


def test_a_failure_is_told_with_its_reason() -> None:
    *_, failed = messages(FAIL)
    assert telling(json.loads(str(failed))) == f"INSUFFICIENT_LIQUIDITY: {FAIL.detail}"


@pytest.fixture
def desk() -> Iterator[Desk]:
    with open_desk() as desk:
        yield desk


@pytest.mark.parametrize(("moves", "code"), [(CONFIRMED, 0), ((FAIL,), 1)])
def test_an_order_is_placed_and_its_way_printed(
    desk: Desk,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    moves: tuple[Move, ...],
    code: int,
) -> None:
    addresses: list[str] = []

    def connect(address: str, timeout: float) -> FakeSocket:
        addresses.append(address)
        return FakeSocket(messages(*moves))

    monkeypatch.setattr(websocket, "create_connection", connect)
    options = ["--slippage-bps", "5", "--worst-price", "231.5", "--max-legs", "2"]
    assert main(["AAPL", "buy", "0.10", *options, "--url", desk.url]) == code
    asked = {"slippageBps": 5, "worstPrice": "231.5", "maxLegs": 2}
    order = {"symbol": "AAPL", "side": "buy", "quantity": "0.10", **asked}
    assert desk.received == [("/api/orders/execute", order)]
    ws = desk.url.replace("http", "ws")
    assert addresses == [f"{ws}/ws/orders?orderId=7a5f&after=0"]
    first, *lines = capsys.readouterr().out.splitlines()
    assert first == "order 7a5f: buy 0.10 AAPL"
    assert [line.split()[2] for line in lines] == ["pending", *(move.target for move in moves)]


@pytest.mark.parametrize(
    ("status", "answer", "line"),
    [
        (400, b'{"code":"VALIDATION_FAILED","detail":"side no"}', "VALIDATION_FAILED): side no"),
        (404, b"{}", "refused (404)"),
        (200, b"<html>", "no answer of an orderengine"),
        (202, b"[]", "no answer of an orderengine"),
    ],
)
def test_a_refusal_is_one_clear_line(
    desk: Desk, capsys: pytest.CaptureFixture[str], status: int, answer: bytes, line: str
) -> None:
    desk.status, desk.answer = status, answer
    assert main(["AAPL", "no", "10", "--url", desk.url]) == 2
    captured = capsys.readouterr()
    assert line in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""


def test_nobody_there_is_one_clear_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["AAPL", "buy", "10", "--url", "http://127.0.0.1:1"]) == 2
    message = "nothing answers at http://127.0.0.1:1: start it with make run\n"
    assert capsys.readouterr().err == message


@pytest.mark.parametrize("url", ["localhost:3000", "ftp://x", "http://", "http://x:99999", "x"])
def test_another_url_is_refused(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["AAPL", "buy", "10", "--url", url])
    assert stopped.value.code == 2
    assert "must be an http:// or https:// URL" in capsys.readouterr().err
