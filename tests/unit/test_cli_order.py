"""The command that places an order and watches it."""

import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest
import websocket
from click.shell_completion import BashComplete

from orderengine.cli.common import Surroundings
from orderengine.cli.events import code_of, telling
from orderengine.cli.following import follow
from orderengine.cli.main import main
from orderengine.cli.service import CannotGoOn, Socket, UpdatesSocket
from orderengine.domain.moves import Move
from orderengine.domain.order import TARGETS
from orderengine.stream.messages import event_text
from tests.builders import TRANSACTION, a_failed_attempt
from tests.cli_desk import Desk, FakeSocket, Message, call, messages, open_desk, refusal
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


@pytest.fixture
def desk() -> Iterator[Desk]:
    with open_desk() as desk:
        yield desk


@pytest.mark.parametrize(("moves", "code"), [(CONFIRMED, 0), ((FAIL,), 1)])
def test_an_order_is_placed_and_its_way_printed(
    desk: Desk,
    monkeypatch: pytest.MonkeyPatch,
    moves: tuple[Move, ...],
    code: int,
) -> None:
    addresses: list[str] = []

    def connect(address: str, header: object, **_: object) -> FakeSocket:
        addresses.append(address)
        return FakeSocket(messages(*moves))

    monkeypatch.setattr(websocket, "create_connection", connect)
    options = ["--slippage-bps", "5", "--worst-price", "231.5", "--max-legs", "2"]
    ran = call("submit", "AAPL", "buy", "0.10", *options, "--watch", "--url", desk.url)
    assert ran.exit_code == code
    asked = {"slippageBps": 5, "worstPrice": "231.5", "maxLegs": 2}
    order = {"symbol": "AAPL", "side": "buy", "quantity": "0.10", **asked}
    assert desk.received == [("/api/orders/execute", order)]
    ws = desk.url.replace("http", "ws")
    assert addresses == [f"{ws}/ws/orders?orderId=7a5f&after=0"]
    first, *lines = ran.stdout.splitlines()
    assert first == "order 7a5f: buy 0.10 AAPL"
    statuses = ["pending", *(TARGETS[move.kind] for move in moves)]
    assert [line.split()[2] for line in lines] == statuses


@pytest.mark.parametrize(
    ("options", "fields"),
    [
        (["--type", "limit", "--limit-price", "220"], {"type": "limit", "limitPrice": "220"}),
        (
            ["--type", "stop", "--stop-price", "140", "--expires-at", "2027-01-31T12:00:00Z"],
            {"type": "stop", "stopPrice": "140", "expiresAt": "2027-01-31T12:00:00Z"},
        ),
        (
            ["--type", "sniper", "--trigger", "liquidityAdded", "--min-liquidity", "5000"],
            {"type": "sniper", "trigger": {"on": "liquidityAdded", "minLiquidity": "5000"}},
        ),
        (["--trigger", "poolOpened"], {"trigger": {"on": "poolOpened"}}),
        (["--time-in-force", "gtc"], {"timeInForce": "GTC"}),
    ],
)
def test_the_terms_of_an_order_are_sent(
    desk: Desk, options: list[str], fields: dict[str, object]
) -> None:
    assert call("submit", "AAPL", "buy", "1", *options, "--url", desk.url).exit_code == 0
    order = {"symbol": "AAPL", "side": "buy", "quantity": "1", **fields}
    assert desk.received == [("/api/orders/execute", order)]


def test_an_order_that_waits_is_told_with_its_terms(desk: Desk) -> None:
    terms = {"type": "limit", "limitPrice": "220", "timeInForce": "GTC"}
    desk.answer = json.dumps({"orderId": "7a5f", "status": "waiting", **terms}).encode()
    limit = ["--type", "limit", "--limit-price", "220"]
    ran = call("submit", "AAPL", "buy", "1", *limit, "--url", desk.url)
    assert ran.stdout == "order 7a5f: buy 1 AAPL at 220 USDC or better, until canceled\n"


@pytest.mark.parametrize(
    ("status", "answer", "line"),
    [
        (400, b'{"code":"VALIDATION_FAILED","detail":"side no"}', "VALIDATION_FAILED): side no"),
        (404, b"{}", "refused (404)"),
        (200, b"<html>", "no answer from an orderengine"),
    ],
)
def test_a_refusal_is_one_clear_line(desk: Desk, status: int, answer: bytes, line: str) -> None:
    desk.status, desk.answer = status, answer
    ran = call("submit", "AAPL", "no", "10", "--url", desk.url)
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert line in ran.stderr
    assert ran.stderr.count("\n") == 1


def test_nobody_there_is_one_clear_line() -> None:
    ran = call("submit", "AAPL", "buy", "10", "--url", "http://127.0.0.1:1")
    message = "nothing answers at http://127.0.0.1:1: start it with make run\n"
    assert (ran.exit_code, ran.stderr) == (2, message)


UNUSABLE = ["http://x:99999", "http://a..b", f"http://{'a' * 64}", "http://a b", "http://x/a b"]


@pytest.mark.parametrize("url", ["localhost:3000", "ftp://x", "http://", "x", *UNUSABLE])
def test_another_url_is_refused(url: str) -> None:
    ran = call("submit", "AAPL", "buy", "10", "--url", url)
    assert ran.exit_code == 2
    assert "must be an http:// or https:// URL" in ran.stderr
    assert ran.stderr.count("\n") == 1


def test_an_order_is_placed_without_watching_it(desk: Desk) -> None:
    ran = call("submit", "AAPL", "buy", "10", "--url", desk.url)
    assert (ran.exit_code, ran.output) == (0, "order 7a5f: buy 10 AAPL\n")


def test_lines_are_asked_for_only_where_an_order_is_watched(desk: Desk) -> None:
    ran = call("submit", "AAPL", "buy", "10", "--plain", "--url", desk.url)
    assert (ran.exit_code, ran.stderr.count("\n"), desk.received) == (2, 1, [])


def test_json_is_one_document_a_line(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        websocket, "create_connection", lambda *_, **__: FakeSocket(messages(*CONFIRMED))
    )
    ran = call("submit", "AAPL", "buy", "10", "--watch", "--json", "--url", desk.url)
    accepted, *events = [json.loads(line) for line in ran.stdout.splitlines()]
    assert accepted == {"orderId": "7a5f"}
    assert [event["seq"] for event in events] == [1, 2, 3, 4, 5]


def test_a_key_is_sent_along_with_requests_and_sockets(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    headers: list[object] = []

    def connect(_: str, header: object, **_others: object) -> FakeSocket:
        headers.append(header)
        return FakeSocket(messages(*CONFIRMED))

    monkeypatch.setattr(websocket, "create_connection", connect)
    around = Surroundings(desk.url, {"ORDERENGINE_API_KEY": "oe_secret"})
    assert call("submit", "AAPL", "buy", "10", "--watch", around=around).exit_code == 0
    assert headers == [{"Authorization": "Bearer oe_secret"}]
    assert desk.keys == ["Bearer oe_secret"]


def test_the_worst_end_of_watched_orders_is_the_exit_status(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def connect(address: str, **_: object) -> FakeSocket:
        if "lost" in address:
            raise refusal(404)
        return FakeSocket(messages(*(CONFIRMED if "good" in address else (FAIL,))))

    monkeypatch.setattr(websocket, "create_connection", connect)
    codes = [call("watch", *ids).exit_code for ids in (["good"], ["good", "bad"])]
    ran = call("watch", "good", "bad", "lost")
    assert [*codes, ran.exit_code] == [0, 1, 2]
    assert ran.stderr == "lost: refused (ORDER_NOT_FOUND): there is no order with this id\n"
    assert len(ran.stdout.splitlines()) == 7


@pytest.mark.parametrize("arguments", [["submit", "AAPL"], ["no-such"], ["list", "--limit", "0"]])
def test_a_wrong_call_is_one_line_and_status_two(arguments: list[str]) -> None:
    ran = call(*arguments)
    assert (ran.exit_code, ran.stdout, ran.stderr.count("\n")) == (2, "", 1)


@pytest.mark.parametrize(
    ("begun", "completed"),
    [("su", ["submit"]), ("submit B", ["BTC", "BONK"]), ("submit BTC s", ["sell"])],
)
def test_a_shell_completes_commands_and_arguments(begun: str, completed: list[str]) -> None:
    *before, last = begun.split()
    shell = BashComplete(main, {}, "orderengine", "_ORDERENGINE_COMPLETE")
    found = [each.value for each in shell.get_completions(before, last)]
    assert sorted(found) == sorted(completed)


def test_an_order_is_shown_after_its_events_were_pruned(desk: Desk) -> None:
    desk.pages["/api/orders/7a5f"] = b'{"orderId":"7a5f","status":"confirmed"}'
    desk.pages["/api/orders/7a5f/events"] = b'{"code":"EVENTS_PRUNED","detail":"long ago"}'
    desk.statuses["/api/orders/7a5f/events"] = 410
    ran = call("show", "7a5f", "--url", desk.url)
    assert ran.exit_code == 0
    assert "confirmed" in ran.stdout
    assert "its events were pruned" in ran.stdout
    desk.statuses["/api/orders/7a5f"] = 404
    assert call("show", "7a5f", "--url", desk.url).exit_code == 2


def test_open_orders_are_listed(desk: Desk) -> None:
    desk.pages["/api/orders?status=open&limit=20"] = b'{"orders":[{"orderId":"7a5f"}]}'
    ran = call("list", "--status", "open", "--json", "--url", desk.url)
    assert json.loads(ran.stdout) == {"orders": [{"orderId": "7a5f"}]}


def test_a_list_goes_on_over_pages_up_to_the_limit(desk: Desk) -> None:
    desk.pages["/api/orders?limit=100"] = json.dumps(
        {"orders": [{"orderId": str(n)} for n in range(100)], "nextCursor": "c"}
    ).encode()
    desk.pages["/api/orders?limit=50&cursor=c"] = b'{"orders":[{"orderId":"last"}]}'
    ran = call("list", "--limit", "150", "--json", "--url", desk.url)
    assert len(json.loads(ran.stdout)["orders"]) == 101
