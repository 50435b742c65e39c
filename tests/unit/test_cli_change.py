"""`cancel` and `amend` tell in words what has become of an order."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from orderengine.cli import placing
from tests.cli_desk import Desk, call, open_desk

ID = "0198c0de-0000-7000-8000-000000000001"
PATH = f"/api/orders/{ID}"
AMENDED = {
    "orderId": ID,
    "status": "waiting",
    "version": 2,
    "type": "limit",
    "limitPrice": "99.5",
    "timeInForce": "GTC",
    "side": "buy",
    "symbol": "AAPL",
    "quantity": "1",
}
Answer = tuple[int, bytes]
LOST: Answer = (0, b"")


def order(status: str, **more: Any) -> dict[str, Any]:
    return {"orderId": ID, "status": status, "version": 3, **more}


def an_answer(number: int, /, **document: Any) -> Answer:
    return number, json.dumps(document).encode()


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.setattr(placing, "SHORTEST_PAUSE_S", 0.01)
    with open_desk() as desk:
        desk.headers["ETag"] = '"1"'
        desk.pages[PATH] = json.dumps(order("waiting")).encode()
        yield desk


REQUESTED = (
    f"order {ID} is submitted, and its cancel is requested: it ends canceled, or confirmed if its"
    " transaction lands\n"
)


@pytest.mark.parametrize(
    ("status", "state", "told"),
    [(200, "canceled", f"order {ID} is canceled\n"), (202, "submitted", REQUESTED)],
)
def test_a_cancel_tells_what_has_become_of_the_order(
    desk: Desk, status: int, state: str, told: str
) -> None:
    desk.changes = [an_answer(status, **order(state))]
    ran = call("cancel", ID, "--url", desk.url)
    assert (ran.exit_code, ran.output) == (0, told)
    assert desk.asked == [("DELETE", PATH, None, None)]


@pytest.mark.parametrize("state", ["confirmed", "failed", "expired"])
def test_a_cancel_that_comes_too_late_is_refused_with_the_end(desk: Desk, state: str) -> None:
    desk.changes = [an_answer(409, code="TOO_LATE", detail="it has ended", order=order(state))]
    ran = call("cancel", ID, "--url", desk.url)
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert ran.stderr == f"too late: order {ID} is {state}\n"


def test_another_refusal_of_a_cancel_is_told_as_the_service_says(desk: Desk) -> None:
    desk.changes = [an_answer(404, code="ORDER_NOT_FOUND", detail="there is no such order")]
    ran = call("cancel", ID, "--url", desk.url)
    assert (ran.exit_code, ran.stderr) == (2, "refused (ORDER_NOT_FOUND): there is no such order\n")


@pytest.mark.parametrize(
    ("arguments", "path"),
    [
        (["--client-order-id", "a.b"], "/api/orders/by-client-id?clientOrderId=a.b"),
        (["--client-order-id", "a/b"], "/api/orders/by-client-id?clientOrderId=a%2Fb"),
        (["--symbol", "AAPL"], "/api/orders?symbol=AAPL"),
        (["--all"], "/api/orders?all=true"),
    ],
)
def test_a_cancel_names_one_order_or_many(desk: Desk, arguments: list[str], path: str) -> None:
    counts = {"canceled": 12, "requested": 1, "tooLate": 2}
    desk.changes = [an_answer(200, **(order("canceled") if "by" in path else counts))]
    ran = call("cancel", *arguments, "--url", desk.url)
    assert (ran.exit_code, desk.asked) == (0, [("DELETE", path, None, None)])
    many = "12 canceled, 1 requested, 2 too late\n"
    assert ran.stdout == (f"order {ID} is canceled\n" if "by" in path else many)


def test_orders_that_the_database_refuses_to_change_are_told(desk: Desk) -> None:
    desk.changes = [an_answer(200, canceled=2, requested=0, tooLate=0, refused=1)]
    ran = call("cancel", "--all", "--url", desk.url)
    told = "2 canceled, 0 requested, 0 too late, 1 not canceled: the service's log tells why\n"
    assert (ran.exit_code, ran.stdout) == (1, told)


@pytest.mark.parametrize("arguments", [[], [ID, "--all"], ["--symbol", "SOL", "--all"]])
def test_a_cancel_of_nothing_or_of_two_things_is_refused(desk: Desk, arguments: list[str]) -> None:
    ran = call("cancel", *arguments, "--url", desk.url)
    assert (ran.exit_code, desk.asked) == (2, [])
    assert "name one of: ID, --client-order-id, --symbol, --all" in ran.stderr


@pytest.mark.parametrize(
    "trouble", [LOST, (502, b"<html>"), an_answer(503, code="STORAGE_UNAVAILABLE", detail="")]
)
def test_a_cancel_whose_answer_is_lost_is_repeated(desk: Desk, trouble: Answer) -> None:
    desk.changes = [trouble, an_answer(200, **order("canceled"))]
    ran = call("cancel", ID, "--url", desk.url)
    assert (ran.exit_code, len(desk.asked)) == (0, 2)


def test_a_cancel_of_which_nothing_is_known_says_that_a_repeat_is_safe(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(placing, "ASK_AGAIN_FOR_S", 0)
    desk.changes = [LOST]
    ran = call("cancel", ID, "--url", desk.url)
    assert ran.exit_code == 3
    assert "it may have taken effect: repeat the command, which is safe" in ran.stderr


def test_an_amendment_names_the_version_that_it_has_read(desk: Desk) -> None:
    desk.changes = [an_answer(200, **AMENDED)]
    ran = call("amend", ID, "--limit-price", "99.5", "--url", desk.url)
    assert (ran.exit_code, ran.stdout) == (
        0,
        f"order {ID}: buy 1 AAPL at 99.5 USDC or better, until canceled\n",
    )
    assert desk.asked == [("PATCH", PATH, {"limitPrice": "99.5"}, '"1"')]


def test_all_new_terms_are_sent(desk: Desk) -> None:
    desk.changes = [an_answer(200, **AMENDED)]
    options = ["--stop-price", "90", "--worst-price", "80", "--quantity", "5"]
    until = "2027-01-31T12:00:00Z"
    ran = call("amend", ID, *options, "--expires-at", until, "--json", "--url", desk.url)
    assert json.loads(ran.stdout) == AMENDED
    ((_, _, sent, _),) = desk.asked
    assert sent == {"stopPrice": "90", "worstPrice": "80", "quantity": "5", "expiresAt": until}


def test_an_amount_of_usdc_is_changed(desk: Desk) -> None:
    in_usdc = {name: value for name, value in AMENDED.items() if name != "quantity"}
    desk.changes = [an_answer(200, **in_usdc, quoteQuantity="250")]
    ran = call("amend", ID, "--quote-quantity", "250", "--url", desk.url)
    assert ran.stdout.startswith(f"order {ID}: buy AAPL for 250 USDC at ")
    assert desk.asked == [("PATCH", PATH, {"quoteQuantity": "250"}, '"1"')]


def test_an_amendment_of_nothing_is_refused(desk: Desk) -> None:
    ran = call("amend", ID, "--url", desk.url)
    assert (ran.exit_code, desk.asked) == (2, [])
    assert "name at least one new term" in ran.stderr


def test_an_order_that_has_moved_meanwhile_is_told_in_words(desk: Desk) -> None:
    now = order("waiting", limitPrice="98")
    desk.changes = [an_answer(412, code="ORDER_MOVED", detail="it moved", order=now)]
    ran = call("amend", ID, "--limit-price", "99.5", "--url", desk.url)
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert ran.stderr == (
        f"order {ID} was not amended: it has moved since it was read, and is now waiting at"
        " version 3; show it, and amend it again\n"
    )


def test_an_order_that_has_started_is_not_amended(desk: Desk) -> None:
    refusal = {"code": "NOT_WAITING", "detail": "it is routing", "order": order("routing")}
    desk.changes = [an_answer(409, **refusal)]
    ran = call("amend", ID, "--limit-price", "99.5", "--url", desk.url)
    assert (ran.exit_code, ran.stderr) == (2, "refused (NOT_WAITING): it is routing\n")


@pytest.mark.parametrize(
    ("status", "changed", "code"),
    [
        (412, {}, 0),
        (409, {"status": "pending"}, 0),  # it has started with its new price
        (412, {"limitPrice": "98"}, 2),
        (412, {"expiresAt": "2027-02-01T12:00:00Z"}, 2),
    ],
)
def test_a_lost_answer_is_found_by_the_terms_of_the_order(
    desk: Desk, status: int, changed: dict[str, str], code: int
) -> None:
    now = AMENDED | {"limitPrice": "99.50", "expiresAt": "2027-01-31T12:00:00.000000Z"} | changed
    desk.changes = [LOST, an_answer(status, code="MOVED", detail="", order=now)]
    terms = ["--limit-price", "99.5", "--expires-at", "2027-01-31T13:00:00+01:00"]
    assert call("amend", ID, *terms, "--url", desk.url).exit_code == code


def test_an_unknown_order_is_not_amended(desk: Desk) -> None:
    desk.refusals = [an_answer(404, code="ORDER_NOT_FOUND", detail="there is no such order")]
    assert call("amend", ID, "--quantity", "1", "--url", desk.url).exit_code == 2
    assert desk.asked == []
