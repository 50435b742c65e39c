"""Batches over HTTP: each order has its own answer, and refuses no other one."""

import json
from typing import Any

import jsonschema_rs
import pytest
from werkzeug.test import TestResponse

from orderengine.api.validation.strict_json import MAX_BATCH_BYTES
from orderengine.execution.operations.counters import CounterName, Sample
from tests.batch_requests import BAD, ORDER, PATH, ask, results, statuses
from tests.corpus import corpus
from tests.corpus.hostile import EXECUTE
from tests.web import Web, rules


@pytest.fixture
def web() -> Web:
    return Web()


def test_each_order_is_answered_as_if_it_came_alone(web: Web) -> None:
    wanted = [
        {"symbol": "sol", "side": "sell", "quantity": "2.50", "worstPrice": 1.5, "maxLegs": 2},
        BAD,
        {**ORDER, "clientOrderId": "mine", "slippageBps": 0},
        {},
    ]
    answer = ask(web, wanted)
    assert statuses(answer) == [202, 400, 202, 400]
    for order, result in zip(wanted, results(answer), strict=True):
        alone = Web().client.post("/api/orders/execute", json=order)
        if alone.status_code == 202:
            accepted = result["order"]
            assert accepted.keys() == alone.get_json().keys()
            own = {"orderId", "createdAt", "updatedAt", "links"}
            same = {name: accepted[name] for name in accepted.keys() - own}
            assert same == {name: alone.get_json()[name] for name in same}
            links = accepted.pop("links")
            assert web.client.get(links["order"]).get_json() == accepted
        else:
            assert result == {"status": alone.status_code, "problem": alone.get_json()}
    assert len(web.orders) == len(web.publisher.published) == 2
    assert web.dispatcher.exchanges == 1


def test_a_hundred_orders_are_stored_by_one_call_and_listed_the_newest_first(web: Web) -> None:
    answer = ask(web, [{**ORDER, "quantity": place + 1} for place in range(100)])
    accepted = [each["order"]["orderId"] for each in results(answer)]
    listed = web.client.get("/api/orders?limit=100").get_json()["orders"]
    assert [order["orderId"] for order in listed] == accepted[::-1]
    assert [order["quantity"] for order in listed] == [str(100 - place) for place in range(100)]


@pytest.mark.parametrize(
    ("body", "broken"),
    [
        ({}, ("orders", "required")),
        ({"orders": None}, ("orders", "type")),
        ({"orders": {}}, ("orders", "type")),
        ({"orders": "[]"}, ("orders", "type")),
        ({"orders": []}, ("orders", "length")),
        ({"orders": [ORDER] * 101}, ("orders", "length")),
        ({"orders": [ORDER], "atomic": True}, ("atomic", "unknown")),
    ],
)
def test_what_is_no_batch_is_refused_whole(web: Web, body: Any, broken: tuple[str, str]) -> None:
    answer = web.client.post(PATH, json=body)
    assert rules(answer) == [broken]
    assert (answer.status_code, answer.get_json()["code"]) == (400, "VALIDATION_FAILED")
    assert len(web.orders) == 0


@pytest.mark.parametrize("raw", ["[]", "7", '{"orders": [', '{"orders":[{"a":1,"a":1}]}'])
def test_what_is_no_strict_json_is_refused_whole(web: Web, raw: str) -> None:
    answer = web.client.post(PATH, data=raw, content_type="application/json")
    assert (answer.status_code, answer.get_json()["code"]) == (400, "INVALID_JSON")


@pytest.mark.parametrize("order", [None, 7, "order", [], [ORDER], True])
def test_what_is_no_order_refuses_itself_alone(web: Web, order: object) -> None:
    first, second = results(ask(web, [order, ORDER]))
    assert second["status"] == 202
    (broken,) = first["problem"]["errors"]
    assert (broken["field"], broken["rule"]) == ("order", "type")


def test_every_bad_order_gets_the_answer_that_it_gets_alone(web: Web) -> None:
    compared = 0
    for case in corpus():
        if case.path != EXECUTE or case.method != "POST" or case.headers or not case.body:
            continue
        alone = web.client.post(EXECUTE, data=case.body, content_type="application/json")
        if alone.get_json()["code"] not in {"VALIDATION_FAILED", "NOTIONAL_LIMIT"}:
            continue
        good = json.dumps(ORDER).encode()
        body = b'{"orders":[' + case.body.removeprefix(b"\xef\xbb\xbf") + b"," + good + b"]}"
        first, second = results(web.client.post(PATH, data=body, content_type="application/json"))
        assert first == {"status": alone.status_code, "problem": alone.get_json()}, case
        assert second["status"] == 202
        compared += 1
    assert compared > 50


def test_a_batch_may_be_longer_than_an_order_but_not_without_limit(web: Web) -> None:
    text = json.dumps({"orders": [ORDER]})

    def send(length: int) -> TestResponse:
        return web.client.post(PATH, data=text.ljust(length), content_type="application/json")

    assert send(MAX_BATCH_BYTES).status_code == 200
    refused = send(MAX_BATCH_BYTES + 1)
    assert (refused.status_code, rules(refused)) == (413, [("body", "max_bytes")])
    name = "n" * 64
    longest = {
        "symbol": "AAPL", "side": "sell", "quantity": "9" * 28, "slippageBps": 10_000,
        "worstPrice": "0." + "9" * 27, "maxLegs": 2, "type": "market", "clientOrderId": name,
    }  # fmt: skip
    assert len(json.dumps({"orders": [longest] * 100}, indent=4)) < MAX_BATCH_BYTES


def test_another_media_type_is_refused(web: Web) -> None:
    assert web.client.post(PATH, data="{}", content_type="text/plain").status_code == 415


def test_of_two_orders_with_one_name_the_first_is_stored(web: Web) -> None:
    named = {**ORDER, "clientOrderId": "a"}
    first, refused, other = results(ask(web, [named, named, {**ORDER, "clientOrderId": "b"}]))
    assert (first["status"], refused["status"], other["status"]) == (202, 409, 202)
    assert refused["problem"]["code"] == "CLIENT_ORDER_ID_TAKEN"
    assert refused["location"] == first["order"]["links"]["order"]
    assert first["order"]["orderId"] in refused["problem"]["detail"]
    assert len(web.orders) == 2


def test_a_refused_order_leaves_its_name_to_the_next(web: Web) -> None:
    assert statuses(ask(web, [{**BAD, "clientOrderId": "a"}, {**ORDER, "clientOrderId": "a"}])) == [
        400,
        202,
    ]


def test_a_wish_to_wait_is_ignored(web: Web) -> None:
    answer = ask(web, [ORDER], Prefer="wait=10")
    assert statuses(answer) == [202]
    assert "Preference-Applied" not in answer.headers


def test_the_path_serves_nothing_else(web: Web) -> None:
    answer = web.client.get(PATH)
    assert (answer.status_code, answer.get_json()["code"]) == (405, "METHOD_NOT_ALLOWED")


def test_accepted_and_refused_orders_are_counted_one_by_one(web: Web) -> None:
    named = {**ORDER, "clientOrderId": "a"}
    for _ in range(2):
        ask(web, [ORDER, named, named, BAD, {}], "k")
    ask(web, [])
    counted = web.metrics.counts()
    assert counted[Sample(CounterName.ACCEPTED)] == 2
    assert counted[Sample(CounterName.REFUSALS, "CLIENT_ORDER_ID_TAKEN")] == 1
    assert counted[Sample(CounterName.REFUSALS, "VALIDATION_FAILED")] == 3


def test_every_result_has_the_described_shape() -> None:
    web = Web(max_queued=3)
    web.watched.waiting = {"intake": 0}
    spec = web.client.get("/openapi.json").get_json()
    named = {**ORDER, "clientOrderId": "a"}
    answer = ask(web, [named, named, BAD, {**ORDER, "symbol": "GONE"}, ORDER, ORDER, ORDER])
    assert statuses(answer) == [202, 409, 400, 400, 202, 503, 503]
    schema = {"$ref": "#/components/schemas/Batch", "components": spec["components"]}
    assert list(jsonschema_rs.Draft202012Validator(schema).iter_errors(answer.get_json())) == []
    for each in results(answer):
        assert ("order" in each, "problem" in each) in {(True, False), (False, True)}


def test_the_request_is_described_with_its_limits(web: Web) -> None:
    schemas = web.client.get("/openapi.json").get_json()["components"]["schemas"]
    orders = schemas["BatchRequest"]["properties"]["orders"]
    assert (orders["minItems"], orders["maxItems"]) == (1, 100)
    assert orders["items"] == {"$ref": "#/components/schemas/OrderRequest"}
    assert schemas["BatchRequest"]["additionalProperties"] is False
