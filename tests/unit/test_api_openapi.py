"""The description of the API says what the API does."""

import re
from typing import Any

import pytest

from orderengine.domain.order import OrderStatus
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


def test_every_route_is_described(web: Web, spec: dict[str, Any]) -> None:
    routes = {
        (re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule), method.lower())
        for rule in web.app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if rule.rule.startswith(("/api", "/livez", "/readyz"))
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
    assert request["required"] == ["quantity", "side", "symbol"]
    assert request["additionalProperties"] is False
    assert fields["side"]["enum"] == ["buy", "sell"]
    assert fields["quantity"]["type"] == ["string", "number"]
    assert fields["quantity"]["exclusiveMinimum"] == 0
    tolerance = fields["slippageBps"]
    assert (tolerance["minimum"], tolerance["maximum"], tolerance["default"]) == (0, 10_000, 100)


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
