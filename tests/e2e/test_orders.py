"""Orders from their POST to the end of their streams."""

import json
import urllib.request
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from threading import Barrier

import pytest

from tests.e2e.stack import TIMEOUT_S, Document, Following, Stack, next_event, rest
from tests.e2e.timing import at

STATUSES = ["pending", "routing", "building", "submitted", "confirmed"]
REQUESTS = [
    ("AAPL", "buy", "10"),
    ("AAPL", "sell", "7.5"),
    ("TSLA", "buy", "3"),
    ("NVDA", "sell", "20"),
    ("SPY", "buy", "0.5"),
    ("BTC", "buy", "0.05"),
    ("BTC", "sell", "0.00125"),
    ("ETH", "sell", "1.25"),
    ("SOL", "buy", "12"),
    ("JUP", "sell", "2500"),
    ("BONK", "buy", "1000000.00001"),
    ("RAY", "sell", "100"),
]
FILL_KEYS = {
    *("dex", "quotedPrice", "txHash", "baseAmount", "quoteAmount", "executedPrice"),
    *("fee", "marketImpactBps", "slippagePct", "landedAt", "executedLegs"),
}


@dataclass(frozen=True, slots=True)
class Placed:
    """An order and its events, from the client's view."""

    request: tuple[str, str, str]
    order_id: str
    stream: Following

    @property
    def side(self) -> str:
        return self.request[1]

    def data(self, status: str) -> Document:
        """The data of the event with this status."""
        data: Document = self.stream.events[STATUSES.index(status)]["data"]
        return data


@pytest.fixture(scope="module")
def stack_environ() -> Mapping[str, str]:
    return {"SIM_SETTLEMENT_MS": "900-1200"}


@pytest.fixture(scope="module")
def placed(stack: Stack) -> list[Placed]:
    """Orders of several clients, all at the same time, each followed to its end."""
    together = Barrier(len(REQUESTS))

    def place(request: tuple[str, str, str]) -> Placed:
        together.wait(TIMEOUT_S)
        order_id = stack.post(*request)
        return Placed(request, order_id, stack.follow(order_id))

    with ThreadPoolExecutor(len(REQUESTS)) as threads:
        return list(threads.map(place, REQUESTS))


def test_each_of_many_clients_sees_every_status_in_order_then_a_clean_close(
    placed: list[Placed],
) -> None:
    for order in placed:
        assert (order.stream.statuses, order.stream.code) == (STATUSES, 1000)
        assert order.stream.seqs == [1, 2, 3, 4, 5]
        assert {event["orderId"] for event in order.stream.events} == {order.order_id}
        assert {event["attempt"] for event in order.stream.events} == {1}


def test_their_orders_run_at_the_same_time(placed: list[Placed]) -> None:
    last_accepted = max(at(order.stream.events[0]) for order in placed)
    assert last_accepted < min(at(order.stream.events[-1]) for order in placed)


def test_the_first_event_tells_what_was_asked_for(placed: list[Placed]) -> None:
    for order in placed:
        symbol, side, quantity = order.request
        assert order.data("pending") == {
            "symbol": symbol,
            "side": side,
            "quantity": quantity,
            "slippageBps": 100,
            "maxLegs": 1,
            "type": "market",
            "timeInForce": "IOC",
        }


def test_an_order_goes_to_the_venue_that_is_better_for_its_side(placed: list[Placed]) -> None:
    for order in placed:
        data = order.data("building")
        prices = {quote["dex"]: Decimal(quote["price"]) for quote in data["quotes"]}
        assert prices.keys() == {"raydium", "meteora"}
        best = min if order.side == "buy" else max
        assert data["dex"] == best(prices, key=prices.__getitem__)
        assert Decimal(data["quotedPrice"]) == best(prices.values())
        assert data["refusals"] == {}


def test_the_venues_differ_by_two_to_five_percent(placed: list[Placed]) -> None:
    compared = 0
    for order in placed:
        quotes = order.data("building")["quotes"]
        if len({quote["pool"] for quote in quotes}) > 1:
            continue  # the pools changed between the two quotes
        low, high = sorted(Decimal(quote["price"]) for quote in quotes)
        assert Decimal("0.02") <= high / low - 1 <= Decimal("0.05"), order.request
        compared += 1
    assert compared


def test_the_last_event_tells_all_about_the_execution(placed: list[Placed]) -> None:
    for order in placed:
        built, sent, done = map(order.data, ("building", "submitted", "confirmed"))
        assert done.keys() == FILL_KEYS
        assert done["txHash"] == sent["txHash"]
        assert (done["dex"], done["quotedPrice"]) == (built["dex"], built["quotedPrice"])
        assert min(Decimal(done[key]) for key in ("executedPrice", "baseAmount")) > 0
        assert min(Decimal(done[key]) for key in ("fee", "marketImpactBps")) >= 0
        quoted, executed = Decimal(done["quotedPrice"]), Decimal(done["executedPrice"])
        worse = executed - quoted if order.side == "buy" else quoted - executed
        assert abs(Decimal(done["slippagePct"]) - worse / quoted * 100) < Decimal("0.0001")
        limit, amount = int(built["limitAmount"]), int(done["quoteAmount"])
        assert amount <= limit if order.side == "buy" else amount >= limit


def test_the_order_its_events_and_the_list_agree_with_the_stream(
    stack: Stack, placed: list[Placed]
) -> None:
    listed = {order["orderId"]: order for order in stack.get("/api/orders?limit=100")["orders"]}
    for order in placed:
        shown = stack.order(order.order_id)
        assert listed[order.order_id] == shown
        assert (shown["status"], shown["version"], shown["attempt"]) == ("confirmed", 5, 1)
        assert (shown["symbol"], shown["side"], shown["quantity"]) == order.request
        assert shown["quotes"] == order.data("building")["quotes"]
        assert order.data("confirmed").items() <= shown.items()
        assert shown["updatedAt"] == order.stream.events[-1]["at"]
        events = stack.get(f"/api/orders/{order.order_id}/events")["events"]
        assert events == order.stream.events


def test_a_client_that_joins_late_gets_every_message_once_and_byte_for_byte(
    stack: Stack, placed: list[Placed]
) -> None:
    for order in placed:
        assert stack.follow(order.order_id) == order.stream


def test_a_client_gets_what_comes_after_the_event_it_names(
    stack: Stack, placed: list[Placed]
) -> None:
    texts = placed[0].stream.texts
    for after in range(6):
        assert stack.follow(placed[0].order_id, after) == Following(texts[after:], 1000)


def test_clients_that_join_in_mid_flight_see_the_same(stack: Stack) -> None:
    order_id = stack.post("ETH", "buy", "2")
    with stack.socket(order_id) as first:
        seen = [next_event(first) for _ in range(4)]
        with stack.socket(order_id) as second, stack.socket(order_id, after=2) as third:
            assert stack.order(order_id)["status"] == "submitted"
            early, late, resumed = rest(first), rest(second), rest(third)
    assert [*seen, *early.events] == late.events
    assert (late.seqs, resumed.seqs) == ([1, 2, 3, 4, 5], [3, 4, 5])
    assert late.texts[2:] == resumed.texts
    assert {early.code, late.code, resumed.code} == {1000}


def test_fifty_requests_with_one_key_make_one_order(stack: Stack) -> None:
    barrier = Barrier(50)
    body = json.dumps({"symbol": "SOL", "side": "buy", "quantity": "0.125"}).encode()

    def ask(_: int) -> tuple[bytes, str | None]:
        request = urllib.request.Request(  # noqa: S310
            f"{stack.url}/api/orders/execute",
            data=body,
            headers={"Content-Type": "application/json", "Idempotency-Key": "fifty"},
        )
        barrier.wait()
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310
            assert answer.status == 202
            return answer.read(), answer.headers["Idempotency-Replayed"]

    with ThreadPoolExecutor(50) as threads:
        answers = list(threads.map(ask, range(50)))
    assert len({json.loads(text)["orderId"] for text, _ in answers}) == 1
    assert sorted(str(replayed) for _, replayed in answers) == ["None", *["true"] * 49]
    listed = stack.get("/api/orders?symbol=SOL&limit=100")["orders"]
    assert [order["quantity"] for order in listed].count("0.125") == 1


@pytest.mark.parametrize("side", ["buy", "sell"])
def test_an_order_beyond_the_depth_of_every_pool_fails_at_once(stack: Stack, side: str) -> None:
    order_id = stack.post("AAPL", side, "100000")
    stream = stack.follow(order_id)
    assert (stream.statuses, stream.code) == (["pending", "routing", "failed"], 1000)
    shown = stack.order(order_id)
    assert (shown["reason"], shown["attempt"]) == ("INSUFFICIENT_LIQUIDITY", 1)
    assert shown["detail"]
    assert [failed["attempt"] for failed in shown["failedAttempts"]] == [1]


def test_the_command_line_client_prints_each_status_and_succeeds(stack: Stack) -> None:
    told = stack.command("submit", "AAPL", "buy", "10", "--watch", "--url", stack.url)
    assert (told.returncode, told.stderr) == (0, "")
    head, *steps = told.stdout.splitlines()
    assert head.endswith("buy 10 AAPL")
    assert [step.split()[2] for step in steps] == STATUSES


def test_no_log_and_no_answer_tells_a_password(stack: Stack, placed: list[Placed]) -> None:
    assert stack.leaked_passwords() == []
    assert all(order.order_id in stack.logs("worker") for order in placed)
