"""The Postman collection, made from the description of the API: `make postman`."""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from orderengine.api.app import create_app
from orderengine.config.settings import Settings
from orderengine.process.logs import configure_logging

SCHEMA = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
NAMED = {"clientOrderId": "{{client_order_id}}"}
SHOWN: Mapping[str, str] = {
    "symbol": "AAPL",
    "side": "buy",
    "quantity": "10",
    **NAMED,
    "all": "true",
    "If-Match": '"1"',
}
"""Example values of parameters, by name."""
SENT = {"quantity", "all"}
"""Optional parameters that are sent: the request needs one of two, and this is the usual one."""

# Each order gets a new name, and its id is kept in a variable for the requests that follow.
NAME_ORDER = [
    "pm.collectionVariables.set('client_order_id', pm.variables.replaceIn('{{$guid}}'));",
]
# What is to be amended or canceled must wait: the price of this order does not come.
PLACE_WAITING = [
    *NAME_ORDER,
    "const order = {symbol: 'AAPL', side: 'buy', quantity: 1, type: 'limit', limitPrice: '0.01'};",
    "order.clientOrderId = pm.collectionVariables.get('client_order_id');",
    "const header = {'Content-Type': 'application/json'};",
    "header.Authorization = `Bearer ${pm.variables.get('key')}`;",
    "const body = {mode: 'raw', raw: JSON.stringify(order)};",
    "const url = `${pm.variables.get('base_url')}/api/orders/execute`;",
    "pm.sendRequest({url, method: 'POST', header, body}, (error, answer) =>",
    "  pm.collectionVariables.set('order_id', answer.json().orderId));",
]
REMEMBER_ORDER = [
    "if (pm.response.code === 202) {",
    "  pm.collectionVariables.set('order_id', pm.response.json().orderId);",
    "}",
]

Document = dict[str, Any]


def described() -> Document:
    """The description of the API, from an application that is connected to nothing."""
    urls = {"DATABASE_URL": "postgresql://nowhere/x", "REDIS_URL": "redis://nowhere"}
    app = create_app(settings=Settings.from_env({**urls, "AUTH": "off"}))
    document: Document = app.test_client().get("/openapi.json").get_json()
    return document


def collection(spec: Mapping[str, Any]) -> Document:
    """A folder for each tag, a request for each operation, the key and the address as variables."""
    folders: dict[str, list[Document]] = {}
    for path, method, operation in _operations(spec):
        request = _request(path, method, operation)
        tests = {"listen": "test", "script": {"exec": _tests(spec, operation)}}
        request.setdefault("event", []).append(tests)
        folders.setdefault(operation["tags"][0], []).append(request)
    return {
        "info": {
            "name": spec["info"]["title"],
            "description": spec["info"]["description"],
            "schema": SCHEMA,
        },
        "auth": {"type": "bearer", "bearer": [{"key": "token", "value": "{{key}}"}]},
        "variable": [
            {"key": "base_url", "value": "http://127.0.0.1:3000"},
            {"key": "key", "value": ""},
            {"key": "order_id", "value": ""},
            {"key": "client_order_id", "value": ""},
        ],
        # In the order of the tags: what cancels orders comes after what shows or follows them.
        "item": [
            {"name": tag["name"], "item": folders[tag["name"]]}
            for tag in spec["tags"]
            if tag["name"] in folders
        ],
    }


def collection_text() -> str:
    """The file's text."""
    return f"{json.dumps(collection(described()), indent=2, ensure_ascii=False)}\n"


def _operations(spec: Mapping[str, Any]) -> Iterator[tuple[str, str, Document]]:
    for path, operations in spec["paths"].items():
        shared = operations.get("parameters", [])
        for method, operation in operations.items():
            if method != "parameters":
                parameters = [*shared, *operation.get("parameters", [])]
                yield path, method, {**operation, "parameters": parameters}


def _request(path: str, method: str, operation: Document) -> Document:
    query = [_parameter(each) for each in operation["parameters"] if each["in"] == "query"]
    headers = [_parameter(each) for each in operation["parameters"] if each["in"] == "header"]
    address = path.replace("{", "{{").replace("}", "}}")
    shown = [f"{each['key']}={each['value']}" for each in query if not each["disabled"]]
    request: Document = {
        "method": method.upper(),
        "description": operation.get("description", ""),
        "header": headers,
        "url": {
            "raw": f"{{{{base_url}}}}{address}" + (f"?{'&'.join(shown)}" if shown else ""),
            "host": ["{{base_url}}"],
            "path": address.strip("/").split("/"),
            "query": query,
        },
    }
    if operation.get("security") == []:
        request["auth"] = {"type": "noauth"}
    item: Document = {"name": operation["summary"], "request": request}
    if "requestBody" in operation:
        example = _named(_example(operation))
        headers.append({"key": "Content-Type", "value": "application/json", "disabled": False})
        request["body"] = {
            "mode": "raw",
            "raw": json.dumps(example, indent=2),
            "options": {"raw": {"language": "json"}},
        }
    before = _before(method, item)
    if before:
        item["event"] = [{"listen": "prerequest", "script": {"exec": before}}]
    return item


def _before(method: str, item: Document) -> list[str]:
    """What runs before a request."""
    if method in {"patch", "delete"}:
        return PLACE_WAITING
    return NAME_ORDER if "body" in item["request"] else []


def _tests(spec: Mapping[str, Any], operation: Document) -> list[str]:
    """Tests of an answer: a described status, a request id, and every required field."""
    good = [status for status in operation["responses"] if status.startswith("2")]
    fields = next(filter(None, (_always(spec, operation["responses"][each]) for each in good)), [])
    lines = [
        f"pm.test('answers with {' or '.join(sorted(good))}', () =>",
        f"  pm.expect(String(pm.response.code)).to.be.oneOf({json.dumps(sorted(good))}));",
        "pm.test('names the request', () => pm.response.to.have.header('X-Request-Id'));",
    ]
    if fields:
        lines += [
            "pm.test('has every field that is always there', () =>",
            f"  pm.expect(pm.response.json()).to.include.all.keys({json.dumps(fields)}));",
        ]
    return lines + REMEMBER_ORDER if "202" in operation["responses"] else lines


def _example(operation: Document) -> Document:
    """The example of a body; the first one of several."""
    content = operation["requestBody"]["content"]["application/json"]
    several: Document = content.get("examples", {})
    first: Document = next(iter(several.values()))["value"] if several else content["example"]
    return first


def _named(example: Document) -> Document:
    """The example of an order, or of a batch with its first order, under a new name."""
    if "symbol" in example:
        return example | NAMED
    if "orders" not in example:
        return example
    first, *others = example["orders"]
    return {"orders": [first | NAMED, *others]}


def _always(spec: Mapping[str, Any], answer: Document) -> list[str]:
    """The required fields of a JSON answer of this kind."""
    schema = answer.get("content", {}).get("application/json", {}).get("schema", {})
    name = schema.get("$ref", "").rpartition("/")[2]
    required: list[str] = spec["components"]["schemas"].get(name, {}).get("required", [])
    return required


def _parameter(described: Mapping[str, Any]) -> Document:
    name = described["name"]
    return {
        "key": name,
        "value": SHOWN.get(name, str(described["schema"].get("default", ""))),
        "description": described.get("description", ""),
        "disabled": not described.get("required", False) and name not in SENT,
    }


if __name__ == "__main__":
    configure_logging("ERROR")  # the application here is connected to nothing on purpose
    Path(sys.argv[1]).write_text(collection_text(), "utf-8")
