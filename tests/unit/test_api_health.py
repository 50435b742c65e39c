"""Liveness checks nothing; readiness checks the dependencies of orders."""

import pytest
from structlog.testing import capture_logs

from orderengine.api.routes.health import SILENT_S, tell_what_is_missing
from orderengine.domain.order import OrderStatus
from orderengine.execution.operations.figures import OpenOrders, SigningWallet
from tests.fakes import START, FakeHalts, FakeProbes, FakeWatched
from tests.web import Web


def test_the_process_lives_whatever_is_missing() -> None:
    web = Web(probes=FakeProbes(fault="PostgreSQL gives no answer", missing={"redis": "no_answer"}))
    web.orders.down = True
    answer = web.client.get("/livez")
    assert (answer.status_code, answer.get_json()) == (200, {"status": "ok"})


def test_a_whole_service_is_ready() -> None:
    answer = Web().client.get("/readyz")
    nothing = {"status": "ok", "degraded": [], "causes": {}, "network": "simulated"}
    expected = {**nothing, "oldestOpenOrderS": 0.0, "stuckOrders": 0}
    assert (answer.status_code, answer.get_json()) == (200, expected)


def test_a_degraded_service_is_ready_and_tells_what_is_missing() -> None:
    causes = {"redis": "read_only_replica", "worker": "unknown"}
    web = Web(probes=FakeProbes(missing=causes))
    answer = web.client.get("/readyz")
    assert answer.status_code == 200
    told = answer.get_json()
    assert (told["status"], told["degraded"]) == ("degraded", ["redis", "worker"])
    assert told["causes"] == causes


def test_stuck_orders_degrade_the_service_and_do_not_stop_it() -> None:
    stuck = OpenOrders({OrderStatus.SUBMITTED: 3}, 200.1234, 199.0, stuck=2)
    answer = Web(watched=FakeWatched(open=stuck)).client.get("/readyz")
    expected = {
        "status": "degraded",
        "degraded": ["stuck"],
        "causes": {"stuck": "network"},
        "network": "simulated",
        "oldestOpenOrderS": 200.123,
        "stuckOrders": 2,
    }
    assert (answer.status_code, answer.get_json()) == (200, expected)


def test_orders_of_another_network_are_named_and_counted() -> None:
    foreign = {("solana:old", "wallet"): 2, ("simulated", ""): 1}
    found = OpenOrders({OrderStatus.SUBMITTED: 3}, 1.0, 1.0, stuck=0, foreign=foreign)
    told = Web(watched=FakeWatched(open=found)).client.get("/readyz").get_json()
    assert told["degraded"] == ["foreign_orders"]
    assert told["causes"] == {"foreign_orders": "another_network"}
    assert told["foreignOrders"] == 3


@pytest.mark.parametrize(
    ("network", "told_s", "causes"),
    [
        ("solana", [SILENT_S + 1], {"nodes": "no_answer"}),
        ("dry_run", [], {"nodes": "no_answer"}),
        ("solana", [SILENT_S + 1, 3.0], {}),
        ("simulated", [], {}),
    ],
)
def test_nodes_that_give_no_answer_are_named(
    network: str, told_s: list[float], causes: dict[str, str]
) -> None:
    wallets = [SigningWallet(f"solana:{each}", 1, 1, 0, None, each) for each in told_s]
    found = FakeWatched(open=OpenOrders({}, 0.0, 0.0, stuck=0, wallets=wallets))
    told = Web(watched=found, network=network).client.get("/readyz").get_json()
    assert (told["causes"], told["degraded"]) == (causes, list(causes))
    missing = FakeProbes(missing={"worker": "no_heartbeat"})
    told = Web(watched=found, network=network, probes=missing).client.get("/readyz").get_json()
    assert told["degraded"] == ["worker"], "nobody asks them"


def test_figures_that_can_not_be_read_are_left_out() -> None:
    answer = Web(watched=FakeWatched(open=None)).client.get("/readyz")
    nothing = {"status": "ok", "degraded": [], "causes": {}, "network": "simulated"}
    assert (answer.status_code, answer.get_json()) == (200, nothing)


def test_without_its_database_the_service_is_not_ready() -> None:
    web = Web(probes=FakeProbes(fault="migrations are behind"))
    answer = web.client.get("/readyz")
    assert answer.status_code == 503
    assert (answer.get_json()["code"], answer.get_json()["detail"]) == (
        "NOT_READY",
        "migrations are behind",
    )


def test_a_lack_of_connections_degrades_the_service() -> None:
    answer = Web(probes=FakeProbes(crowded=True)).client.get("/readyz")
    assert (answer.status_code, answer.get_json()["degraded"]) == (200, ["connections"])


def test_a_halt_degrades_the_service_and_is_named() -> None:
    answer = Web(halts=FakeHalts(halted_at=START)).client.get("/readyz")
    told = answer.get_json()
    assert (answer.status_code, told["degraded"]) == (200, ["trading"])
    assert told["causes"] == {"trading": "halted"}


def test_a_switch_that_can_not_be_read_is_not_named() -> None:
    answer = Web(halts=FakeHalts(down=True)).client.get("/readyz")
    assert (answer.status_code, answer.get_json()["degraded"]) == (200, [])


@pytest.mark.parametrize("network", ["solana", "dry_run"])
def test_a_live_network_is_named(network: str) -> None:
    assert Web(network=network).client.get("/readyz").get_json()["network"] == network


def test_a_process_tells_at_its_start_what_it_lacks() -> None:
    with capture_logs() as lines:
        tell_what_is_missing(FakeProbes(fault="no right", missing={"redis": "no_answer"}))
        tell_what_is_missing(FakeProbes(missing={"worker": "no_heartbeat"}))
        tell_what_is_missing(FakeProbes(trouble=("tls", "Redis at h speaks no TLS")))
    assert [(each["setting"], each.get("error") or each["cause"]) for each in lines] == [
        ("DATABASE_URL", "no right"),
        ("REDIS_URL", "no_answer"),
        ("REDIS_URL", "Redis at h speaks no TLS"),
    ]
