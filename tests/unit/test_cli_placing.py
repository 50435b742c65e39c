"""Placing an order while answers get lost: it is placed once, and reported correctly."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from orderengine.cli import placing
from orderengine.cli.placing import OutcomeUnknown, place
from orderengine.cli.service import CannotGoOn, RequestRefused, Service
from tests.cli_desk import Desk, call, open_desk
from tests.client_desk import Time, time

__all__ = ["time"]

ORDER = {"symbol": "AAPL", "side": "buy", "quantity": "10"}
LOST = (0, b"")
GATEWAY = (502, b"<html>")
UNSTORED = (503, b'{"code":"STORAGE_UNAVAILABLE","detail":"no answer"}')
CONFLICT = (409, b'{"code":"IDEMPOTENCY_CONFLICT","detail":"still being stored"}')
DISABLED = (503, b'{"code":"ORDERS_DISABLED","detail":"closed"}')
FULL = (503, b'{"code":"QUEUE_FULL","detail":"10000 orders wait"}')
LIMITED = (429, b'{"code":"RATE_LIMITED","detail":"too often"}')
LOCKED = (401, b'{"code":"UNAUTHORIZED","detail":"no key"}')
INVALID = (400, b'{"code":"VALIDATION_FAILED","detail":"side no"}')
TAKEN = (409, b'{"code":"CLIENT_ORDER_ID_TAKEN","detail":"another one"}')


@pytest.fixture
def desk() -> Iterator[Desk]:
    with open_desk() as desk:
        yield desk


def order_at(url: str, time: Time) -> str:
    service = Service(urlsplit(url))
    return str(place(service, ORDER, "a-key", time.clock, time.pause)["orderId"])


@pytest.mark.parametrize("doubt", [LOST, GATEWAY, (502, b"{}"), UNSTORED, CONFLICT])
def test_an_answer_that_leaves_doubt_is_asked_for_again_with_the_same_key(
    desk: Desk, time: Time, doubt: tuple[int, bytes]
) -> None:
    desk.before = [doubt, doubt]
    assert order_at(desk.url, time) == "7a5f"
    assert desk.received == [("/api/orders/execute", ORDER)] * 3
    assert desk.names == ["a-key"] * 3
    assert time.pauses == [1.0, 2.0]


@pytest.mark.parametrize(
    "answer", [DISABLED, FULL, LIMITED, LOCKED, INVALID, TAKEN, (404, b"<html>"), (404, b"{}")]
)
def test_a_certain_refusal_is_not_asked_about_again(
    desk: Desk, time: Time, answer: tuple[int, bytes]
) -> None:
    desk.before = [answer]
    with pytest.raises(CannotGoOn) as refusal:
        order_at(desk.url, time)
    assert not isinstance(refusal.value, OutcomeUnknown)
    assert (len(desk.received), time.pauses) == (1, [])


@pytest.mark.parametrize(
    "answer", [DISABLED, FULL, LIMITED, LOCKED, (404, b"<html>"), (404, b"{}")]
)
def test_a_refusal_at_the_door_says_nothing_about_the_request_before_it(
    desk: Desk, time: Time, answer: tuple[int, bytes]
) -> None:
    desk.before = [LOST, answer]
    assert order_at(desk.url, time) == "7a5f"


@pytest.mark.parametrize("answer", [INVALID, TAKEN])
def test_a_refusal_of_the_order_itself_ends_the_doubt(
    desk: Desk, time: Time, answer: tuple[int, bytes]
) -> None:
    desk.before = [GATEWAY, answer]
    with pytest.raises(RequestRefused):
        order_at(desk.url, time)


def test_who_has_no_good_key_is_told_where_it_belongs(desk: Desk, time: Time) -> None:
    desk.before = [LOCKED]
    with pytest.raises(RequestRefused, match=r"UNAUTHORIZED\): no key; set ORDERENGINE_API_KEY"):
        order_at(desk.url, time)


def test_a_doubt_that_stays_is_told_after_half_a_minute(desk: Desk, time: Time) -> None:
    desk.status, desk.answer = UNSTORED
    with pytest.raises(OutcomeUnknown, match=r"STORAGE_UNAVAILABLE.*--idempotency-key a-key"):
        order_at(desk.url, time)
    assert 25 < time.now <= placing.ASK_AGAIN_FOR_S


def test_a_service_that_is_gone_after_a_lost_answer_leaves_the_doubt(time: Time) -> None:
    with open_desk() as desk:
        desk.before = [LOST]

        def pause(seconds: float) -> None:
            desk.server.server_close()
            time.pause(seconds)

        with pytest.raises(OutcomeUnknown, match="nothing answers"):
            place(Service(urlsplit(desk.url)), ORDER, "a-key", time.clock, pause)


def test_nobody_there_from_the_start_is_certain(time: Time) -> None:
    with pytest.raises(CannotGoOn, match="nothing answers") as refusal:
        order_at("http://127.0.0.1:1", time)
    assert not isinstance(refusal.value, OutcomeUnknown)


def test_each_submission_has_a_key_of_its_own_unless_one_is_given(desk: Desk) -> None:
    order = ("submit", "AAPL", "buy", "10", "--url", desk.url)
    assert [call(*order).exit_code for _ in range(2)] == [0, 0]
    assert call(*order, "--idempotency-key", "mine", "--client-order-id", "a-1").exit_code == 0
    first, second, given = desk.names
    assert len({first, second, given}) == 3
    assert min(len(first), len(second)) == 36
    assert given == "mine"
    assert [body.get("clientOrderId") for _, body in desk.received] == [None, None, "a-1"]


def test_a_doubt_that_stays_has_an_exit_status_of_its_own(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(placing, "ASK_AGAIN_FOR_S", 0.0)
    desk.before = [LOST]
    ran = call("submit", "AAPL", "buy", "10", "--url", desk.url)
    assert (ran.exit_code, ran.stdout, ran.stderr.count("\n")) == (3, "", 1)
    (key,) = desk.names
    assert f"--idempotency-key {key}" in ran.stderr


@pytest.mark.parametrize("key", ["", "a b", "é", "a\n", "a" * 256])
def test_a_key_that_breaks_the_rule_is_refused_before_it_is_sent(desk: Desk, key: str) -> None:
    ran = call("submit", "AAPL", "buy", "10", "--url", desk.url, f"--idempotency-key={key}")
    assert (ran.exit_code, ran.stderr.count("\n"), desk.received) == (2, 1, [])
