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
from orderengine.execution.operations.figures import StepKind
from tests.fakes import FakeProbes, FakeWatched
from tests.figures import COUNTS, EXPECTED, OPEN, STEPS, Told
from tests.web import Web

DOCS = (PACKAGE_DIR.parent / "docs" / "metrics.md").read_text("utf-8")
DEPLOY = PACKAGE_DIR.parent / "deploy"


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
