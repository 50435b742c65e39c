import multiprocessing

import pytest

from orderengine.api.process_counts import ProcessCounts
from orderengine.execution.meter import Counter, Sample

ACCEPTED = Sample(Counter.ACCEPTED)
OPEN = Sample(Counter.REFUSALS, "OPEN")


@pytest.fixture
def counts() -> ProcessCounts:
    return ProcessCounts((ACCEPTED, OPEN), processes=2, gauges=(OPEN,))


def test_each_process_tells_the_sum_of_all(counts: ProcessCounts) -> None:
    rows = counts.take_row(), counts.take_row()
    context = multiprocessing.get_context("fork")
    children = [
        context.Process(target=counts.add, args=(row, ACCEPTED, number))
        for row, number in zip(rows, (3, 4), strict=True)
    ]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert counts.totals() == {ACCEPTED: 7, OPEN: 0}


def test_a_counter_outlives_its_process_and_a_gauge_does_not(counts: ProcessCounts) -> None:
    row = counts.take_row()
    counts.add(row, ACCEPTED, 3)
    counts.add(row, OPEN, 2)
    counts.give_back(row)
    assert counts.totals() == {ACCEPTED: 3, OPEN: 0}
    counts.add(counts.take_row(), ACCEPTED, 1)
    assert counts.totals()[ACCEPTED] == 4


def test_more_processes_than_rows_are_told_at_once(counts: ProcessCounts) -> None:
    counts.take_row(), counts.take_row()
    with pytest.raises(RuntimeError, match="more web processes"):
        counts.take_row()


def test_an_unknown_sample_is_left_out(counts: ProcessCounts) -> None:
    counts.add(counts.take_row(), Sample(Counter.REFUSALS, "NEW_CODE"), 1)
    assert sum(counts.totals().values()) == 0
