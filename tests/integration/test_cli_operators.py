"""The operators' commands on a real PostgreSQL and a real Redis."""

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from click.testing import Result
from sqlalchemy import Engine, text

from orderengine.cli.common import Surroundings
from orderengine.domain.order import OrderStatus
from orderengine.execution.operations import archive as use_case
from orderengine.execution.operations.archive import Pruned, export_events, export_orders, prune
from orderengine.settlement.ledger import Ledger
from orderengine.storage import archive as statements
from orderengine.storage.archive import SqlArchive
from orderengine.storage.figures import SqlFigures
from orderengine.storage.orders import SqlOrders
from tests.builders import A_FAIL, a_build, a_failed_attempt, a_limit
from tests.cli_desk import call
from tests.conftest import a_new_order
from tests.integration.operators import confirmed, run, surroundings_of
from tests.statements import LOAD_CONFIRMED, explaining
from tests.steps import CONFIRMED, RECOVER, Walk
from tests.web import Web

OLD = timedelta(days=30)


@pytest.fixture
def around(database: Engine, database_url: str, redis_url: str) -> Surroundings:
    return surroundings_of(database, database_url, redis_url)


@pytest.fixture
def orders(database: Engine) -> SqlOrders:
    return SqlOrders(database)


@pytest.fixture
def archive(database: Engine) -> SqlArchive:
    return SqlArchive(database)


def told(ran: Result) -> dict[str, object]:
    assert ran.exception is None or isinstance(ran.exception, SystemExit), ran.exception
    document: dict[str, object] = json.loads(ran.stdout)
    return document


def age(database: Engine, days: int) -> None:
    """Make all orders and their events older by this much."""
    interval = f"interval '{days} days'"
    run(database, f"UPDATE order_events SET occurred_at = occurred_at - {interval}")  # noqa: S608
    run(database, f"UPDATE orders SET updated_at = updated_at - {interval}")  # noqa: S608


def test_an_order_is_requeued_without_changing_its_state(
    around: Surroundings, orders: SqlOrders, database: Engine
) -> None:
    walk = Walk(orders)
    walk.steps(CONFIRMED[0])
    run(database, "UPDATE orders SET due_at = now() + interval '1 h', redispatched = 7")
    before = orders.get(walk.order_id)
    ran = call("orders", "requeue", str(walk.order_id), around=around)
    assert ran.exit_code == 0
    assert "is due now" in ran.stdout
    assert "stays routing, attempt 1, version 2" in ran.stdout
    assert orders.get(walk.order_id) == before
    assert [order.order_id for order in orders.claim_due(10)] == [walk.order_id]


def test_an_ended_order_and_an_unknown_one_are_not_requeued(
    around: Surroundings, orders: SqlOrders
) -> None:
    walk = Walk(orders)
    walk.step(A_FAIL)
    ended = call("orders", "requeue", str(walk.order_id), around=around)
    unknown = call("orders", "requeue", str(uuid4()), around=around)
    assert (ended.exit_code, unknown.exit_code) == (2, 2)
    assert "is failed: there is nothing left to do" in ended.stderr
    assert "there is no order" in unknown.stderr


def test_an_order_that_waits_is_neither_stuck_nor_requeued(
    around: Surroundings, orders: SqlOrders
) -> None:
    order_id = orders.accept(a_limit()).order.order_id
    assert call("orders", "stuck", around=around).stdout == "no order stands still\n"
    ran = call("orders", "requeue", str(order_id), around=around)
    assert ran.exit_code == 2
    assert ran.stderr == f"order {order_id} is waiting: it starts when its condition holds\n"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("due_at = now() - interval '11 s'", "unclaimed"),
        ("redispatched = 3", "workers"),
        ("status = 'submitted', updated_at = now() - interval '91 s'", "network"),
        ("due_at = now() - interval '2 s', redispatched = 2", None),
        ("status = 'submitted', redispatched = 5", None),
    ],
)
def test_orders_that_stand_still_are_listed_with_the_reason(
    around: Surroundings, orders: SqlOrders, database: Engine, change: str, why: str | None
) -> None:
    walk = Walk(orders)
    run(database, f"UPDATE orders SET {change}")  # noqa: S608
    ran = call("orders", "stuck", "--json", around=around)
    found = [(each["orderId"], each["why"]) for each in json.loads(ran.stdout)["orders"]]
    assert found == ([(str(walk.order_id), why)] if why else [])
    assert ran.exit_code == (1 if why else 0)
    shown = call("orders", "stuck", around=around)
    assert (f"{why}: " in shown.stdout) if why else (shown.stdout == "no order stands still\n")


def test_orders_of_another_network_are_counted_with_what_to_set_back(
    around: Surroundings, orders: SqlOrders, database: Engine
) -> None:
    walk = Walk(orders)
    walk.steps(CONFIRMED[0], a_build(datetime.now(UTC)), CONFIRMED[2])
    run(database, "UPDATE transactions SET network = 'solana:old', wallet = 'w'")
    run(database, "UPDATE orders SET updated_at = now() - interval '16 s'")
    told = json.loads(call("orders", "stuck", "--json", around=around).stdout)
    assert told["foreign"] == [{"network": "solana:old", "wallet": "w", "orders": 1}]
    shown = call("orders", "stuck", around=around)
    assert "1 open orders belong to solana:old: set back NETWORK=solana" in shown.stdout
    assert shown.exit_code == 1


def test_all_orders_and_events_are_exported_once_over_many_pages(
    orders: SqlOrders, archive: SqlArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(use_case, "PAGE", 3)
    walks = [confirmed(orders, f"sig{n}") for n in range(7)]
    pages = list(export_orders(archive))
    assert [len(page) for page in pages] == [3, 3, 1]
    assert {row["orderId"] for page in pages for row in page} == {w.order_id for w in walks}
    events = [(row["orderId"], row["seq"]) for page in export_events(archive) for row in page]
    assert len(events) == len(set(events)) == 35


def test_an_export_reads_as_what_was_stored(around: Surroundings, orders: SqlOrders) -> None:
    walk = confirmed(orders)
    ran = call("export", "orders", around=around)
    (row,) = csv.DictReader(io.StringIO(ran.stdout))
    assert (row["orderId"], row["status"], row["executedPrice"]) == (
        str(walk.order_id),
        "confirmed",
        "230.1",
    )
    assert row["createdAt"].endswith("Z")
    assert ran.stderr == "1 orders\n"
    ran = call("export", "events", "--format", "jsonl", around=around)
    events = [json.loads(line) for line in ran.stdout.splitlines()]
    assert [event["seq"] for event in events] == [1, 2, 3, 4, 5]
    assert events[2]["data"]["quotedPrice"] == "230"
    as_json = call("export", "events", "--json", around=around)
    assert (as_json.stdout, json.loads(as_json.stderr)) == (ran.stdout, {"events": 5})
    refused = call("export", "events", "--json", "--format", "csv", around=around)
    assert (refused.exit_code, refused.stdout, refused.stderr.count("\n")) == (2, "", 1)
    ran = call("export", "events", around=around)
    *_, last = csv.DictReader(io.StringIO(ran.stdout))
    assert json.loads(last["data"]) == events[4]["data"]


def test_pruning_keeps_orders_totals_and_whatever_is_young_or_open(
    around: Surroundings, orders: SqlOrders, database: Engine
) -> None:
    figures = SqlFigures(database, 90)
    gone = confirmed(orders)
    still_open = Walk(orders)
    still_open.steps(CONFIRMED[0], RECOVER, a_failed_attempt())
    age(database, 31)
    young = Walk(orders)
    young.step(A_FAIL)
    steps = figures.steps()
    assert call("prune", "--older-than", "30d", "--yes", around=around).exit_code == 0
    assert len(gone.events) == 5, "the metrics have not summed it up"
    assert figures.sum_up(100) == 3
    before = orders.get(gone.order_id)

    place = around.environ["DATABASE_URL"].partition("@")[2]
    assert call("prune", "--older-than", "30d", around=around).stdout.startswith(f"{place}: would")
    dry = told(call("prune", "--older-than", "30d", "--json", around=around))
    assert dry == {"dryRun": True, "database": place, "orders": 1, "events": 5, "more": False}
    assert len(gone.events) == 5
    done = told(call("prune", "--older-than", "30d", "--yes", "--json", around=around))
    assert (done["database"], done["orders"], done["events"]) == (place, 1, 5)
    assert gone.events == []
    assert len(still_open.events) == 4
    assert len(young.events) == 2
    assert orders.get(gone.order_id) == before
    assert figures.steps() == steps
    assert not told(call("prune", "--older-than", "30d", "--json", around=around))["orders"]


def test_pruning_forgets_the_networks_rows_and_old_keys_in_batches(
    around: Surroundings, orders: SqlOrders, database: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(use_case, "PRUNE_BATCH", 2)
    walks = [Walk(orders) for _ in range(5)]
    for walk in walks:
        walk.step(A_FAIL)
    orders.accept_once(a_new_order(), "a key")
    run(
        database,
        """
        INSERT INTO sim_transactions (signature, order_id, attempt, legs, symbol, side,
            base_amount, limit_amount, last_valid_height, received_at, outcome)
        SELECT id::text, id, 1, '[{"venue": "raydium", "pool": "p", "baseAmount": "1"}]', 'AAPL',
               'buy', 1, 1, 1, now(), 'expired' FROM orders""",
    )
    age(database, 31)
    run(database, "UPDATE idempotency_keys SET created_at = now() - interval '31 days'")
    SqlFigures(database, 90).sum_up(100)
    so_far: list[Pruned] = []
    total = prune(SqlArchive(database), orders, Ledger(database, 400), OLD, so_far.append)
    assert [each.orders for each in so_far] == [2, 4, 5]
    assert total == (5, 10, 5, 1)
    with database.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM sim_transactions")).scalar() == 1


@pytest.mark.parametrize("given", ["23h", "0d", "30", "-1d", "x"])
def test_an_age_that_is_too_young_or_none_is_refused(around: Surroundings, given: str) -> None:
    ran = call("prune", f"--older-than={given}", "--yes", around=around)
    assert (ran.exit_code, ran.stdout, ran.stderr.count("\n")) == (2, "", 1)


def test_events_of_an_open_order_are_never_forgotten(
    orders: SqlOrders, archive: SqlArchive
) -> None:
    walk = Walk(orders)
    assert archive.forget_events([walk.order_id, UUID(int=1)]) == 0
    assert len(walk.events) == 1


def test_pruning_and_paging_use_indexes(orders: SqlOrders, database: Engine) -> None:
    run(database, LOAD_CONFIRMED)
    run(database, "INSERT INTO step_totals_mark VALUES (1, now())")
    run(database, "VACUUM ANALYZE order_events, orders, step_totals_mark")
    with database.connect() as connection:
        for statement, values in (
            (statements._PRUNABLE_IDS, {"age_s": 3600, "limit": 200}),
            (statements._OPEN_ORDERS, {"limit": 1000}),
            (statements._LAG, {}),
            (statements._FORGET_EVENTS, {"ids": [str(uuid4()), str(uuid4())]}),
        ):
            explained = connection.exec_driver_sql(explaining(statement), values)
            plan = "\n".join(explained.scalars())
            assert "Seq Scan on order" not in plan, plan


def test_what_is_pruned_is_said_to_be_pruned() -> None:
    web = Web()
    order_id = web.place()
    walked = web.orders.move(UUID(order_id), 1, A_FAIL)
    assert walked is not None
    web.orders.prune(UUID(order_id))
    assert web.client.get(f"/api/orders/{order_id}").get_json()["status"] == "failed"
    answer = web.client.get(f"/api/orders/{order_id}/events")
    assert (answer.status_code, answer.get_json()["code"]) == (410, "EVENTS_PRUNED")


def test_an_operators_command_without_settings_is_one_line() -> None:
    ran = call("orders", "stuck", around=Surroundings(environ={}))
    assert (ran.exit_code, ran.stderr) == (2, "DATABASE_URL must be set\n")


def test_status_names_of_the_archive_are_those_of_orders(
    archive: SqlArchive, orders: SqlOrders
) -> None:
    Walk(orders)
    (found,) = archive.open_orders(10)
    assert found.status == OrderStatus.PENDING
