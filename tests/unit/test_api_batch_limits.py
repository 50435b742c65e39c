"""The limits on the orders of a batch: they count order by order."""

import pytest

from orderengine.execution.intake.limits import Limits
from tests.batch_requests import BAD, ORDER, ask, codes, results, statuses
from tests.web import Web


@pytest.fixture
def web() -> Web:
    return Web()


def test_open_orders_are_counted_order_by_order() -> None:
    web = Web(asks_for_keys=True, limits=Limits(max_open_orders=60))
    alice = web.key("alice")
    answer = ask(web, [BAD, *[ORDER] * 99], **alice)
    assert statuses(answer) == [400, *[202] * 60, *[429] * 39]
    last = results(answer)[-1]
    assert (last["problem"]["code"], last["retryAfter"]) == ("TOO_MANY_OPEN_ORDERS", 1)
    assert len(web.orders) == 60
    assert codes(ask(web, [ORDER], **alice)) == ["TOO_MANY_OPEN_ORDERS"]
    assert statuses(ask(web, [ORDER], **web.key("bob"))) == [202]


def test_waiting_orders_are_counted_order_by_order() -> None:
    web = Web(max_queued=10)
    web.watched.waiting = {"settle": 1, "intake": 6}
    answer = ask(web, [ORDER] * 5)
    assert statuses(answer) == [202, 202, 202, 503, 503]
    assert (codes(answer)[-1], results(answer)[-1]["retryAfter"]) == ("QUEUE_FULL", 1)
    assert codes(ask(web, [ORDER])) == ["QUEUE_FULL"]


def test_each_order_counts_as_a_request_of_its_second() -> None:
    web = Web(asks_for_keys=True, limits=Limits(rate_per_key=50))
    key = web.key()
    answer = ask(web, [ORDER] * 80, **key)
    assert statuses(answer) == [202] * 50 + [429] * 30
    assert (codes(answer)[-1], results(answer)[-1]["retryAfter"]) == ("RATE_LIMITED", 1)
    assert answer.headers["RateLimit-Remaining"] == "0"
    assert ask(web, [ORDER], **key).status_code == 429, "the whole request comes too early"
    web.clock.advance(1)
    answer = ask(web, [ORDER] * 49, **key)
    assert (set(statuses(answer)), answer.headers["RateLimit-Remaining"]) == ({202}, "1")


def test_without_keys_the_address_is_counted_order_by_order() -> None:
    web = Web(limits=Limits(rate_per_address=10))
    assert statuses(ask(web, [ORDER] * 12)) == [202] * 10 + [429] * 2


def test_with_keys_the_tightest_limit_decides() -> None:
    web = Web(asks_for_keys=True, limits=Limits(rate_per_key=1000, rate_per_address=10))
    assert statuses(ask(web, [ORDER] * 12, **web.key())) == [202] * 10 + [429] * 2


def test_the_value_of_each_order_is_limited_by_itself() -> None:
    web = Web(max_notional=10_000)
    answer = ask(web, [ORDER, {**ORDER, "quantity": 1000}, ORDER])
    assert statuses(answer) == [202, 422, 202]
    assert codes(answer)[1] == "NOTIONAL_LIMIT"


def test_new_orders_that_are_switched_off_are_refused_one_by_one() -> None:
    web = Web(limits=Limits(orders_disabled=True))
    answer = ask(web, [ORDER, BAD], "k")
    assert codes(answer) == ["ORDERS_DISABLED", "VALIDATION_FAILED"]
    assert results(answer)[0]["retryAfter"] == 1
    assert len(web.orders) == 0


def test_without_a_store_the_whole_batch_is_refused(web: Web) -> None:
    web.orders.down = True
    answer = ask(web, [ORDER])
    assert (answer.status_code, answer.get_json()["code"]) == (503, "STORAGE_UNAVAILABLE")
    assert answer.headers["Retry-After"] == "1"


def test_without_a_broker_every_order_is_safe(web: Web) -> None:
    web.dispatcher.down = True
    assert statuses(ask(web, [ORDER] * 3)) == [202] * 3
    assert (len(web.orders), web.dispatcher.sent) == (3, [])


def test_a_key_is_needed_where_keys_are(web: Web) -> None:
    assert ask(Web(asks_for_keys=True), [ORDER]).status_code == 401
