"""A rolling deploy from the release before order types, under load, with orders of all kinds."""

import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
import websocket

from harness.waiting import wait_until
from orderengine.config.settings import sqlalchemy_url
from orderengine.postgres.database import create_database_engine
from tests.e2e.conftest import next_redis_url, scratch_database
from tests.e2e.earlier import BEFORE_ORDER_TYPES, EarlierStack, unpack
from tests.e2e.ledger import executions, open_orders
from tests.e2e.metrics import told_by
from tests.e2e.rolling import LOOSE, VOLATILITY, Deploy, a_stop_that_fires, later, moved_by, send
from tests.e2e.stack import TIMEOUT_S, WORKER_IS_READY, Stack
from tests.servers import Servers

HIGH = {"type": "limit", "limitPrice": "10000"}
"""A limit to buy that every price meets."""
LOW = {"type": "limit", "limitPrice": "1"}
ENDED = {"confirmed", "failed", "canceled", "expired"}
SETTINGS = {
    "ORDER_CONCURRENCY": "4",
    "SIM_VOLATILITY": str(VOLATILITY),
    "SIM_QUOTE_LATENCY_MS": "20-30",
    "SIM_SETTLEMENT_MS": "700-900",
    # The market moves against each order, so that one without tolerance reverts.
    "SIM_DRIFT_BPS": "20-20",
    "SIM_SPREAD_BPS": "0-0",
    "RATE_PER_ADDRESS": "0",
    "RECOVERY_AFTER_MS": "1500",
    "RECOVERY_INTERVAL_MS": "200",
}


def place_all_kinds(deploy: Deploy) -> None:
    """Orders that only the new release takes, at its web process."""
    place, new = deploy.place, deploy.new
    place("a stop", 1, new, **a_stop_that_fires(), **LOOSE)
    place("to be canceled", 5, new, **LOW)
    place("to expire", 5, new, **LOW, expiresAt=later(4))
    place("kept", 5, new, **LOW)
    place("a limit without a tolerance", 8, new, **HIGH)
    place("a limit with a tolerance", 8, new, **HIGH, **LOOSE)
    place("a limit with one try", 4, new, **HIGH, timeInForce="IOC")
    place("a limit of USDC", 4, new, **HIGH, quantity=None, quoteQuantity="300")
    place("USDC", 8, new, quantity=None, quoteQuantity="300", **LOOSE)
    place(
        "a sniper",
        4,
        new,
        type="sniper",
        trigger={"on": "poolOpened"},
        worstPrice="10000",
        expiresAt=later(60),
    )
    place("a market order with a time", 4, new, **LOOSE, expiresAt=later(60))
    place("canceled in flight", 8, new, **LOOSE)
    place("canceled in flight, and reverts", 8, new, slippageBps=0)


def until_submitted(stack: Stack, order_id: str) -> None:
    wait_until(lambda: stack.order(order_id)["status"] in {"submitted", *ENDED}, TIMEOUT_S)


def cancel(deploy: Deploy) -> None:
    for order_id in deploy.placed["to be canceled"]:
        assert send(deploy.new, "DELETE", f"/api/orders/{order_id}")[0] == 200
    for kind in ("canceled in flight, and reverts", "canceled in flight"):
        for order_id in deploy.placed[kind]:
            until_submitted(deploy.new, order_id)
            assert send(deploy.new, "DELETE", f"/api/orders/{order_id}")[0] in {200, 202, 409}


def stream_refused(stack: Stack, order_id: str) -> int:
    """The status with which an order's socket is refused; the close code if it is not."""
    try:
        return stack.follow(order_id).code
    except websocket.WebSocketBadStatusException as refused:
        return refused.status_code


def look_with_the_old_web(deploy: Deploy) -> None:
    """While orders that wait, are canceled and expired are in the table."""
    rows = deploy.rows("SELECT DISTINCT status FROM orders")
    assert {"waiting", "canceled", "expired"} <= {row.status for row in rows}
    old, ids = deploy.old, deploy.placed
    deploy.told_by_old = {
        "list": old.get("/api/orders?limit=100"),
        "waiting": send(old, "GET", f"/api/orders/{ids['kept'][0]}"),
        "canceled": send(old, "GET", f"/api/orders/{ids['to be canceled'][0]}"),
        "stream of one that waits": stream_refused(old, ids["kept"][0]),
        "metrics": told_by(old),
        "readyz": old.get("/readyz"),
    }


def roll(deploy: Deploy) -> None:
    """Migrate, start the new processes beside the old ones, trade, and stop the old ones."""
    old, new = deploy.old, deploy.new
    with deploy.trading():
        deploy.place("market before", 6, old, **LOOSE)
        with old.following(deploy.placed["market before"]) as live:
            new.run("release", new.lines["release"], new.environ)
        deploy.live = [each.result() for each in live]
        for name in new.starts:
            new.start_line(name)
        wait_until(lambda: WORKER_IS_READY in new.logs("worker"), 30.0)
        new.wait_ready()
        place_all_kinds(deploy)
        cancel(deploy)
        deploy.until("to expire", "expired")
        look_with_the_old_web(deploy)
        for kind in deploy.placed.keys() - {"kept", "market at the old web"}:
            deploy.until(kind, *ENDED)
    deploy.place("market at the end", 6, old, **LOOSE)
    for name in old.starts:
        old.kill(name, signal.SIGTERM)
    assert {name: old.wait(name) for name in old.starts} == dict.fromkeys(old.starts, "exit code 0")
    wait_until(lambda: set(open_orders(deploy.database)) == {"waiting"}, TIMEOUT_S)


@pytest.fixture(scope="module")
def deploy(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deploy]:
    checkout = unpack(BEFORE_ORDER_TYPES, tmp_path_factory.mktemp("before"))
    redis_url = next_redis_url(servers)
    with ExitStack() as ends:
        url = ends.enter_context(scratch_database(servers))
        folder = tmp_path_factory.mktemp("old")
        old = ends.enter_context(EarlierStack(checkout, url, redis_url, folder, **SETTINGS))
        new = Stack(url, redis_url, tmp_path_factory.mktemp("new"), **SETTINGS)
        ends.callback(new.stop)
        database = create_database_engine(sqlalchemy_url(url), pool_size=1, application="tests")
        ends.callback(database.dispose)
        running = Deploy(old, new, database)
        try:
            roll(running)
        except BaseException as error:
            error.add_note(old.tails() + new.tails())
            raise
        yield running


def test_each_order_ends_once_without_a_gap_and_is_executed_at_most_once(deploy: Deploy) -> None:
    executed = executions(deploy.database)
    for kind in deploy.placed.keys() - {"kept"}:
        ids = deploy.placed[kind]
        for order_id, stream in zip(ids, deploy.new.follow_many(ids), strict=True):
            assert stream.seqs == list(range(1, len(stream.seqs) + 1)), (kind, order_id)
            end = stream.statuses[-1]
            assert executed[order_id] == (end == "confirmed"), (kind, order_id, end)
    assert {stream.statuses[-1] for stream in deploy.live} == {"confirmed"}
    assert len(deploy.placed["market at the old web"]) > len(deploy.placed["market before"])


@pytest.mark.parametrize(
    ("kind", "end"),
    [
        ("market before", "confirmed"),
        ("market at the old web", "confirmed"),
        ("market at the end", "confirmed"),
        ("a stop", "confirmed"),
        ("to be canceled", "canceled"),
        ("to expire", "expired"),
        ("kept", "waiting"),
        ("a limit without a tolerance", "confirmed"),
        ("a limit with a tolerance", "confirmed"),
        ("a limit with one try", "confirmed"),
        ("a limit of USDC", "confirmed"),
        ("USDC", "confirmed"),
        ("a sniper", "confirmed"),
        ("a market order with a time", "confirmed"),
        ("canceled in flight, and reverts", "canceled"),
    ],
)
def test_orders_of_each_kind_end_as_in_one_release(deploy: Deploy, kind: str, end: str) -> None:
    other = {each for each in deploy.placed[kind] if deploy.new.order(each)["status"] != end}
    # The old worker knows no rests: a limit order whose attempts are spent fails there.
    failed_by_old = moved_by(deploy.old).get("failed", set())
    assert other <= (failed_by_old if kind.startswith("a limit") else set())


def test_a_cancel_that_came_too_late_is_told_by_the_workers_that_know_cancels(
    deploy: Deploy,
) -> None:
    confirmed_by_old = moved_by(deploy.old)["confirmed"]
    for order_id in deploy.placed["canceled in flight"]:
        order = deploy.new.order(order_id)
        if order["status"] == "confirmed" and "cancelRequestedAt" in order:
            told = deploy.new.follow(order_id).events[-1]["data"].get("cancelTooLate")
            assert told or order_id in confirmed_by_old


def test_the_old_web_reads_what_it_knows_beside_rows_that_it_does_not_know(
    deploy: Deploy,
) -> None:
    told = deploy.told_by_old
    listed = {order["orderId"] for order in told["list"]["orders"]}
    placed = deploy.placed
    assert listed >= {*placed["USDC"], *placed["a market order with a time"]}
    assert not listed & {*placed["to be canceled"], *placed["to expire"], *placed["kept"]}
    for kind in ("waiting", "canceled"):
        status, problem = told[kind]
        assert (status, problem["code"]) == (503, "STORAGE_UNAVAILABLE")
        assert "written by another release" in problem["detail"]
    assert told["stream of one that waits"] == 503
    assert told["readyz"]["status"] == "ok"
    assert told["metrics"]['orderengine_open_orders{status="submitted"}'] >= 0


def test_the_old_processes_tell_of_an_unknown_row_and_go_on(deploy: Deploy) -> None:
    for name in deploy.old.starts:
        told = Counter(
            (line["order_id"], line["version"])
            for line in deploy.old.log_lines(name)
            if line.get("event") == "order_unreadable"
        )
        # Each store of a process tells of a row once: that of lists, and that of single orders.
        assert max(told.values(), default=0) <= 2
    # Its last orders came when it had met all that it does not know.
    assert moved_by(deploy.old)["routing"] & set(deploy.placed["market at the end"])


def test_an_old_worker_leaves_the_routes_that_it_can_not_choose_to_the_new_one(
    deploy: Deploy,
) -> None:
    """A worker of either release takes an order that has started, or its next step."""
    old, new = (
        {line["order_id"] for line in stack.log_lines("worker") if line["event"] == "route_chosen"}
        for stack in (deploy.old, deploy.new)
    )
    placed = deploy.placed
    assert {*placed["a limit without a tolerance"]} <= new - old
    assert not {*placed["a sniper"]} & old
    assert old & {*placed["a limit with a tolerance"], *placed["USDC"]}


def test_no_recovery_touches_an_order_that_waits(deploy: Deploy) -> None:
    kept = deploy.rows(
        "SELECT version, redispatched, recoveries FROM orders WHERE due_at = 'infinity'"
    )
    assert kept == [(1, 0, 0)] * len(deploy.placed["kept"])
    stored = {str(row.id) for row in deploy.rows("SELECT id FROM orders")}
    assert stored == {order_id for ids in deploy.placed.values() for order_id in ids}
