"""A client's requests that change orders, and their answers."""

import http.client
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.client import HEADERS
from orderengine.local.ports import LOOPBACK

TIMEOUT_S = 15.0
UNKNOWN = (None, 503)
"""Results after which a client asks again: no answer, or one that says that it is not known."""
ORDERS = "/api/orders"

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Change:
    """The result of a request to cancel or to amend an order.

    `status` is None without an answer. `told` and `version` are those of the order in the answer.
    """

    order_id: str
    is_cancel: bool
    status: int | None
    latency_s: float
    told: str | None = None
    version: int | None = None


def ask(
    port: int, method: str, path: str, body: object = None, headers: Mapping[str, str] = HEADERS
) -> tuple[int | None, Document]:
    """The status of an answer and its document; None without an answer."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=TIMEOUT_S)
    try:
        sent = None if body is None else json.dumps(body)
        connection.request(method, path, sent, dict(headers))
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    except (OSError, http.client.HTTPException, ValueError):
        return None, {}
    finally:
        connection.close()


def cancel(port: int, order_id: str, name: str | None = None) -> Change:
    """Cancel an order, by its name if it is given."""
    path = f"{ORDERS}/{order_id}" if name is None else f"{ORDERS}/by-client-id/{name}"
    return _change(port, order_id, "DELETE", path)


def amend(port: int, order: Document, terms: Mapping[str, object]) -> Change:
    """Amend an order at the version that its client has seen."""
    path = f"{ORDERS}/{order['orderId']}"
    headers = {**HEADERS, "If-Match": f'"{order["version"]}"'}
    return _change(port, order["orderId"], "PATCH", path, terms, headers)


def _change(
    port: int,
    order_id: str,
    method: str,
    path: str,
    body: object = None,
    headers: Mapping[str, str] = HEADERS,
) -> Change:
    asked_at = time.monotonic()
    status, document = ask(port, method, path, body, headers)
    latency_s = time.monotonic() - asked_at
    order = document.get("order", document)
    is_told = "orderId" in order
    told, version = (order["status"], order["version"]) if is_told else (None, None)
    return Change(order_id, method == "DELETE", status, latency_s, told, version)


def cancel_all(port: int, symbol: str | None = None) -> Mapping[str, int] | None:
    """Cancel all open orders, or those of a symbol; the counts, or None if they are not known."""
    query = "all=true" if symbol is None else f"symbol={symbol}"
    status, document = ask(port, "DELETE", f"{ORDERS}?{query}")
    return document if status == 200 else None
