"""The metrics: their values, also while a dependency is down; and each one is documented."""

import functools
import json
import re
from collections.abc import Iterator

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from orderengine.config.settings import PACKAGE_DIR
from orderengine.domain.errors import StorageCause
from orderengine.domain.order import OrderStatus
from orderengine.execution.intake.limits import Limits
from orderengine.execution.operations.counters import CounterName, Sample
from orderengine.execution.operations.figures import OpenOrders, SigningWallet, StepKind
from tests.fakes import FakeProbes, FakeWatched
from tests.web import Web

DOCS = (PACKAGE_DIR.parent / "docs" / "metrics.md").read_text("utf-8")
DEPLOY = PACKAGE_DIR.parent / "deploy"
OPEN = OpenOrders(
    {OrderStatus.PENDING: 4, OrderStatus.SUBMITTED: 2},
    61.5,
    30.25,
    stuck=1,
    waiting_s={OrderStatus.PENDING: 12.5},
    watched={"AAPL": 21},
    oldest_snapshot_s=17.5,
    foreign={("solana:genesis", "a"): 3, ("solana:genesis", "b"): 4},
    wallet=SigningWallet("solana:other", 2_500_000_000, 7_250_000, 3, 4),
)
STEPS = {
    StepKind(OrderStatus.CONFIRMED, ""): 7,
    StepKind(OrderStatus.FAILED, "ENGINE_ERROR"): 1,
    StepKind(OrderStatus.FAILED, "EXPIRED"): 2,
    StepKind(OrderStatus.PENDING, "EXPIRED"): 3,
    StepKind(OrderStatus.ROUTING, "recovery"): 5,
}
COUNTS = {
    Sample(CounterName.REDISPATCHES, "submitted"): 6,
    Sample(CounterName.RECONCILER_ROUNDS, "ok"): 100,
    Sample(CounterName.DISPATCH_FAILURES): 8,
    Sample(CounterName.MESSAGES_DROPPED, "arguments"): 10,
    Sample(CounterName.PUBLISH_FAILURES): 9,
    Sample(CounterName.QUOTES, "raydium:won"): 11,
    Sample(CounterName.QUOTES, "meteora:missing"): 12,
    Sample(CounterName.ATTEMPTS, "2"): 13,
    Sample(CounterName.STAGE_TIME, "routing:0.25"): 3,
    Sample(CounterName.STAGE_TIME, "routing:0.5"): 1,
    Sample(CounterName.STAGE_TIME, "routing:+Inf"): 1,
    Sample(CounterName.STAGE_TIME, "routing:sumMs"): 400_750,
    Sample(CounterName.ORDER_TIME, "confirmed:5"): 2,
    Sample(CounterName.ORDER_TIME, "confirmed:sumMs"): 6_000,
    Sample(CounterName.TRIGGER_TIME, "limit:0.5"): 4,
    Sample(CounterName.TRIGGER_TIME, "limit:sumMs"): 1_500,
    Sample(CounterName.STALE_PRICES, "AAPL"): 22,
    Sample(CounterName.RPC_TIME, "getSlot:0.1"): 5,
    Sample(CounterName.RPC_TIME, "getSlot:sumMs"): 250,
    Sample(CounterName.RPC_ERRORS, "getSlot:timeout"): 23,
    Sample(CounterName.LANDED, "ok"): 24,
    Sample(CounterName.LANDED, "raydium-cpmm:6005"): 25,
    Sample(CounterName.NOT_SIGNED, "INSUFFICIENT_FUNDS"): 26,
    Sample(CounterName.FEES_PAID, "network"): 5_000,
    Sample(CounterName.SETTLEMENTS_GONE): 1,
    Sample(CounterName.SLIPPAGE, "buy:-5"): 1,
    Sample(CounterName.SLIPPAGE, "buy:20"): 4,
}

# A sample by its name and the values of its labels, sorted by label name.
Told = dict[tuple[str, tuple[str, ...]], float]

EXPECTED: Told = {
    ("up", ("postgresql",)): 1,
    ("open_orders", ("pending",)): 4,
    ("open_orders", ("submitted",)): 2,
    ("open_orders", ("building",)): 0,
    ("oldest_open_order_age_seconds", ()): 61.5,
    ("oldest_submitted_order_age_seconds", ()): 30.25,
    ("stuck_orders", ()): 1,
    ("orders_ended_total", ("", "confirmed")): 7,
    ("orders_ended_total", ("ENGINE_ERROR", "failed")): 1,
    ("orders_ended_total", ("NO_QUOTE", "failed")): 0,
    ("attempts_failed_total", ("EXPIRED",)): 5,
    ("attempts_failed_total", ("ENGINE_ERROR",)): 1,
    ("attempts_failed_total", ("NO_QUOTE",)): 0,
    ("recoveries_total", ("recovery",)): 5,
    ("recoveries_total", ("quoteExpired",)): 0,
    ("redispatches_total", ("submitted",)): 6,
    ("redispatches_total", ("pending",)): 0,
    ("reconciler_rounds_total", ("ok",)): 100,
    ("dispatch_failures_total", ("web",)): 1,
    ("dispatch_failures_total", ("worker",)): 8,
    ("messages_dropped_total", ("arguments",)): 10,
    ("messages_dropped_total", ("unreadable",)): 0,
    ("publish_failures_total", ("web",)): 0,
    ("publish_failures_total", ("worker",)): 9,
    ("quotes_total", ("raydium", "won")): 11,
    ("quotes_total", ("meteora", "missing")): 12,
    ("attempts_taken_total", ("2",)): 13,
    ("queued_messages", ("intake",)): 70,
    ("longest_wait_seconds", ("pending",)): 12.5,
    ("longest_wait_seconds", ("routing",)): 0,
    ("stage_seconds_bucket", ("0.1", "routing")): 0,
    ("stage_seconds_bucket", ("0.25", "routing")): 3,
    ("stage_seconds_bucket", ("0.5", "routing")): 4,
    ("stage_seconds_bucket", ("300.0", "routing")): 4,
    ("stage_seconds_bucket", ("+Inf", "routing")): 5,
    ("stage_seconds_count", ("routing",)): 5,
    ("stage_seconds_sum", ("routing",)): 400.75,
    ("order_seconds_sum", ("confirmed",)): 6,
    ("waiting_orders", ("AAPL",)): 21,
    ("trigger_seconds_bucket", ("0.25", "limit")): 0,
    ("trigger_seconds_bucket", ("0.5", "limit")): 4,
    ("trigger_seconds_sum", ("limit",)): 1.5,
    ("stale_prices_total", ("AAPL",)): 22,
    ("rpc_seconds_bucket", ("0.05", "getSlot")): 0,
    ("rpc_seconds_bucket", ("0.1", "getSlot")): 6,
    ("rpc_seconds_sum", ("getSlot",)): 0.25,
    ("rpc_errors_total", ("timeout", "getSlot")): 23,
    ("landed_total", ("ok",)): 24,
    ("landed_total", ("raydium-cpmm:6005",)): 25,
    ("not_signed_total", ("INSUFFICIENT_FUNDS",)): 26,
    ("paid_lamports_total", ("network",)): 5_000,
    ("settlements_gone_total", ()): 1,
    ("wallet_sol", ("solana:other",)): 2.5,
    ("wallet_usdc", ("solana:other",)): 7.25,
    ("wallet_strangers", ("solana:other",)): 4,
    ("slots_behind", ("solana:other",)): 3,
    ("foreign_orders", ("solana:genesis",)): 7,
    ("slippage_bps_bucket", ("-10.0", "buy")): 0,
    ("slippage_bps_bucket", ("-5.0", "buy")): 1,
    ("slippage_bps_bucket", ("20.0", "buy")): 5,
    ("sockets_closed_total", ("slow",)): 0,
    ("open_sockets", ()): 0,
    ("hub_rereads_total", ()): 0,
    ("subscription_losses_total", ()): 0,
}


def a_busy_engine() -> FakeWatched:
    return FakeWatched(open=OPEN, taken=STEPS, counts=COUNTS, waiting={"settle": 3, "intake": 70})


@pytest.fixture
def watched() -> FakeWatched:
    return a_busy_engine()


def told_by(web: Web) -> Told:
    answer = web.client.get("/metrics")
    assert answer.status_code == 200
    assert answer.content_type.startswith("text/plain; version=0.0.4")
    return {
        (sample.name.removeprefix("orderengine_"), _values(sample.labels)): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def _values(labels: dict[str, str]) -> tuple[str, ...]:
    """The values of the labels; a bucket's bound comes first."""
    return tuple(labels[name] for name in sorted(labels, key=lambda name: (name != "le", name)))


def names(told: Told) -> set[str]:
    return {name for name, _ in told}


def documented() -> Iterator[tuple[str, set[str]]]:
    for name, labels in re.findall(r"^\| `orderengine_(\w+)` \| (.*?) ?\| ", DOCS, re.MULTILINE):
        yield name, set(re.findall(r"`(\w+)`", labels))


def test_every_figure_is_told(watched: FakeWatched) -> None:
    web = Web(watched=watched)
    web.dispatcher.down = True
    web.metrics.count(CounterName.DISPATCH_FAILURES)
    web.metrics.count(CounterName.RPC_TIME, "getSlot:0.1")
    told = told_by(web)
    assert {key: told[key] for key in EXPECTED} == EXPECTED
    assert not [name for name in names(told) if name.endswith("_created")]


def test_every_metric_is_documented_and_every_documented_one_is_told(watched: FakeWatched) -> None:
    assert {f"orderengine_{name}": labels for name, labels in documented()} == exported(watched)


def exported(watched: FakeWatched) -> dict[str, set[str]]:
    """The exported names with their labels; a histogram has a single name."""
    missing = FakeProbes(missing={"worker": "no_heartbeat"})
    answer = Web(watched=watched, probes=missing).client.get("/metrics")
    return {
        family.name if family.type == "histogram" else sample.name: set(sample.labels) - {"le"}
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


@functools.cache
def series() -> dict[str, set[str]]:
    """All names that a query can use, with their labels; made once for all expressions."""
    missing = FakeProbes(missing={"worker": "no_heartbeat"})
    answer = Web(watched=a_busy_engine(), probes=missing).client.get("/metrics")
    return {
        sample.name: set(sample.labels)
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def expressions() -> list[str]:
    rules = yaml.safe_load((DEPLOY / "prometheus" / "orderengine.rules.yml").read_text("utf-8"))
    dashboard = json.loads((DEPLOY / "grafana" / "orderengine.json").read_text("utf-8"))
    asked = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    return asked + [rule["expr"] for group in rules["groups"] for rule in group["rules"]]


@pytest.mark.parametrize("expression", expressions())
def test_dashboard_and_alerts_ask_for_series_and_labels_that_exist(expression: str) -> None:
    known = series()
    asked = re.findall(r"\b(orderengine_\w+)(?:\{([^}]*)\})?", expression)
    assert asked
    for name, matchers in asked:
        assert name in known, expression
        labels = set(re.findall(r"(\w+)\s*(?:=~|!=|!~|=)", matchers)) - {"job", "instance"}
        assert labels <= known[name], expression
    grouped = {
        label.strip()
        for group in re.findall(r"\bby\s*\(([^)]*)\)", expression)
        for label in group.split(",")
    }
    assert grouped <= set().union(*(known[name] for name, _ in asked)), expression


def test_the_dashboard_shows_every_figure() -> None:
    dashboard = (DEPLOY / "grafana" / "orderengine.json").read_text("utf-8")
    assert [name for name, _ in documented() if f"orderengine_{name}" not in dashboard] == []


def test_orders_are_counted_once_each_and_refusals_by_their_code() -> None:
    web = Web(limits=Limits(max_open_orders=2))
    order = {"symbol": "AAPL", "side": "buy", "quantity": 10}
    path, key = "/api/orders/execute", {"Idempotency-Key": "k-1"}
    replies = [web.client.post(path, json=order, headers=key) for _ in range(2)]
    assert [reply.headers.get("Idempotency-Replayed") for reply in replies] == [None, "true"]
    web.place()
    web.client.post(path, json={**order, "symbol": "NONE"})
    web.client.post(path, json=order)
    web.client.get("/api/orders/none")
    told = told_by(web)
    assert told["orders_accepted_total", ()] == 2
    refused = {labels[0]: n for (name, labels), n in told.items() if name == "orders_refused_total"}
    assert {code: n for code, n in refused.items() if n} == {
        "VALIDATION_FAILED": 1,
        "TOO_MANY_OPEN_ORDERS": 1,
    }
    assert refused["UNAUTHORIZED"] == refused["INTERNAL_ERROR"] == 0


def test_an_order_without_a_key_is_counted_as_refused() -> None:
    web = Web(asks_for_keys=True)
    assert web.client.post("/api/orders/execute", json={}).status_code == 401
    assert web.metrics.counts() == {Sample(CounterName.REFUSALS, "UNAUTHORIZED"): 1}


def test_each_alert_is_in_the_operators_book() -> None:
    rules = yaml.safe_load((DEPLOY / "prometheus" / "orderengine.rules.yml").read_text("utf-8"))
    book = (DEPLOY.parent / "docs" / "operations.md").read_text("utf-8")
    alerts = [rule["alert"] for group in rules["groups"] for rule in group["rules"]]
    assert len(alerts) == len(set(alerts)) > 5
    told = re.findall(r"^\| `(Orderengine\w+)` \|", book, re.MULTILINE)
    assert sorted(told) == sorted(alerts)


def test_metrics_without_postgresql_say_so_and_tell_the_rest() -> None:
    told = told_by(Web(watched=FakeWatched(open=None, counts=COUNTS)))
    assert told["up", ("postgresql",)] == 0
    assert told["redispatches_total", ("submitted",)] == 6
    assert not {"open_orders", "stuck_orders", "orders_ended_total"} & names(told)


def test_metrics_name_the_reason_why_no_order_can_be_written(watched: FakeWatched) -> None:
    probes = FakeProbes(fault="read-only", cause=StorageCause.READ_ONLY)
    told = told_by(Web(watched=watched, probes=probes))
    found = {labels[0]: value for (name, labels), value in told.items() if name == "storage_fault"}
    assert found == {cause.value: int(cause is StorageCause.READ_ONLY) for cause in StorageCause}
    assert told["up", ("postgresql",)] == 1


def test_metrics_without_redis_say_so_and_tell_the_rest(watched: FakeWatched) -> None:
    watched.counts = None
    told = told_by(
        Web(watched=watched, probes=FakeProbes(missing={"redis": "disk_full", "worker": "unknown"}))
    )
    assert (told["up", ("redis",)], told["up", ("worker",)]) == (0, 0)
    assert (told["degraded", ("disk_full", "redis")], told["degraded", ("unknown", "worker")]) == (
        1,
        1,
    )
    assert told["open_orders", ("pending",)] == 4
    assert told["dispatch_failures_total", ("web",)] == 0
    assert ("dispatch_failures_total", ("worker",)) not in told
    assert not {"redispatches_total", "stage_seconds_count", "queued_messages"} & names(told)


def test_a_figure_that_fails_takes_no_other_one_with_it(
    watched: FakeWatched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watched, "steps", lambda: 1 / 0)
    told = told_by(Web(watched=watched))
    assert told["open_orders", ("pending",)] == 4
    assert "orders_ended_total" not in names(told)


def test_a_reason_that_another_release_stored_is_told_as_it_is(watched: FakeWatched) -> None:
    watched.taken = {StepKind(OrderStatus.FAILED, "NEW_REASON"): 2}
    told = told_by(Web(watched=watched))
    assert told["orders_ended_total", ("NEW_REASON", "failed")] == 2
