"""The web application on fakes, for tests that speak HTTP to it in memory."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from orderengine.api.answers.problems import ErrorCode, Refused
from orderengine.api.app import create_app
from orderengine.api.validation.inputs import load
from orderengine.api.validation.requests import RequestSchema
from orderengine.bootstrap.web import WebPorts
from orderengine.config.settings import PACKAGE_DIR
from orderengine.domain.instruments import parse_instruments
from orderengine.execution.intake.daily import DailyLimit
from orderengine.execution.intake.keys import (
    Authenticator,
    KeyAuthenticator,
    OpenAuthenticator,
    create_key,
)
from orderengine.execution.intake.limits import Limits, MemoryRates, OrderLimit, QueueLimit
from orderengine.execution.intake.notional import NotionalLimit
from orderengine.execution.intake.starting import DirectStarter
from orderengine.execution.operations.counters import ProcessMetrics
from orderengine.execution.operations.figures import Monitor
from orderengine.stream.hub import Hub
from tests.fakes import (
    FakeBatches,
    FakeBoard,
    FakeCache,
    FakeClock,
    FakeDispatcher,
    FakeHalts,
    FakeKeys,
    FakeOrders,
    FakePrices,
    FakeProbes,
    FakePublisher,
    FakeWatched,
)

INSTRUMENTS = parse_instruments(
    (PACKAGE_DIR.parent / "tests" / "data" / "instruments.csv").read_text("utf-8")
)
NOWHERE = "redis://127.0.0.1:1/0"
OPEN_HUBS: list[Hub] = []
"""Those of this test, whose threads are to end with it."""


@dataclass
class Web:
    """An application on fakes, and a client of it."""

    clock: FakeClock = field(default_factory=FakeClock)
    cache: FakeCache = field(default_factory=FakeCache)
    publisher: FakePublisher = field(default_factory=FakePublisher)
    dispatcher: FakeDispatcher = field(default_factory=FakeDispatcher)
    probes: FakeProbes = field(default_factory=FakeProbes)
    watched: FakeWatched = field(default_factory=FakeWatched)
    metrics: ProcessMetrics = field(default_factory=ProcessMetrics)
    asks_for_keys: bool = False
    limits: Limits = field(default_factory=Limits)
    max_notional: int = 0
    max_queued: int = 0
    max_daily_notional: int = 0
    prices: FakePrices = field(default_factory=FakePrices)
    halts: FakeHalts = field(default_factory=FakeHalts)
    allowed_origins: frozenset[str] = frozenset()
    known_hosts: frozenset[str] | None = None
    proxy_hops: int = 0
    network: str = "simulated"
    placed_on: str | None = None

    @cached_property
    def orders(self) -> FakeOrders:
        return FakeOrders(self.clock)

    @cached_property
    def keys(self) -> FakeKeys:
        return FakeKeys(self.clock)

    @cached_property
    def hub(self) -> Hub:
        hub = Hub(NOWHERE, self.orders, self.orders)
        OPEN_HUBS.append(hub)
        return hub

    @cached_property
    def board(self) -> FakeBoard:
        return FakeBoard(self.clock)

    @cached_property
    def app(self) -> Flask:
        return create_app(
            WebPorts(
                instruments=INSTRUMENTS,
                orders=self.orders,
                lists=self.orders,
                cache=self.cache,
                publisher=self.publisher,
                starter=DirectStarter(self.publisher, self.dispatcher),
                board=self.board,
                hub=self.hub,
                probes=self.probes,
                monitor=Monitor(self.watched, self.watched, self.probes, self.metrics, fresh_s=0.0),
                metrics=self.metrics,
                max_sockets=2,
                keys=self.keys,
                limits=self.limits,
                batches=FakeBatches(self.orders),
                open_orders=OrderLimit(
                    self.orders.count_open, self.limits.max_open_orders, self.seconds
                ),
                waiting_orders=OrderLimit(
                    self.orders.count_waiting, self.limits.max_waiting_orders, self.seconds
                ),
                queue_limit=QueueLimit(self.watched.queued, self.max_queued, self.seconds),
                notional=NotionalLimit(self.max_notional, self.prices),
                daily=DailyLimit(self.max_daily_notional, self.prices, self.orders.days),
                clock=self.clock,
                halts=self.halts,
                rates=MemoryRates(self.seconds),
                allowed_origins=self.allowed_origins,
                known_hosts=self.known_hosts,
                proxy_hops=self.proxy_hops,
                network=self.network,
                placed_on=lambda: self.placed_on,
                authenticator=self.authenticator(),
            )
        )

    def seconds(self) -> float:
        """The time of the clock as it is now."""
        return self.clock.seconds

    def authenticator(self) -> Authenticator:
        """Asks for keys, or takes every request as the local client's."""
        if self.asks_for_keys:
            return KeyAuthenticator(self.keys, self.seconds)
        return OpenAuthenticator()

    @cached_property
    def client(self) -> FlaskClient:
        return self.app.test_client()

    def key(self, client_id: str = "alice") -> dict[str, str]:
        """The headers of a request with a new key of a client."""
        return {"Authorization": f"Bearer {create_key(self.keys, client_id)[1]}"}

    def post(self, body: bytes | str, content_type: str = "application/json") -> TestResponse:
        """Send a raw body as an order."""
        return self.client.post("/api/orders/execute", data=body, content_type=content_type)

    def place(self, **changed: Any) -> str:
        """Place an order for 10 AAPL unless told otherwise; returns its id."""
        order = {"symbol": "AAPL", "side": "buy", "quantity": 10, **changed}
        answer = self.client.post("/api/orders/execute", json=order)
        assert answer.status_code == 202, answer.text
        return str(answer.get_json()["orderId"])


def refused(schema: RequestSchema, raw: dict[str, Any]) -> list[tuple[str, str]]:
    """The fields that a schema refuses, each with its rule."""
    with pytest.raises(Refused) as refusal:
        load(schema, raw)
    assert (refusal.value.status, refusal.value.code) == (400, ErrorCode.VALIDATION_FAILED)
    return [(broken.field, broken.rule) for broken in refusal.value.errors]


def rules(answer: TestResponse) -> list[tuple[str, str]]:
    """The fields that an answer refuses, each with its rule; also checks the answer's form."""
    assert answer.content_type == "application/problem+json"
    document = answer.get_json()
    assert document["status"] == answer.status_code
    assert document["type"].startswith("urn:orderengine:problem:")
    assert document["title"]
    assert document["detail"]
    return [(error["field"], error["rule"]) for error in document.get("errors", [])]
