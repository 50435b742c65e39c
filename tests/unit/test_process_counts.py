"""The counts of the web processes behind one port add up, whichever process is asked."""

import multiprocessing

import pytest

from orderengine.execution.operations.counters import CounterName, Sample, Tally
from orderengine.webserver.process_counts import GAUGES, SAMPLES, ProcessCounts, Row

ACCEPTED = Sample(CounterName.ACCEPTED)
OPEN = Sample(CounterName.OPEN_SOCKETS)


@pytest.fixture
def counts() -> ProcessCounts:
    return ProcessCounts(SAMPLES, processes=2, gauges=GAUGES)


def row_of(counts: ProcessCounts) -> Row:
    row = counts.take_row()
    assert row is not None
    return row


def tally_of(row: Row) -> Tally:
    tally = Tally()
    tally.share(row)
    return tally


def test_each_process_tells_the_sum_of_all(counts: ProcessCounts) -> None:
    tallies = [tally_of(row_of(counts)), tally_of(row_of(counts))]
    context = multiprocessing.get_context("fork")
    children = [
        context.Process(target=tally.count, args=(CounterName.ACCEPTED, "", number))
        for tally, number in zip(tallies, (3, 4), strict=True)
    ]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert [tally.counts()[ACCEPTED] for tally in tallies] == [7, 7]


def test_a_counter_outlives_its_process_and_a_gauge_does_not(counts: ProcessCounts) -> None:
    row = row_of(counts)
    row.add(ACCEPTED, 3)
    row.add(OPEN, 2)
    counts.give_back(row)
    assert (counts.totals()[ACCEPTED], counts.totals()[OPEN]) == (3, 0)
    row_of(counts).add(ACCEPTED, 1)
    assert counts.totals()[ACCEPTED] == 4


def test_a_process_without_a_row_counts_for_itself(counts: ProcessCounts) -> None:
    row_of(counts), row_of(counts)
    assert counts.take_row() is None


def test_a_sample_without_a_column_is_counted_in_its_process(counts: ProcessCounts) -> None:
    tally = tally_of(row_of(counts))
    tally.count(CounterName.REFUSALS, "OF_ANOTHER_RELEASE")
    assert tally.counts()[Sample(CounterName.REFUSALS, "OF_ANOTHER_RELEASE")] == 1
    assert Sample(CounterName.REFUSALS, "OF_ANOTHER_RELEASE") not in counts.totals()


def test_what_was_counted_before_the_table_was_there_is_kept(counts: ProcessCounts) -> None:
    tally = Tally()
    tally.count(CounterName.ACCEPTED, by=2)
    tally.share(row_of(counts))
    tally.count(CounterName.ACCEPTED)
    assert tally.counts()[ACCEPTED] == counts.totals()[ACCEPTED] == 3
