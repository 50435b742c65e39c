"""The Idempotency-Key over HTTP: one order for one key, even if the first answer got lost."""

from dataclasses import replace
from typing import Any

import pytest
from werkzeug.test import TestResponse

from orderengine.domain.errors import IdempotencyConflict, StorageUnavailable
from orderengine.domain.events import Moved
from orderengine.domain.instruments import Instruments
from orderengine.domain.order import NewOrder
from tests.web import INSTRUMENTS, Web, rules

ORDER = '{"symbol":"AAPL","side":"buy","quantity":10}'
KEY = "8e03978e-40d5-43e8-bc93-6894a57f9324"


@pytest.fixture
def web() -> Web:
    return Web()


def ask(web: Web, body: str = ORDER, key: str = KEY) -> TestResponse:
    return web.client.post(
        "/api/orders/execute",
        data=body,
        content_type="application/json",
        headers={"Idempotency-Key": key},
    )


def test_a_repeated_request_gets_the_same_answer_and_is_told_so(web: Web) -> None:
    first, again = ask(web), ask(web)
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.data == again.data
    assert first.headers["Location"] == again.headers["Location"]
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert len(web.orders) == len(web.dispatcher.sent) == 1


@pytest.mark.parametrize(
    "body",
    [
        '{"quantity":"10","side":"buy","symbol":"AAPL"}',
        '{"symbol":"AAPL","side":"buy","quantity":10.00,"slippageBps":100}',
        '{ "symbol":"AAPL", "side":"buy", "quantity":1e1 }',
    ],
)
def test_the_same_order_in_other_words_is_the_same_request(web: Web, body: str) -> None:
    first, again = ask(web), ask(web, body)
    assert first.data == again.data
    assert len(web.orders) == 1


@pytest.mark.parametrize(
    "body",
    [ORDER.replace("10", "11"), ORDER.replace("buy", "sell"), ORDER[:-1] + ',"slippageBps":99}'],
)
def test_another_order_with_the_same_key_is_refused(web: Web, body: str) -> None:
    ask(web)
    answer = ask(web, body)
    assert rules(answer) == []
    assert (answer.status_code, answer.get_json()["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert len(web.orders) == 1


@pytest.mark.parametrize("key", ["", " ", "a b", "k\t", "ké", "k" * 256, "\x7f"])
def test_a_key_that_breaks_the_rule_is_refused_by_its_name(web: Web, key: str) -> None:
    answer = ask(web, key=key)
    assert answer.status_code == 400
    assert rules(answer) == [("Idempotency-Key", "visible_ascii")]
    assert "1 to 255 visible ASCII characters" in answer.get_json()["detail"]
    assert len(web.orders) == 0


@pytest.mark.parametrize("key", ["k", "!~", "k" * 255, '"quoted"'])
def test_any_visible_characters_make_a_key(web: Web, key: str) -> None:
    assert ask(web, key=key).status_code == 202
    assert ask(web, key=key).headers["Idempotency-Replayed"] == "true"


def test_a_refused_order_does_not_use_up_its_key(web: Web) -> None:
    assert ask(web, "{}").status_code == 400
    assert "Idempotency-Replayed" not in ask(web).headers


def test_requests_without_a_key_are_orders_of_their_own(web: Web) -> None:
    assert web.place() != web.place()


def test_a_request_whose_answer_was_lost_finds_its_order(
    web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = web.orders.accept_once

    def store_and_lose(order: NewOrder, key: str) -> Moved:
        stored(order, key)
        raise StorageUnavailable("the answer to COMMIT was lost")

    with monkeypatch.context() as patch:
        patch.setattr(web.orders, "accept_once", store_and_lose)
        assert ask(web).status_code == 503
    answer = ask(web)
    assert (answer.status_code, answer.headers["Idempotency-Replayed"]) == (202, "true")
    assert len(web.orders) == 1


def test_a_duplicate_of_a_request_under_way_is_a_conflict_for_now(
    web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise IdempotencyConflict("under way")

    monkeypatch.setattr(web.orders, "accept_once", refuse)
    answer = ask(web)
    assert rules(answer) == []
    assert (answer.status_code, answer.get_json()["code"]) == (409, "IDEMPOTENCY_CONFLICT")
    assert answer.headers["Retry-After"] == "1"


def test_a_key_that_is_forgotten_at_that_very_moment_is_a_conflict(
    web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(web)
    monkeypatch.setattr(web.orders, "accepted_before", lambda *_: None)
    assert ask(web).status_code == 409


def test_a_symbol_that_is_gone_is_matched_as_it_was_before(
    web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    mixed = replace(INSTRUMENTS.get("SOL"), symbol="mSol")
    monkeypatch.setattr("tests.web.INSTRUMENTS", Instruments([mixed]))
    asked = ORDER.replace("AAPL", "msol")
    before = Web()
    first = ask(before, asked)
    assert first.get_json()["symbol"] == "mSol"
    monkeypatch.setattr("tests.web.INSTRUMENTS", Instruments([INSTRUMENTS.get("SOL")]))
    web.orders = before.orders
    again = ask(web, asked)
    assert (again.status_code, again.data) == (202, first.data)


@pytest.mark.parametrize("asked", [ORDER, ORDER.replace("AAPL", "aapl")])
def test_a_repeated_request_is_answered_though_its_instrument_is_gone(
    web: Web, monkeypatch: pytest.MonkeyPatch, asked: str
) -> None:
    first = ask(web)
    monkeypatch.setattr("tests.web.INSTRUMENTS", Instruments([INSTRUMENTS.get("SOL")]))
    after = Web()
    after.orders = web.orders
    again = ask(after, asked)
    assert (again.status_code, again.headers["Idempotency-Replayed"]) == (202, "true")
    assert again.data == first.data
    assert rules(ask(after, key="another")) == [("symbol", "known")]
    assert rules(ask(after, ORDER.replace("10", "11"))) == [("symbol", "known")]
    assert len(web.orders) == 1
