"""Exports from a real PostgreSQL: their contents, and the file after a broken export."""

import csv
import errno
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import Engine

from orderengine.cli.common import Surroundings
from orderengine.domain.documents import order_document
from orderengine.domain.errors import StorageUnavailable
from orderengine.execution.operations.archive import (
    EVENT_COLUMNS,
    ORDER_COLUMNS,
    Archive,
    Row,
    export_orders,
)
from orderengine.storage.orders import SqlOrders
from tests.builders import A_FAIL
from tests.cli_desk import call
from tests.conftest import a_new_order
from tests.integration.operators import confirmed, run, surroundings_of
from tests.steps import Walk

TIMEOUT_S = 120.0
OF_THE_LEDGER = {"fee", "baseAmount", "quoteAmount", "landedAt"}
"""Columns from the network's ledger, which has no rows in these tests."""


@pytest.fixture
def around(database: Engine, database_url: str, redis_url: str) -> Surroundings:
    return surroundings_of(database, database_url, redis_url)


@pytest.fixture
def orders(database: Engine) -> SqlOrders:
    return SqlOrders(database)


def exported(what: str, around: Surroundings) -> "csv.DictReader[str]":
    ran = call("export", what, around=around)
    assert ran.exit_code == 0
    return csv.DictReader(io.StringIO(ran.stdout))


@pytest.mark.parametrize(
    ("what", "columns"), [("orders", ORDER_COLUMNS), ("events", EVENT_COLUMNS)]
)
def test_a_table_has_the_same_header_whether_it_is_empty_or_not(
    around: Surroundings, orders: SqlOrders, what: str, columns: Sequence[str]
) -> None:
    empty = exported(what, around)
    assert (empty.fieldnames, list(empty)) == (list(columns), [])
    Walk(orders)
    filled = exported(what, around)
    assert (filled.fieldnames, len(list(filled))) == (list(columns), 1)
    (row, *_) = call("export", what, "--json", around=around).stdout.splitlines()
    assert list(json.loads(row)) == list(columns)


def test_a_column_means_what_the_api_means_by_its_name(
    around: Surroundings, orders: SqlOrders
) -> None:
    precise = Decimal("999999999999999.1234567890123")
    named = replace(a_new_order(), worst_price=precise, client_order_id="mine")
    failed = orders.accept(named).order.order_id
    orders.move(failed, 1, A_FAIL)
    landed = confirmed(orders).order_id
    rows = {row["orderId"]: row for row in exported("orders", around)}
    for order_id in (failed, landed):
        order = orders.get(order_id)
        assert order is not None
        document = order_document(order)
        compared = set(document) & set(ORDER_COLUMNS) - OF_THE_LEDGER
        assert {"slippageBps", "createdAt", "quantity"} <= compared
        row = rows[str(order_id)]
        assert {n: row[n] for n in compared} == {n: str(document[n]) for n in compared}
    told = rows[str(failed)]
    assert (told["clientOrderId"], told["detail"]) == ("mine", A_FAIL.detail)
    assert told["worstPrice"] == str(precise)
    assert rows[str(landed)]["slippagePct"] == "0.043478"
    assert rows[str(landed)]["limitAmount"]


def test_a_time_has_six_decimals_also_on_a_whole_second(
    around: Surroundings, orders: SqlOrders, database: Engine
) -> None:
    Walk(orders)
    moment = "2026-01-02T03:04:05+00:00"
    run(database, f"UPDATE orders SET created_at = '{moment}'")  # noqa: S608
    run(database, f"UPDATE order_events SET occurred_at = '{moment}'")  # noqa: S608
    (order,), (event,) = exported("orders", around), exported("events", around)
    assert order["createdAt"] == event["at"] == "2026-01-02T03:04:05.000000Z"


def breaks_off(pages: Callable[[Archive], Iterator[Sequence[Row]]]) -> object:
    def begin(archive: Archive) -> Iterator[Sequence[Row]]:
        yield from pages(archive)
        raise StorageUnavailable("PostgreSQL gave no answer")

    return begin


@pytest.mark.parametrize("before", [None, "the last one\n"])
def test_a_file_is_whole_or_as_it_was_before(
    around: Surroundings,
    orders: SqlOrders,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    before: str | None,
) -> None:
    Walk(orders)
    path = tmp_path / "orders.csv"
    if before is not None:
        path.write_text(before)
        path.chmod(0o640)
    there = set(tmp_path.iterdir())
    with monkeypatch.context() as broken:
        broken.setattr("orderengine.cli.export.export_orders", breaks_off(export_orders))
        ran = call("export", "orders", "--output", str(path), around=around)
    left = f"{path} is unchanged"
    assert (ran.exit_code, ran.stderr.count("\n")) == (2, 1)
    assert ran.stderr.startswith(f"PostgreSQL gave no answer; {left}")
    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", full)
        ran = call("export", "orders", "--output", str(path), around=around)
    told = f"writing {path} failed: No space left on device; {left}\n"
    assert (ran.exit_code, ran.stderr) == (2, told)
    assert set(tmp_path.iterdir()) == there
    assert before is None or path.read_text() == before
    assert call("export", "orders", "--output", str(path), around=around).exit_code == 0
    assert path.read_text().splitlines()[0] == ",".join(ORDER_COLUMNS)
    assert before is None or path.stat().st_mode & 0o777 == 0o640
    assert list(tmp_path.iterdir()) == [path]


def full(_: int) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_link_and_a_device_stay_what_they_are(
    around: Surroundings, orders: SqlOrders, tmp_path: Path
) -> None:
    Walk(orders)
    link, file = tmp_path / "link.csv", tmp_path / "file.csv"
    link.symlink_to(file)
    assert call("export", "orders", "--output", str(link), around=around).exit_code == 0
    assert (link.is_symlink(), len(file.read_text().splitlines())) == (True, 2)
    assert call("export", "orders", "--output", os.devnull, around=around).exit_code == 0
    assert Path(os.devnull).is_char_device()


@pytest.mark.parametrize("kind", ["full", "gone"])
def test_an_output_that_takes_no_more_is_one_line(
    around: Surroundings, orders: SqlOrders, kind: str
) -> None:
    Walk(orders)
    if kind == "full":
        write_end = os.open("/dev/full", os.O_WRONLY)
    else:
        read_end, write_end = os.pipe()
        os.close(read_end)
    try:
        ran = subprocess.run(
            [sys.executable, "-m", "orderengine", "export", "orders"],
            env={"PATH": os.environ["PATH"], **around.environ},
            stdout=write_end,
            stderr=subprocess.PIPE,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    finally:
        os.close(write_end)
    why = {"full": "No space left on device", "gone": "Broken pipe"}[kind]
    told = f"writing standard output failed: {why}; the output is incomplete\n"
    assert (ran.returncode, ran.stderr) == (2, told)
