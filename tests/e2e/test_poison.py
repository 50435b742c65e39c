"""Poison orders on the real stack: each one ends, and other orders are not affected."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from harness.processes import ROOT
from harness.waiting import wait_until
from tests.e2e.ledger import executions
from tests.e2e.metrics import told_by
from tests.e2e.stack import Document, Stack

RECOVERIES = 10
DEATHS = 2
ENDS_WITHIN_S = 60.0
DIES_ROUTING = "route.after_commit:1"

NO_ROUTING = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.status = 'routing' AND NEW.symbol = 'BONK' THEN RAISE 'poison'; END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER refuse BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION refuse()"""


@pytest.fixture(scope="module")
def stack_environ() -> Mapping[str, str]:
    return {
        "RECOVERY_INTERVAL_MS": "200",
        "SIM_QUOTE_LATENCY_MS": "300-300",
        "SIM_SETTLEMENT_MS": "100-100",
    }


@pytest.fixture(scope="module")
def coarse_instruments(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Instruments as another release may list them: SOL has too few decimals for its orders."""
    lines = (ROOT / "orderengine" / "instruments.csv").read_text("utf-8")
    changed = lines.replace("SOL,Solana,9,0.000000001,0.0001", "SOL,Solana,1,0.1,0.1")
    assert changed != lines
    path = tmp_path_factory.mktemp("instruments") / "instruments.csv"
    path.write_text(changed, "utf-8")
    return path


def hurry(database: Engine, order_id: str) -> None:
    """Make an order due now, so that recovery takes it in its next round."""
    statement = text("UPDATE orders SET due_at = now() WHERE id = :id AND due_at > now()")
    with database.connect() as connection:
        connection.execute(statement, {"id": order_id})


def has_ended(stack: Stack, database: Engine, order_id: str) -> Callable[[], bool]:
    def look() -> bool:
        hurry(database, order_id)
        return str(stack.order(order_id)["status"]) in {"confirmed", "failed"}

    return look


def stack_recoveries(database: Engine, order_id: str) -> int:
    """How often recovery has dispatched an order in its attempt."""
    statement = text("SELECT recoveries FROM orders WHERE id = :id")
    with database.connect() as connection:
        return int(connection.execute(statement, {"id": order_id}).scalar_one())


def skip_recoveries(database: Engine, order_id: str) -> None:
    """Leave an order one recovery, because each recovery needs the start of a worker."""
    statement = text("UPDATE orders SET recoveries = :count WHERE id = :id")
    with database.connect() as connection:
        connection.execute(statement, {"id": order_id, "count": RECOVERIES - 1})


def assert_given_up(stack: Stack, database: Engine, order_id: str) -> Document:
    shown = stack.order(order_id)
    assert (shown["status"], shown["reason"]) == ("failed", "ENGINE_ERROR")
    assert "recovered 10 times in attempt 1" in shown["detail"]
    assert executions(database)[order_id] == 0
    events = stack.get(f"/api/orders/{order_id}/events")["events"]
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    return {"causes": [event["data"].get("cause") for event in events]}


def test_an_order_that_makes_a_stage_raise_each_time_fails(
    stack: Stack, stack_database: Engine, coarse_instruments: Path
) -> None:
    stack.restart("worker", INSTRUMENTS_FILE=str(coarse_instruments))
    poison = stack.post("SOL", "sell", "0.123456")
    sound = stack.post("SOL", "sell", "2.5")
    wait_until(has_ended(stack, stack_database, poison), ENDS_WITHIN_S)
    told = assert_given_up(stack, stack_database, poison)
    assert told["causes"] == [None, "order", *["recovery"] * RECOVERIES, None]
    assert stack.follow(sound).statuses[-1] == "confirmed"
    metrics = told_by(stack)
    assert metrics['orderengine_orders_ended_total{reason="ENGINE_ERROR",status="failed"}'] == 1
    assert metrics['orderengine_recoveries_total{cause="recovery"}'] >= RECOVERIES


def test_an_order_that_never_makes_its_first_step_fails(
    stack: Stack, stack_database: Engine
) -> None:
    with stack_database.connect() as connection:
        connection.execute(text(NO_ROUTING))
    poison = stack.post("BONK", "buy", "1000")
    wait_until(has_ended(stack, stack_database, poison), ENDS_WITHIN_S)
    assert assert_given_up(stack, stack_database, poison)["causes"] == [None, None]
    pending = 'orderengine_redispatches_total{status="pending"}'
    wait_until(lambda: told_by(stack)[pending] >= RECOVERIES)


def test_an_order_that_kills_its_worker_each_time_fails(
    stack: Stack, stack_database: Engine
) -> None:
    def has_struck() -> bool:
        hurry(stack_database, poison)
        return not stack.is_running("worker")

    stack.restart("worker", FAIL_POINT=DIES_ROUTING)
    try:
        poison = stack.post("AAPL", "buy", "1")
        for _ in range(DEATHS):
            wait_until(has_struck, ENDS_WITHIN_S)
            assert stack.wait("worker") == "signal SIGKILL"
            stack.start_line("worker")  # it may die before it is ready
        assert stack_recoveries(stack_database, poison) >= DEATHS - 1
        skip_recoveries(stack_database, poison)
        ended = has_ended(stack, stack_database, poison)

        def ends_while_workers_start() -> bool:
            if has_struck():
                stack.wait("worker")
                stack.start_line("worker")
            return ended()

        wait_until(ends_while_workers_start, ENDS_WITHIN_S)
    finally:
        stack.restart("worker", FAIL_POINT="")
    assert_given_up(stack, stack_database, poison)
