"""The benchmark beside BullMQ: its statements fit the engine's tables, its figures are ratios."""

import json
import re

from benchmarks.bullmq.rounds import ALONE, HTTP, PIPELINE, table, turn
from benchmarks.bullmq.statements import HOPS, hops_like
from orderengine.domain.order import OrderStatus
from orderengine.storage import tables

COLUMNS = {column.name: f"of {column.name}" for column in tables.orders.columns}
DATA = {status: {"step": status} for status, _ in HOPS.values()}


def test_the_hops_are_the_steps_of_an_order_without_trouble() -> None:
    assert [status for status, _ in HOPS.values()] == [
        OrderStatus.ROUTING,
        OrderStatus.BUILDING,
        OrderStatus.SUBMITTED,
        OrderStatus.CONFIRMED,
    ]


def test_a_statement_has_a_value_for_each_number() -> None:
    for hop in hops_like(COLUMNS, DATA):
        numbers = {int(number) for number in re.findall(r"\$(\d+)", hop.statement)}

        assert numbers == set(range(1, len(hop.values) + 3))


def test_a_hop_writes_the_columns_and_the_data_of_the_executed_order() -> None:
    for hop, (status, names) in zip(hops_like(COLUMNS, DATA), HOPS.values(), strict=True):
        written_status, data, *values = hop.values

        assert written_status == status
        assert json.loads(data) == hop.data == {"step": status}
        assert values == [f"of {name}" for name in names]
        assert [f"{name} = ${number}" in hop.statement for number, name in enumerate(names, 5)] == [
            True
        ] * len(names)


def test_only_the_last_hop_ends_the_order() -> None:
    ends = ["due_at = NULL" in hop.statement for hop in hops_like(COLUMNS, DATA)]

    assert ends == [False, False, False, True]


def test_every_other_round_goes_backward() -> None:
    assert [turn("abc", number) for number in range(3)] == [[*"abc"], [*"cba"], [*"abc"]]


def test_a_ratio_is_the_median_of_the_rounds_ratios() -> None:
    rates = {
        ALONE: [300.0, 500.0, 100.0],
        HTTP: [150.0, 100.0, 80.0],
        PIPELINE: [100.0, 250.0, 200.0],
    }

    *_, alone, http = table(rates)

    assert alone.split("BullMQ")[1].split() == [
        *("2.00", "(0.50", "to", "3.00)", "3.00,", "2.00,", "0.50", "meant:", "1.0"),
    ]
    assert http.split("BullMQ")[1].split()[0] == "0.40"
    assert "300, 500, 100" in table(rates)[0]
