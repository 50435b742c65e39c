"""Batches over HTTP, and their results."""

from typing import Any

from werkzeug.test import TestResponse

from orderengine.execution.intake.batch import Batches
from tests.web import Web

PATH = "/api/orders/batch"
ORDER: dict[str, Any] = {"symbol": "AAPL", "side": "buy", "quantity": 10}
BAD = {**ORDER, "side": "hold"}


def ask(web: Web, orders: object, key: str | None = None, **headers: str) -> TestResponse:
    if key is not None:
        headers["Idempotency-Key"] = key
    return web.client.post(PATH, json={"orders": orders}, headers=headers)


def results(answer: TestResponse) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    assert answer.get_json().keys() == {"results"}
    found: list[dict[str, Any]] = answer.get_json()["results"]
    return found


def statuses(answer: TestResponse) -> list[int]:
    return [each["status"] for each in results(answer)]


def codes(answer: TestResponse) -> list[str | None]:
    return [each.get("problem", {}).get("code") for each in results(answer)]


def batches(web: Web) -> Batches:
    found: Batches = web.app.extensions["orderengine"].batches
    return found
