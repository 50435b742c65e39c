"""The description of the API says what the API does."""

import itertools
import re
from datetime import timedelta
from decimal import Decimal
from typing import Any

import jsonschema_rs
import pytest
from marshmallow import ValidationError

from orderengine.api.validation.decimals import ExactDecimal
from orderengine.api.validation.strict_json import JsonNumber
from orderengine.domain.documents import event_document
from orderengine.domain.moves import (
    Amend,
    EndCanceled,
    EndExpired,
    Move,
    RoutingCause,
    StartRouting,
    Submit,
)
from orderengine.domain.order import Order, OrderStatus
from orderengine.domain.terms import TimeInForce
from tests.builders import (
    A_REST,
    A_TRIGGER,
    NOT_FILLED,
    TRANSACTION,
    a_build,
    a_limit,
    a_sniper,
)
from tests.fakes import START, FakeOrders
from tests.steps import FAIL, Walk
from tests.web import Web

PROBLEM = "application/problem+json"
SCHEMA = "#/components/schemas/Problem"


@pytest.fixture(scope="module")
def web() -> Web:
    return Web()


@pytest.fixture(scope="module")
def spec(web: Web) -> dict[str, Any]:
    answer = web.client.get("/openapi.json")
    assert answer.status_code == 200
    document: dict[str, Any] = answer.get_json()
    return document


def test_declarations_do_not_wrap_a_view(web: Web) -> None:
    view: Any = web.app.view_functions["orders.execute_order"]
    assert not hasattr(view.__wrapped__, "__wrapped__")  # only the one that handles its answer


def test_every_route_is_described(web: Web, spec: dict[str, Any]) -> None:
    routes = {
        (re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule), method.lower())
        for rule in web.app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if rule.rule.startswith(("/api", "/livez", "/readyz"))
        and not rule.endpoint.startswith("earlier_paths.")
    }
    described = {
        (path, method)
        for path, operations in spec["paths"].items()
        for method in operations
        if method != "parameters"
    }
    assert described == routes
    assert spec["openapi"] == "3.1.0"


def test_every_error_is_described_as_a_problem(spec: dict[str, Any]) -> None:
    answers = [
        (status, answer.get("content"))
        for operations in spec["paths"].values()
        for method, operation in operations.items()
        if method != "parameters"
        for status, answer in operation["responses"].items()
    ]
    errors = [content for status, content in answers if status >= "400"]
    assert errors
    assert all(set(content) == {PROBLEM} for content in errors)
    assert all(content[PROBLEM]["schema"] == {"$ref": SCHEMA} for content in errors)


def test_every_reference_leads_somewhere_and_nothing_is_unused(spec: dict[str, Any]) -> None:
    used = set(re.findall(r"#/components/schemas/(\w+)", str(spec)))
    assert used == set(spec["components"]["schemas"])


def test_an_order_is_described_with_its_rules(spec: dict[str, Any]) -> None:
    request = spec["components"]["schemas"]["OrderRequest"]
    fields = request["properties"]
    assert request["required"] == ["side", "symbol"]
    for name in ("quantity", "quoteQuantity"):
        assert "`quantity`" in fields[name]["description"]
    assert request["additionalProperties"] is False
    assert fields["side"]["enum"] == ["buy", "sell"]
    tolerance = fields["slippageBps"]
    assert (tolerance["minimum"], tolerance["maximum"]) == (0, 10_000)
    assert "default 100" in tolerance["description"]
    assert [name for name, field in fields.items() if "default" in field] == []


@pytest.mark.parametrize("name", ["quantity", "worstPrice"])
def test_an_amount_is_described_as_narrow_as_its_rules(spec: dict[str, Any], name: str) -> None:
    schema = spec["components"]["schemas"]["OrderRequest"]["properties"][name]
    allowed = jsonschema_rs.Draft202012Validator(schema)
    least, most = f"0.{'0' * 26}1", "9" * 28
    for text in ("10", "0.5", "0.05", "12.50", least, most):
        assert allowed.is_valid(text), text
        assert ExactDecimal().deserialize(text) == Decimal(text)
    for text in ("0", "0.0", "-1", "1e3", "01", ".5", "5.", "", "1_0", " 1", "1\n", most + "9"):
        assert not allowed.is_valid(text), text
    for number in (1, 0.5, 1e-27, 9e27):
        assert allowed.is_valid(number), number
        ExactDecimal().deserialize(JsonNumber(repr(number)))
    for number in (0, -1, 5e-324, 1e-28, 1e28, 1.7976931348623157e308):
        assert not allowed.is_valid(number), number
        with pytest.raises(ValidationError):
            ExactDecimal().deserialize(JsonNumber(repr(number)))


def test_a_text_is_described_without_what_can_not_be_printed(spec: dict[str, Any]) -> None:
    listed = {each["name"]: each for each in spec["paths"]["/api/orders"]["get"]["parameters"]}
    asked = spec["components"]["schemas"]["OrderRequest"]["properties"]
    for schema in (listed["symbol"]["schema"], asked["symbol"]):
        allowed = jsonschema_rs.Draft202012Validator(schema)
        assert allowed.is_valid("AAPL")
        for text in ("", "A\x00", "A\x1f", "A\n", "\x7f", " "):
            assert not allowed.is_valid(text), text


def test_every_operation_has_an_id_of_its_own_and_says_more_than_its_summary(
    spec: dict[str, Any],
) -> None:
    described = [
        operation
        for operations in spec["paths"].values()
        for method, operation in operations.items()
        if method != "parameters"
    ]
    ids = [operation["operationId"] for operation in described]
    assert len(set(ids)) == len(ids) == 16
    assert [each for each in ids if not re.fullmatch("[a-z]+([A-Z][a-z]+)+", each)] == []
    assert [each["operationId"] for each in described if not each.get("description")] == []


def test_both_answers_to_an_order_have_one_shape(spec: dict[str, Any]) -> None:
    answers = spec["paths"]["/api/orders/execute"]["post"]["responses"]
    shapes = [answers[status]["content"]["application/json"]["schema"] for status in ("200", "202")]
    assert shapes == [{"$ref": "#/components/schemas/Order"}] * 2


def test_the_accepted_order_is_the_one_that_is_read_at_once(spec: dict[str, Any]) -> None:
    web = Web()
    order = {
        "symbol": "AAPL",
        "side": "sell",
        "quantity": "2.50",
        "worstPrice": 1.5,
        "maxLegs": 2,
        "clientOrderId": "a",
    }
    accepted = web.client.post("/api/orders/execute", json=order).get_json()
    schema = {"$ref": "#/components/schemas/Order", "components": spec["components"]}
    assert list(jsonschema_rs.Draft202012Validator(schema).iter_errors(accepted)) == []
    links = accepted.pop("links")
    assert web.client.get(links["order"]).get_json() == accepted
    assert [each["seq"] for each in web.client.get(links["events"]).get_json()["events"]] == [1]


def test_an_event_is_told_apart_by_its_status(spec: dict[str, Any]) -> None:
    schemas = spec["components"]["schemas"]
    event = schemas["Event"]
    mapping = event["discriminator"]["mapping"]
    assert event["discriminator"]["propertyName"] == "status"
    assert list(mapping) == [status.value for status in OrderStatus]
    assert event["oneOf"] == [{"$ref": reference} for reference in mapping.values()]
    for status, reference in mapping.items():
        members = schemas[reference.rpartition("/")[2]]["properties"]
        assert members["status"]["enum"] == [status]
        assert members["data"]["$ref"].endswith(f"/{status.title()}Data")


def waiting_orders(orders: FakeOrders) -> list[Order]:
    """Orders that have waited, through every step that there is for them."""
    start = StartRouting(RoutingCause.ORDER)
    signed: list[Move] = [A_TRIGGER, start, a_build(START), Submit(TRANSACTION)]
    ends: list[Move | None] = [EndCanceled("dead"), NOT_FILLED, None, EndExpired("dead")]
    found = [orders.accept(a_sniper()).order]
    until = {"time_in_force": TimeInForce.GTD, "expires_at": START + timedelta(seconds=60)}
    for end in ends:
        order = orders.accept(a_limit(**(until if isinstance(end, EndExpired) else {}))).order
        moves: list[Move] = [Amend.to(order), A_TRIGGER, start, A_REST, *signed]
        for version, move in enumerate(moves, start=1):
            assert orders.move(order.order_id, version, move) is not None, move
        if isinstance(end, EndCanceled):
            orders.cancel("local", order.order_id)
        if isinstance(end, EndExpired):
            orders.clock.advance(61)
        if end is not None:
            version = orders._orders[order.order_id].version
            assert orders.move(order.order_id, version, end) is not None, end
        found.append(order)
    canceled, expired = orders.accept(a_limit()).order, orders.accept(a_limit(**until)).order
    orders.cancel("local", canceled.order_id)
    orders.expire_due(10)
    return [*found, canceled, expired]


def test_every_step_fits_the_description_of_its_status_and_says_nothing_else(
    spec: dict[str, Any],
) -> None:
    orders = FakeOrders()
    walks = [Walk(orders), Walk(orders)]
    walks[0].confirm()
    walks[1].step(FAIL)
    order_ids = [walk.order_id for walk in walks]
    order_ids += [order.order_id for order in waiting_orders(orders)]
    told: dict[str, set[str]] = {}
    event = {"$ref": "#/components/schemas/Event", "components": spec["components"]}
    allowed = jsonschema_rs.Draft202012Validator(event)
    for step in (each for order_id in order_ids for each in orders.events(order_id)):
        document = event_document(step)
        assert list(allowed.iter_errors(document)) == []
        told.setdefault(step.status.value, set()).update(document["data"])
    for status, names in told.items():
        data = spec["components"]["schemas"][f"{status.title()}Data"]["properties"]
        assert names <= data.keys(), status
    assert told.keys() == {status.value for status in OrderStatus}


def test_a_stream_is_described_as_text(spec: dict[str, Any]) -> None:
    content = spec["paths"]["/api/orders/{order_id}/stream"]["get"]["responses"]["200"]["content"]
    assert content["text/event-stream"]["schema"] == {"type": "string"}


def test_no_two_paths_can_be_taken_for_each_other(spec: dict[str, Any]) -> None:
    shapes = [tuple(each.split("/")) for each in spec["paths"]]
    for one, other in itertools.combinations(shapes, 2):
        if len(one) != len(other):
            continue
        differing = [(a, b) for a, b in zip(one, other, strict=True) if a != b]
        variables = [sum("{" in part for part in path) for path in (one, other)]
        is_told_apart = any("{" not in a + b for a, b in differing)
        assert is_told_apart or variables[0] != variables[1], (one, other)


def test_the_statuses_of_an_answer_are_described(spec: dict[str, Any]) -> None:
    order = spec["components"]["schemas"]["Order"]
    assert order["properties"]["status"]["enum"] == [status.value for status in OrderStatus]
    assert "txHash" not in order["required"]
    assert "additionalProperties" not in order


def test_the_query_of_the_list_is_described(spec: dict[str, Any]) -> None:
    parameters = spec["paths"]["/api/orders"]["get"]["parameters"]
    assert [each["name"] for each in parameters] == ["status", "symbol", "limit", "cursor"]
    assert {each["in"] for each in parameters} == {"query"}


def test_the_key_of_a_request_is_described(spec: dict[str, Any]) -> None:
    operation = spec["paths"]["/api/orders/execute"]["post"]
    key, prefer = operation["parameters"]
    assert (prefer["in"], prefer["name"]) == ("header", "Prefer")
    assert (key["in"], key["name"], key.get("required", False)) == (
        "header",
        "Idempotency-Key",
        False,
    )
    assert (key["schema"]["minLength"], key["schema"]["maxLength"]) == (1, 255)
    assert {"409", "422"} <= operation["responses"].keys()
    assert "Idempotency-Replayed" in operation["responses"]["202"]["headers"]
