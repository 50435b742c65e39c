"""Requests for orders of each type, and how they are sent."""

from typing import Any

from werkzeug.test import TestResponse

from tests.web import Web

BASE = {"symbol": "AAPL", "side": "buy", "quantity": 10}
LIMIT = {**BASE, "type": "limit", "limitPrice": "200"}
SOON = "2026-11-22T12:00:02Z"  # the clock of the tests stands at noon
SNIPER = {
    **BASE,
    "type": "sniper",
    "trigger": {"on": "poolOpened"},
    "worstPrice": "250",
    "expiresAt": SOON,
}
KEY = {"Idempotency-Key": "k"}


def ask(web: Web, order: dict[str, Any], **headers: str) -> TestResponse:
    return web.client.post("/api/orders/execute", json=order, headers=headers)
