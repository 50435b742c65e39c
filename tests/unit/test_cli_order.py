"""The command that places an order and watches it."""

import json
from collections.abc import Iterator

import pytest
import websocket
from click.shell_completion import BashComplete

from orderengine.cli.common import Surroundings
from orderengine.cli.main import main
from orderengine.domain.moves import Move
from orderengine.domain.order import TARGETS
from tests.cli_desk import Desk, FakeSocket, call, messages, open_desk, refusal
from tests.steps import CONFIRMED, FAIL


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
