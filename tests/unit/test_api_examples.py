"""The service answers each error code exactly as in its example."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from flask import Response
from gunicorn.http.errors import (
    ExpectationFailed,
    InvalidHTTPVersion,
    LimitRequestHeaders,
    LimitRequestLine,
    UnsupportedTransferCoding,
)
from werkzeug.test import TestResponse

from orderengine.api.answers.problems import ErrorCode
from orderengine.api.description.changed_orders import AMENDMENT_EXAMPLE, EXAMPLE_AT, LIMIT_ORDER
from orderengine.api.description.problem_examples import problem_example
from orderengine.api.gate.turns import Turns
from orderengine.domain.errors import FailureReason, IdempotencyConflict, OrderUnfillable
from orderengine.domain.moves import Trigger
from orderengine.domain.terms import TimeInForce
from orderengine.execution.intake.limits import Limits
from orderengine.webserver.head_reading_worker import RequestTimedOut
from orderengine.webserver.problem_worker import problem_for
from tests.conftest import a_new_order
from tests.fakes import unavailable
from tests.web import Web

ORDER = '{"symbol":"AAPL","side":"buy","quantity":10}'
QUOTES = "/api/quotes?symbol=AAPL&side=buy&quantity=10"
NO_ORDER = "/api/orders/00000000-0000-4000-8000-000000000000"
UPGRADE = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}


class Asked:
    """A service, and ways to make it refuse."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.web = Web()
        self.patch = monkeypatch.setattr

    def get(self, path: str, **headers: str) -> TestResponse:
        return self.web.client.get(path, headers=headers)

    def post(self, body: str = ORDER, **headers: str) -> TestResponse:
        kind = headers.pop("content_type", "application/json")
        return self.web.client.post(
            "/api/orders/execute", data=body, content_type=kind, headers=headers
        )

    def stranger(self) -> TestResponse:
        return Web(asks_for_keys=True).client.get("/api/orders")

    def client(self) -> TestResponse:
        web = Web(asks_for_keys=True)
        return web.client.get("/metrics", headers=web.key())

    def conflict(self) -> TestResponse:
        def under_way(*_: Any) -> None:
            raise IdempotencyConflict("under way")

        self.patch(self.web.orders, "accept_once", under_way)
        return self.post(**{"Idempotency-Key": "k-1"})

    def reuse(self) -> TestResponse:
        self.post(**{"Idempotency-Key": "k-1"})
        return self.post(ORDER.replace("10", "11"), **{"Idempotency-Key": "k-1"})

    def name_taken(self) -> TestResponse:
        shown = UUID("b09f26f7-04bd-4c6a-9634-de855a0a4962")
        self.web.orders.accept(replace(a_new_order(), order_id=shown, client_order_id="a"))
        return self.post(ORDER[:-1] + ',"clientOrderId":"a"}')

    def limit_order(self) -> str:
        """The path of the order of the examples."""
        self.web.clock.moment = EXAMPLE_AT
        self.web.orders.accept(LIMIT_ORDER)
        return f"/api/orders/{LIMIT_ORDER.order_id}"

    def amend(self, path: str, **headers: str) -> TestResponse:
        return self.web.client.patch(path, json=AMENDMENT_EXAMPLE, headers=headers)

    def too_late(self) -> TestResponse:
        self.web.clock.moment = EXAMPLE_AT
        expiring = replace(LIMIT_ORDER, time_in_force=TimeInForce.GTD, expires_at=EXAMPLE_AT)
        self.web.orders.accept(expiring)
        assert self.web.orders.expire_due(1)
        return self.web.client.delete(f"/api/orders/{LIMIT_ORDER.order_id}")

    def started(self) -> TestResponse:
        path = self.limit_order()
        assert self.web.orders.move(LIMIT_ORDER.order_id, 1, Trigger()) is not None
        return self.amend(path, **{"If-Match": '"1"'})

    def moved(self) -> TestResponse:
        path = self.limit_order()
        assert self.amend(path, **{"If-Match": '"1"'}).status_code == 200
        return self.amend(path, **{"If-Match": '"1"'})

    def too_many_waiting(self) -> TestResponse:
        web = Web(limits=Limits(max_waiting_orders=5000))
        self.patch(web.orders, "count_waiting", lambda *_: 5000)
        return web.post(ORDER[:-1] + ',"type":"limit","limitPrice":200}')

    def worth_too_much(self) -> TestResponse:
        order = ORDER.replace("AAPL", "BTC").replace("10", "600")
        return Web(max_notional=50_000_000).post(order)

    def too_much_in_a_day(self) -> TestResponse:
        web = Web(max_daily_notional=4000)
        return [web.post(ORDER) for _ in range(2)][-1]

    def too_early(self) -> TestResponse:
        self.web.prices.openings["AAPL"] = datetime(2026, 11, 24, 23, 42, 10, tzinfo=UTC)
        return self.post()

    def shallow(self) -> TestResponse:
        detail = "the venues let you buy at most 250.60512959 BTC"
        refusal = OrderUnfillable(FailureReason.INSUFFICIENT_LIQUIDITY, detail)
        self.patch(self.web.board, "collect", lambda *_: ((), {"raydium": refusal}))
        return self.get(QUOTES)

    def pruned(self) -> TestResponse:
        order_id = self.web.place()
        self.patch(self.web.orders, "events", lambda *_: [])
        return self.get(f"/api/orders/{order_id}/events")

    def no_quote(self) -> TestResponse:
        errors = {"raydium": unavailable("raydium")}
        self.patch(self.web.board, "collect", lambda *_: ((), errors))
        return self.get(QUOTES)

    def defect(self) -> TestResponse:
        def fail(*_: Any) -> None:
            raise LookupError("a defect")

        self.patch(self.web.orders, "page", fail)
        return self.get("/api/orders")

    def too_fast(self) -> TestResponse:
        web = Web(asks_for_keys=True, limits=Limits(rate_per_key=50))
        key = web.key()
        return [web.client.get("/api/instruments", headers=key) for _ in range(51)][-1]

    def too_many(self) -> TestResponse:
        web = Web(limits=Limits(max_open_orders=1000))
        self.patch(web.orders, "count_open", lambda *_: 1000)
        return web.post(ORDER)

    def too_many_sockets(self) -> TestResponse:
        updates = self.web.app.extensions["orderengine.updates"]
        self.patch(updates.slots, "_per_client", 50)
        updates.slots._by_client["local"] = 50
        return self.socket()

    def too_many_lists(self) -> TestResponse:
        self.web.app.extensions["orderengine.turns"] = Turns(at_once=0, waiting=0)
        return self.get("/api/orders")

    def switched_off(self) -> TestResponse:
        return Web(limits=Limits(orders_disabled=True)).post(ORDER)

    def full(self) -> TestResponse:
        web = Web(max_queued=10_000)
        web.watched.waiting = {"intake": 9_999, "settle": 1}
        return web.post(ORDER)

    def socket(self, **headers: str) -> TestResponse:
        key = {"Sec-WebSocket-Key": "MDEyMzQ1Njc4OWFiY2RlZg=="}
        path = f"/ws/orders?orderId={self.web.place()}"
        return self.get(path, **UPGRADE, **key, **headers)

    def not_ready(self) -> TestResponse:
        self.web.probes.fault = "PostgreSQL gives no answer"
        return self.get("/readyz")

    def no_storage(self) -> TestResponse:
        self.web.orders.down = True
        return self.post()

    def crowded(self) -> TestResponse:
        updates = self.web.app.extensions["orderengine.updates"]
        self.patch(updates.slots, "limit", 5000)
        self.patch(updates.slots, "open", 5000)
        return self.socket()


TWICE = ORDER[:-1] + ',"quantity":1}'
CASES: dict[ErrorCode, Callable[[Asked], Response | TestResponse]] = {
    ErrorCode.BAD_REQUEST: lambda _: Web(known_hosts=frozenset()).client.get(
        "/livez", headers={"Host": "evil.example"}
    ),
    ErrorCode.INVALID_JSON: lambda asked: asked.post(TWICE),
    ErrorCode.VALIDATION_FAILED: lambda asked: asked.post(ORDER.replace("buy", "hold")),
    ErrorCode.UNAUTHORIZED: Asked.stranger,
    ErrorCode.FORBIDDEN: Asked.client,
    ErrorCode.ORIGIN_NOT_ALLOWED: lambda asked: asked.socket(Origin="https://evil.example"),
    ErrorCode.NOT_FOUND: lambda asked: asked.get("/nothing"),
    ErrorCode.ORDER_NOT_FOUND: lambda asked: asked.get(NO_ORDER),
    ErrorCode.EVENTS_PRUNED: Asked.pruned,
    ErrorCode.METHOD_NOT_ALLOWED: lambda asked: asked.web.client.put(NO_ORDER),
    ErrorCode.REQUEST_TIMEOUT: lambda _: problem_for(RequestTimedOut()),
    ErrorCode.IDEMPOTENCY_CONFLICT: Asked.conflict,
    ErrorCode.CLIENT_ORDER_ID_TAKEN: Asked.name_taken,
    ErrorCode.WOULD_TRIGGER: lambda asked: asked.post(
        ORDER[:-1] + ',"type":"stop","stopPrice":100}'
    ),
    ErrorCode.TOO_LATE: Asked.too_late,
    ErrorCode.NOT_WAITING: Asked.started,
    ErrorCode.PRECONDITION_FAILED: Asked.moved,
    ErrorCode.PRECONDITION_REQUIRED: lambda asked: asked.amend(asked.limit_order()),
    ErrorCode.TOO_MANY_WAITING_ORDERS: Asked.too_many_waiting,
    ErrorCode.BODY_TOO_LARGE: lambda asked: asked.post(" " * 8193),
    ErrorCode.URI_TOO_LONG: lambda _: problem_for(LimitRequestLine(4095, 4094)),
    ErrorCode.UNSUPPORTED_MEDIA_TYPE: lambda asked: asked.post(content_type="text/plain"),
    ErrorCode.EXPECTATION_FAILED: lambda _: problem_for(ExpectationFailed("gold")),
    ErrorCode.IDEMPOTENCY_KEY_REUSED: Asked.reuse,
    ErrorCode.INSUFFICIENT_LIQUIDITY: Asked.shallow,
    ErrorCode.NOTIONAL_LIMIT: Asked.worth_too_much,
    ErrorCode.DAILY_LIMIT: Asked.too_much_in_a_day,
    ErrorCode.NOT_OPEN: Asked.too_early,
    ErrorCode.RATE_LIMITED: Asked.too_fast,
    ErrorCode.TOO_MANY_OPEN_ORDERS: Asked.too_many,
    ErrorCode.TOO_MANY_CLIENT_SOCKETS: Asked.too_many_sockets,
    ErrorCode.LISTS_BUSY: Asked.too_many_lists,
    ErrorCode.ORDERS_DISABLED: Asked.switched_off,
    ErrorCode.QUEUE_FULL: Asked.full,
    ErrorCode.UPGRADE_REQUIRED: lambda asked: asked.get("/ws/orders"),
    ErrorCode.HEADERS_TOO_LARGE: lambda _: problem_for(LimitRequestHeaders("too many")),
    ErrorCode.INTERNAL_ERROR: Asked.defect,
    ErrorCode.UNSUPPORTED_TRANSFER_CODING: lambda _: problem_for(UnsupportedTransferCoding("gold")),
    ErrorCode.HTTP_VERSION_NOT_SUPPORTED: lambda _: problem_for(InvalidHTTPVersion((2, 0))),
    ErrorCode.NO_QUOTE: Asked.no_quote,
    ErrorCode.NOT_READY: Asked.not_ready,
    ErrorCode.STORAGE_UNAVAILABLE: Asked.no_storage,
    ErrorCode.TOO_MANY_SOCKETS: Asked.crowded,
}


@pytest.mark.parametrize("code", ErrorCode)
def test_the_example_is_the_answer(code: ErrorCode, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = CASES[code](Asked(monkeypatch))
    shown = problem_example(code)
    assert answer.get_json() == shown
    assert answer.status_code == shown["status"]
    assert answer.content_type == "application/problem+json"
