"""The documentation covers every route, error code and failure reason, with true examples."""

import hashlib
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from generators import postman
from orderengine.api.answers.problems import TITLES, ErrorCode
from orderengine.api.answers.schemas import EventSchema
from orderengine.api.description.asyncapi import (
    CLOSE_CODES,
    CURSOR_EXAMPLE,
    EXAMPLE,
    asyncapi_document,
)
from orderengine.api.description.problem_examples import EXAMPLES
from orderengine.api.routes import documentation
from orderengine.api.validation.schemas import UpdatesQuerySchema
from orderengine.domain.errors import FailureReason
from orderengine.domain.terms import OrderType
from orderengine.settlement.solana import errors as live
from orderengine.stream.messages import cursor_message, event_text
from orderengine.stream.replay import Cursor, Sent
from tests.frames import frame_corpus
from tests.steps import Walk
from tests.web import Web

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
ERRORS = (ROOT / "docs" / "errors.md").read_text("utf-8")


@pytest.fixture(scope="module")
def web() -> Web:
    return Web(asks_for_keys=True)


@pytest.fixture(scope="module")
def spec(web: Web) -> dict[str, Any]:
    document: dict[str, Any] = web.client.get("/openapi.json").get_json()
    return document


def operations(spec: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {
        (path, method): operation
        for path, found in spec["paths"].items()
        for method, operation in found.items()
        if method != "parameters"
    }


def test_every_route_is_in_the_description_or_the_readme(web: Web, spec: dict[str, Any]) -> None:
    paths = {
        re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", each.rule) for each in web.app.url_map.iter_rules()
    }
    earlier = {"/api/orders/by-client-id/{client_order_id}"}
    others = {
        path
        for path in paths - set(spec["paths"]) - earlier
        if not path.startswith(("/docs/", "/static/"))
    }
    assert others == {"/", "/asyncapi.json", "/docs", "/metrics", "/openapi.json", "/ws/orders"}
    assert [path for path in others if path not in README] == []


def test_every_error_code_has_an_example_a_title_and_a_line_in_its_page() -> None:
    assert set(EXAMPLES) == set(TITLES) == set(ErrorCode)
    told = dict(re.findall(r"^\| `([A-Z_]+)` \| (\d{3}) \|", ERRORS, re.MULTILINE))
    assert told == {code.value: str(EXAMPLES[code].status) for code in ErrorCode}


def test_every_reason_of_a_failure_is_explained() -> None:
    told = set(re.findall(r"^\| `([A-Z_]+)` \| (?!\d)", ERRORS, re.MULTILINE))
    assert told == {reason.value for reason in FailureReason}


def test_every_error_of_an_operation_shows_its_answer(spec: dict[str, Any]) -> None:
    shown = set()
    for operation in operations(spec).values():
        for status, answer in operation["responses"].items():
            if status < "400":
                continue
            for code, example in answer["content"]["application/problem+json"]["examples"].items():
                assert example["value"]["code"] == code
                assert example["value"]["status"] == int(status)
                assert f"`{code}`" in answer["description"]
                shown.add(ErrorCode(code))
    elsewhere = {
        ErrorCode.REQUEST_TIMEOUT,
        ErrorCode.URI_TOO_LONG,
        ErrorCode.EXPECTATION_FAILED,
        ErrorCode.HEADERS_TOO_LARGE,
        ErrorCode.UNSUPPORTED_TRANSFER_CODING,
        ErrorCode.HTTP_VERSION_NOT_SUPPORTED,
        ErrorCode.UPGRADE_REQUIRED,
        ErrorCode.ORIGIN_NOT_ALLOWED,
        ErrorCode.FORBIDDEN,  # of /metrics, which is not described
        ErrorCode.NOT_FOUND,  # of no operation
        ErrorCode.METHOD_NOT_ALLOWED,
        ErrorCode.INTERNAL_ERROR,  # a defect
    }
    assert shown == set(ErrorCode) - elsewhere


def test_every_answer_shows_an_example_that_its_schema_allows(spec: dict[str, Any]) -> None:
    shown = 0
    for (path, method), operation in operations(spec).items():
        for status, answer in operation["responses"].items():
            if status.startswith("2") and status != "204":
                ((media_type, content),) = answer["content"].items()
                if media_type != "text/event-stream":
                    schema = {**content["schema"], "components": spec["components"]}
                    allowed = jsonschema_rs.Draft202012Validator(schema)
                    errors = [str(each) for each in allowed.iter_errors(content["example"])]
                    assert errors == [], (path, method, status)
                    shown += 1
    assert shown == 18


def test_the_example_of_an_order_is_one(spec: dict[str, Any]) -> None:
    operation = operations(spec)["/api/orders/execute", "post"]
    examples = operation["requestBody"]["content"]["application/json"]["examples"]
    assert list(examples) == list(OrderType)
    answers = [
        Web().client.post("/api/orders/execute", json=example["value"])
        for example in examples.values()
    ]
    assert [answer.status_code for answer in answers] == [202] * len(OrderType)
    shown = operation["responses"]["202"]["content"]["application/json"]["example"]
    market = answers[0].get_json()
    assert market.keys() == shown.keys()
    assert market["links"].keys() == shown["links"].keys()


def test_without_keys_nothing_says_that_one_is_needed() -> None:
    spec = Web().client.get("/openapi.json").get_json()
    assert spec["security"] == []
    assert "securitySchemes" not in spec["components"]
    for operation in operations(spec).values():
        assert operation.get("security", []) == []
        assert "401" not in operation["responses"]
    described = Web().client.get("/asyncapi.json").get_json()
    assert "security" not in described["servers"]["service"]
    assert described["components"]["securitySchemes"] == {}


def test_what_needs_a_key_says_so(spec: dict[str, Any]) -> None:
    assert spec["security"] == [{"key": []}]
    free = [path for (path, _), each in operations(spec).items() if each.get("security") == []]
    assert free == ["/livez", "/readyz"]
    for (path, _), operation in operations(spec).items():
        assert ("401" in operation["responses"]) == (path not in free)


def test_the_page_is_made_of_our_own_files_only(web: Web) -> None:
    page = web.client.get("/docs")
    assert page.status_code == 200
    assert page.content_type == "text/html; charset=utf-8"
    assert "unsafe-eval" not in page.headers["Content-Security-Policy"]
    assert "script-src 'self';" in page.headers["Content-Security-Policy"]
    assert "://" not in page.text
    parts = re.findall(r'(?:src|href)="([^":]+)"', page.text)
    assert len(parts) == 3
    for part in parts:
        answer = web.client.get(f"/{part}")
        assert answer.status_code == 200
        answer.close()
    page.close()
    assert web.client.get("/docs/../app.py").status_code == 404
    assert web.client.get("/docs/index.html").status_code == 404


def test_swagger_ui_is_the_one_that_was_published() -> None:
    lines = (documentation.FOLDER / "SHA256SUMS").read_text("utf-8").splitlines()
    assert len(lines) == 5
    for line in lines:
        expected, name = line.split()
        held = (documentation.FOLDER / name).read_bytes()
        assert hashlib.sha256(held).hexdigest() == expected, name


def test_the_socket_is_described_as_it_is(web: Web) -> None:
    asked = web.client.get("/asyncapi.json", headers={"Host": "orders.example:8080"})
    served = asked.get_json()
    document = asyncapi_document("orders.example:8080", is_secure=False, asks_for_keys=True)
    assert served == json.loads(json.dumps(document))
    server = served["servers"]["service"]
    assert (server["host"], server["protocol"]) == ("orders.example:8080", "ws")
    assert server["security"] == [{"$ref": "#/components/securitySchemes/key"}]
    used = set(re.findall(r"#/components/schemas/(\w+)", str(served)))
    assert used == set(served["components"]["schemas"])
    schema = served["components"]["schemas"]["RoutingEvent"]
    fields = {field.data_key for field in EventSchema().fields.values()}
    assert set(schema["properties"]) == fields == set(EXAMPLE)
    query = served["channels"]["orderUpdates"]["bindings"]["ws"]["query"]["properties"]
    taken = {field.data_key for field in UpdatesQuerySchema().load_fields.values()}
    assert (query["after"]["maximum"], "default" in query["after"]) == (2**31 - 1, False)
    assert (query["ticket"]["minLength"], query["ticket"]["maxLength"]) == (1, 64)
    assert set(query) == taken
    codes = {code for case in frame_corpus() for code in case.codes} & set(range(1002, 1016))
    assert codes - {1003, 1005, 1011} | {1000, 1012, 1013} == set(CLOSE_CODES)
    moment = datetime(2026, 11, 24, 23, 39, 40, 4417, UTC)
    cursor = json.loads(cursor_message(Cursor(moment)))
    assert cursor == CURSOR_EXAMPLE
    during = json.loads(cursor_message(Cursor(moment, Sent(moment, 1), is_replay=True)))
    described = served["components"]["schemas"]["Cursor"]
    assert set(described["required"]) == set(cursor)
    assert set(described["properties"]) == set(during)
    assert re.fullmatch(described["properties"]["cursor"]["pattern"], during["cursor"])
    sent = json.loads(event_text(Walk(web.orders).first.event))
    assert sent.keys() == set(schema["required"])


def test_the_collection_is_the_one_that_the_description_gives() -> None:
    held = (ROOT / "docs" / "postman_collection.json").read_text("utf-8")
    assert held == postman.collection_text(), "run `make postman`"


def test_every_request_of_the_collection_asserts_what_its_answer_has(spec: dict[str, Any]) -> None:
    for folder in postman.collection(spec)["item"]:
        for item in folder["item"]:
            (tests,) = [each for each in item["event"] if each["listen"] == "test"]
            text = "\n".join(tests["script"]["exec"])
            assert text.count("pm.test(") >= 2
            if (
                "text/event-stream" not in str(item)
                and "stream" not in item["request"]["url"]["raw"]
            ):
                assert "to.include.all.keys([" in text, item["name"]


def test_every_request_of_the_collection_is_answered(spec: dict[str, Any]) -> None:
    made = postman.collection(spec)
    web = Web()
    order_id = web.place(clientOrderId="mine")
    items = [each for folder in made["item"] for each in folder["item"]]
    assert len(items) == len(operations(spec))
    for item in items:
        request = item["request"]
        before = [each["script"]["exec"] for each in item["event"] if each["listen"] != "test"]
        if before == [postman.PLACE_WAITING]:
            web = Web()
            order_id = web.place(clientOrderId="mine", type="limit", limitPrice=1)
        path = request["url"]["raw"].replace("{{base_url}}", "").replace("{{order_id}}", order_id)
        path = path.replace("{{client_order_id}}", "mine")
        body = request.get("body", {}).get("raw", "").replace("{{client_order_id}}", "another")
        headers = {each["key"]: each["value"] for each in request["header"] if not each["disabled"]}
        answer = web.client.open(path, method=request["method"], data=body, headers=headers)
        answer.close()
        expected = 200 if request["method"] != "POST" else 202 if body else 201
        expected = 200 if path == "/api/orders/batch" else expected
        if "/api/quotes" not in path:
            assert answer.status_code == expected, (path, answer.text)


def test_each_error_of_a_venue_is_documented() -> None:
    sources = (
        ROOT / "orderengine" / each for each in ("market/venues.py", "settlement/outcomes.py")
    )
    source = "".join(path.read_text("utf-8") for path in sources)
    raised = set(re.findall(r'"(\w+ \(\d+\))"', source))
    assert len(raised) >= 6
    codes = (*live._CPMM.items(), *live._AMM_V4.items(), *live._DLMM.items())
    limits = {f"{word} ({code})" for code, (means, word) in codes if means is live.Meaning.LIMIT}
    assert raised | limits == set(re.findall(r"^\| `(\w+ \(\d+\))` \|", ERRORS, re.MULTILINE))
