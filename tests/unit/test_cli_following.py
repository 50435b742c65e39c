"""The command line follows an order to its end, over lost connections."""

import json
import socket
from typing import Any

import pytest
import websocket

from orderengine.cli.events import code_of, telling
from orderengine.cli.following import follow
from orderengine.cli.service import CannotGoOn, Socket, UpdatesSocket
from orderengine.stream.messages import event_text
from tests.builders import TRANSACTION, a_failed_attempt
from tests.cli_desk import FakeSocket, Message, messages, refusal
from tests.fakes import FakeOrders
from tests.steps import CONFIRMED, FAIL, RECOVER, Walk


class Line:
    """Returns sockets in turn; raises an exception that is in the place of one."""

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
    assert [each.closed for each in line.opened] == [True]


@pytest.mark.parametrize("loss", [[], [""], [websocket.WebSocketTimeoutException("quiet")]])
def test_a_lost_connection_is_made_again_after_the_last_event(loss: list[Message]) -> None:
    sent = messages(*CONFIRMED)
    line = Line(sent[:2] + loss, OSError("away"), refusal(503), [*sent[2:3], *loss], sent[3:])
    assert [event["seq"] for event in line.follow()] == [1, 2, 3, 4, 5]
    assert line.asked == [0, 2, 2, 2, 3]


def test_a_stream_that_stays_away_is_given_up() -> None:
    line = Line(messages(*CONFIRMED)[:1])
    with pytest.raises(CannotGoOn, match="continues unwatched"):
        line.follow()
    assert 30 < line.now < 32


def test_a_quiet_order_is_watched_as_long_as_its_service_is_there() -> None:
    sent = messages(*CONFIRMED)
    quiet: list[list[Message]] = [[websocket.WebSocketTimeoutException("quiet")]] * 100
    assert len(Line(sent[:4], *quiet, sent[4:]).follow()) == 5


UNKNOWN_END = '{"orderId":"7","seq":2,"status":"rejected","attempt":1,"at":"","data":{}}'


class Told(FakeSocket):
    """A socket that the server has closed because the order has ended."""

    has_told_all = True


def test_an_end_that_only_a_later_release_knows_is_an_end() -> None:
    first = messages(*CONFIRMED)[0]
    sockets = iter([FakeSocket([first, UNKNOWN_END, ""]), Told([""])])
    followed = list(follow(lambda _: next(sockets), lambda: 0.0, lambda _: None))
    assert [event["status"] for event in followed] == ["pending", "rejected"]
    assert telling(followed[-1]) == ""
    assert (code_of("rejected"), code_of("confirmed")) == (1, 0)


@pytest.mark.parametrize(("code", "has_told_all"), [(1000, True), (1012, False)])
def test_why_a_socket_was_closed_is_remembered(
    pair: tuple[socket.socket, socket.socket], code: int, *, has_told_all: bool
) -> None:
    server, client = pair
    updates = UpdatesSocket()
    updates.sock, updates.connected = client, True
    for kind, data in (
        (websocket.ABNF.OPCODE_TEXT, b"{}"),
        (websocket.ABNF.OPCODE_CLOSE, code.to_bytes(2)),
    ):
        server.sendall(websocket.ABNF(1, 0, 0, 0, kind, 0, data).format())
    assert (updates.recv(), updates.has_told_all) == ("{}", False)
    assert (updates.recv(), updates.has_told_all) == ("", has_told_all)


def test_a_refused_stream_is_given_up_at_once() -> None:
    line = Line(refusal(404))
    with pytest.raises(CannotGoOn, match="there is no order with this id"):
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
