"""The commands respect a service's limits, and never report an accepted order as refused."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from urllib.parse import urlsplit

import pytest
import websocket

from orderengine.cli import placing
from orderengine.cli.demo_board import Row
from orderengine.cli.demo_orders import DemoOrder
from orderengine.cli.demo_view import totals
from orderengine.cli.following import follow
from orderengine.cli.limits import Pace, retry_after_s
from orderengine.cli.placing import OutcomeUnknown, place
from orderengine.cli.service import RequestRefused, Service
from tests.cli_desk import Desk, FakeSocket, call, messages, open_desk, refusal
from tests.client_desk import Time, time
from tests.steps import CONFIRMED, FAIL

__all__ = ["time"]

ORDER = {"symbol": "AAPL", "side": "buy", "quantity": "10"}
LIMITED = (429, b'{"code":"RATE_LIMITED","detail":"too often"}')
MANY_OPEN = (429, b'{"code":"TOO_MANY_OPEN_ORDERS","detail":"1000 have not ended"}')
FULL = (503, b'{"code":"QUEUE_FULL","detail":"10000 orders wait"}')
DISABLED = (503, b'{"code":"ORDERS_DISABLED","detail":"closed"}')
APPLE = {"symbol": "AAPL", "quantityStep": "1", "minQuantity": "1", "maxQuantity": "100000"}


@pytest.fixture
def desk() -> Iterator[Desk]:
    with open_desk() as desk:
        desk.headers["Retry-After"] = "3"
        desk.traded = json.dumps({"instruments": [APPLE]}).encode()
        yield desk


def place_at(desk: Desk, time: Time, **options: float) -> str:
    service = Service(urlsplit(desk.url), "", time.clock, time.pause)
    return str(place(service, ORDER, "a-key", time.clock, time.pause, **options)["orderId"])


@pytest.mark.parametrize("busy", [LIMITED, MANY_OPEN, FULL])
def test_a_busy_service_is_asked_again_when_it_says(
    desk: Desk, time: Time, busy: tuple[int, bytes]
) -> None:
    desk.before = [busy, busy]
    assert place_at(desk, time) == "7a5f"
    assert (time.pauses, desk.names) == ([3.0, 3.0], ["a-key"] * 3)


@pytest.mark.parametrize(("patience_s", "asked"), [(30.0, 11), (9.0, 4)])
def test_a_service_that_stays_busy_has_refused_the_order(
    desk: Desk, time: Time, patience_s: float, asked: int
) -> None:
    desk.status, desk.answer = LIMITED
    with pytest.raises(RequestRefused, match="RATE_LIMITED"):
        place_at(desk, time, patience_s=patience_s)
    assert len(desk.names) == asked


def test_a_switch_that_an_operator_turned_is_not_waited_for(desk: Desk, time: Time) -> None:
    desk.before = [DISABLED]
    with pytest.raises(RequestRefused, match="ORDERS_DISABLED"):
        place_at(desk, time)
    assert time.pauses == []


def test_an_order_in_doubt_is_asked_for_when_a_busy_service_says(desk: Desk, time: Time) -> None:
    desk.before = [(0, b""), LIMITED]
    assert place_at(desk, time) == "7a5f"
    assert time.pauses == [1.0, 3.0]


def test_a_list_waits_for_a_busy_service(desk: Desk, time: Time) -> None:
    desk.refusals = [LIMITED, (503, b'{"code":"LISTS_BUSY","detail":"many"}')]
    service = Service(urlsplit(desk.url), "", time.clock, time.pause)
    assert service.instruments() == [APPLE]
    assert time.pauses == [3.0, 3.0]
    desk.refusals = [LIMITED] * 20
    with pytest.raises(RequestRefused, match="RATE_LIMITED"):
        service.instruments()


@pytest.mark.parametrize(
    ("told", "seconds"),
    [({"retry-after": "7"}, 7.0), ({"retry-after": "0"}, 0.1), ({}, None)]
    + [({"retry-after": text}, None) for text in ("", "soon", "-1", "1.5", "\u0661")],
)
def test_when_to_ask_again_is_read_as_http_has_it(
    told: dict[str, str], seconds: float | None
) -> None:
    assert retry_after_s(told) == seconds


def test_when_to_ask_again_may_be_a_date() -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    assert 3500 < (retry_after_s({"retry-after": later}) or 0) <= 3600
    assert retry_after_s({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}) == 0.1


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        ("0", 0.1),
        ("9" * 400, 3600.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 3600.0),
        (f"Wed, 21 Oct 2015 07:28:00 +{'9' * 15}", None),
        ("-1", None),
    ],
)
def test_a_pause_is_bounded_whatever_a_service_says(told: str, seconds: float | None) -> None:
    assert retry_after_s({"retry-after": told}) == seconds


def test_a_stream_is_asked_for_again_when_a_busy_service_says(time: Time) -> None:
    busy = [refusal(429, {"retry-after": "3"})] * 20
    answers: list[Exception | FakeSocket] = [*busy, FakeSocket(messages(*CONFIRMED))]

    def connect(_: int) -> FakeSocket:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert len(list(follow(connect, time.clock, time.pause))) == 5
    assert time.pauses[::2] == [3.0] * 20


def test_a_long_stream_that_breaks_is_asked_for_again(time: Time) -> None:
    class Slow(FakeSocket):
        def recv(self) -> str:
            time.now += 20
            return super().recv()

    sent = messages(*CONFIRMED)
    sockets = iter([Slow(sent[:3]), FakeSocket(sent[3:])])
    assert len(list(follow(lambda _: next(sockets), time.clock, time.pause))) == 5


def test_requests_stay_below_the_limit_in_every_second(time: Time) -> None:
    pace = Pace(time.clock, time.pause)
    pace.wait()
    assert time.pauses == []
    pace.learn({"ratelimit-limit": "50"})
    moments = []
    for _ in range(200):
        pace.wait()
        moments.append(time.now)
    for begin in moments:
        assert sum(begin <= each < begin + 1 for each in moments) <= 41
    assert time.now == pytest.approx(9.0)


@pytest.mark.parametrize("limit", ["", "0", "many", "-5"])
def test_without_a_limit_nobody_waits(time: Time, limit: str) -> None:
    pace = Pace(time.clock, time.pause)
    pace.learn({"ratelimit-limit": limit})
    for _ in range(1000):
        pace.wait()
    assert time.pauses == []


def test_a_replay_is_told_as_one(desk: Desk) -> None:
    order = ("submit", "AAPL", "buy", "10", "--url", desk.url)
    assert "placed before" not in call(*order).stdout
    desk.headers["Idempotency-Replayed"] = "true"
    told = "order 7a5f: buy 10 AAPL (placed before, with the same key)\n"
    assert call(*order).stdout == told
    assert json.loads(call(*order, "--json").stdout) == {"orderId": "7a5f", "replayed": True}


def test_a_service_that_speaks_no_tls_is_told_from_none(desk: Desk) -> None:
    ran = call("list", "--url", desk.url.replace("http://", "https://"))
    assert (ran.exit_code, ran.stderr.count("\n")) == (2, 1)
    assert ran.stderr.startswith("no TLS connection to https://127.0.0.1:")


def test_an_order_that_has_ended_at_once_was_accepted(desk: Desk, time: Time) -> None:
    desk.status = 200
    assert place_at(desk, time) == "7a5f"


@pytest.mark.parametrize("page", [b"[]", b"{}", b"<html>"])
def test_an_acceptance_that_names_no_order_leaves_doubt(
    desk: Desk, time: Time, page: bytes
) -> None:
    desk.answer = page
    with pytest.raises(OutcomeUnknown, match="may have been stored"):
        place_at(desk, time)
    assert time.now > 20


def test_the_demo_tells_an_accepted_order_from_a_refused_one(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(*_: object, **__: object) -> None:
        raise refusal(404)

    monkeypatch.setattr(websocket, "create_connection", lost)
    ran = call("demo", "--orders", "1", "--url", desk.url)
    assert "order 1 (buy 1 AAPL) was accepted as 7a5f, but not watched to its end: " in ran.stdout
    assert "not placed" not in ran.stdout
    monkeypatch.setattr(placing, "ASK_AGAIN_FOR_S", 0.0)
    desk.before = [(0, b"")]
    ran = call("demo", "--orders", "1", "--url", desk.url)
    assert "order 1 (buy 1 AAPL) may have been placed: no answer" in ran.stdout


def test_an_intended_failure_is_called_so() -> None:
    *_, last = messages(FAIL)
    event = json.loads(str(last))
    event["data"] = {"reason": "SLIPPAGE_EXCEEDED", "detail": "", "failedAttempts": []}
    intended = Row(5, DemoOrder("AAPL", "buy", "10", 0)).after(event, 1.0)
    other = Row(6, DemoOrder("AAPL", "buy", "10", None)).after(event, 1.0)
    first, *_, fifth, sixth = totals([intended, other])
    assert first == "0 confirmed, 2 failed (1 as intended), of 2 orders"
    told = "failed as intended, with a tolerance of 0: SLIPPAGE_EXCEEDED, attempts 1"
    assert fifth == f"order 5 (buy 10 AAPL) {told}"
    assert sixth == "order 6 (buy 10 AAPL) failed: SLIPPAGE_EXCEEDED, attempts 1"
    assert (intended.document()["asIntended"], "asIntended" in other.document()) == (True, False)
