"""A new user with nothing but the documentation of a service that requires keys.

The tests follow it to the letter: a shell runs its commands, and each request of the collection is
sent as Postman would send it.
"""

import json
import re
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from typing import Any
from uuid import uuid4

import pytest

from generators.postman import NAME_ORDER, NAMED, PLACE_WAITING, REMEMBER_ORDER
from harness.processes import ROOT
from orderengine.domain.order import OPEN_STATUSES
from tests.e2e.clients import keys
from tests.e2e.stack import Stack

COLLECTION = json.loads((ROOT / "docs" / "postman_collection.json").read_text("utf-8"))
TOLD_URL = "http://127.0.0.1:3000"
CONFIRMED_WITHIN_S = 15.0


@pytest.fixture(scope="module")
def spec(stack: Stack) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(stack.text("/openapi.json"))
    return document


@pytest.fixture(scope="module")
def key(stack: Stack) -> str:
    return keys(stack, "create", "newcomer")["key"]


def commands(spec: dict[str, Any]) -> list[str]:
    """The blocks of shell lines in the description."""
    return re.findall(r"(?:^ {7}.*\n)+", spec["info"]["description"], re.MULTILINE)


def shell(script: str) -> str:
    done = subprocess.run(
        ["sh", "-ec", script],
        capture_output=True,
        text=True,
        timeout=CONFIRMED_WITHIN_S,
        check=True,
    )
    return done.stdout


def test_the_commands_of_the_description_lead_to_a_confirmed_order(
    stack: Stack, spec: dict[str, Any], key: str
) -> None:
    ordering, following, canceling = commands(spec)
    filled = ordering.replace(TOLD_URL, stack.url).replace("oe_...", key)
    assert filled.count(key) == filled.count(stack.url) == 1
    order = json.loads(shell(filled))
    assert order["status"] == "confirmed"
    settings = "".join(line for line in filled.splitlines(keepends=True) if "=" in line[:11])
    told = shell(settings + following.replace("ORDER_ID=...", f"ORDER_ID={order['orderId']}"))
    steps = [json.loads(line[6:]) for line in told.splitlines() if line.startswith("data: ")]
    assert [step["seq"] for step in steps] == [1, 2, 3, 4, 5]
    assert steps[-1]["status"] == "confirmed"
    late = json.loads(shell(settings + f"ORDER_ID={order['orderId']}\n" + canceling))
    assert (late["code"], late["order"]["status"]) == ("TOO_LATE", "confirmed")


def assert_same_fields(example: Any, told: Any, where: str) -> None:
    """Fails if the first item of a list, or an object, has other fields than the example.

    An order that has not ended may lack fields.
    """
    if isinstance(example, list):
        assert bool(example) == bool(told), where
        for shown, there in zip(example[:1], told[:1], strict=True):
            assert_same_fields(shown, there, where)
    elif isinstance(example, dict):
        is_open = "orderId" in told and told["status"] in OPEN_STATUSES
        assert set(told) <= set(example) if is_open else set(told) == set(example), where
        for name, there in told.items():
            assert_same_fields(example[name], there, f"{where}, {name}")


class Postman:
    """Sends a collection's requests with its variables filled in, in their order."""

    def __init__(self, url: str, key: str) -> None:
        self.values: dict[str, str] = {
            each["key"]: each["value"] for each in COLLECTION["variable"]
        }
        self.values |= {"base_url": url, "key": key}

    def send(self, item: dict[str, Any]) -> tuple[int, str, str]:
        """Status, media type and text of the answer to a request."""
        request = item["request"]
        scripts = {each["listen"]: each["script"]["exec"] for each in item.get("event", [])}
        if "prerequest" in scripts:
            assert scripts["prerequest"] in (NAME_ORDER, PLACE_WAITING)
            self.values["client_order_id"] = str(uuid4())
            if scripts["prerequest"] == PLACE_WAITING:
                self._place_waiting()
        headers = {each["key"]: each["value"] for each in request["header"] if not each["disabled"]}
        if request.get("auth", COLLECTION["auth"])["type"] == "bearer":
            headers["Authorization"] = f"Bearer {self.filled('{{key}}')}"
        body = self.filled(request["body"]["raw"]).encode() if "body" in request else None
        answer = self._fetch(request["method"], self.filled(request["url"]["raw"]), headers, body)
        remembers = scripts["test"][-len(REMEMBER_ORDER) :] == REMEMBER_ORDER
        if remembers and answer[0] == 202:
            self.values["order_id"] = json.loads(answer[2])["orderId"]
        return answer

    def _place_waiting(self) -> None:
        """Do what the script does, except that an unknown key leaves the id as it is."""
        order = {"symbol": "AAPL", "side": "buy", "quantity": 1, "type": "limit"}
        order |= {"limitPrice": "0.01", "clientOrderId": self.values["client_order_id"]}
        key = {"Authorization": f"Bearer {self.filled('{{key}}')}"}
        url = self.filled("{{base_url}}/api/orders/execute")
        headers = {"Content-Type": "application/json", **key}
        status, _, text = self._fetch("POST", url, headers, json.dumps(order).encode())
        if status == 202:
            self.values["order_id"] = json.loads(text)["orderId"]

    def filled(self, text: str) -> str:
        """The text with every variable replaced by its value, which must not be empty."""

        def value(found: re.Match[str]) -> str:
            assert self.values[found[1]], f"{found[1]} is empty"
            return self.values[found[1]]

        return re.sub(r"\{\{(\w+)\}\}", value, text)

    def _fetch(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None
    ) -> tuple[int, str, str]:
        request = urllib.request.Request(url, method=method, headers=dict(headers), data=body)  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=CONFIRMED_WITHIN_S) as answer:  # noqa: S310
                return answer.status, answer.headers.get_content_type(), answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers.get_content_type(), error.read().decode()


def operations(spec: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path in spec["paths"].values():
        for method, operation in path.items():
            if method != "parameters":
                yield operation["summary"], operation


def test_each_request_of_the_collection_is_answered_as_documented(
    stack: Stack, spec: dict[str, Any], key: str
) -> None:
    postman, documented = Postman(stack.url, key), dict(operations(spec))
    sent = 0
    for folder in COLLECTION["item"]:
        for item in folder["item"]:
            status, media_type, text = postman.send(item)
            answers = documented[item["name"]]["responses"]
            succeeds = [code for code in answers if code.startswith("2")]
            assert str(status) in succeeds, (item["name"], status, text)
            assert media_type in answers[str(status)]["content"], item["name"]
            if media_type == "application/json":
                example = answers[str(status)]["content"][media_type]["example"]
                if "body" in item["request"]:
                    first = example["results"][0]["order"] if "results" in example else example
                    first |= NAMED
                assert_same_fields(example, json.loads(text), item["name"])
            sent += 1
    assert sent == len(documented) == 16


def test_the_collection_without_a_key_is_refused_as_documented(
    stack: Stack, spec: dict[str, Any]
) -> None:
    postman, documented = Postman(stack.url, "oe_none"), dict(operations(spec))
    postman.values |= {"order_id": str(uuid4()), "client_order_id": "none"}
    for folder in COLLECTION["item"]:
        for item in folder["item"]:
            status, _, text = postman.send(item)
            is_open = item["request"].get("auth") == {"type": "noauth"}
            assert status == (200 if is_open else 401), (item["name"], text)
            assert str(status) in documented[item["name"]]["responses"]
