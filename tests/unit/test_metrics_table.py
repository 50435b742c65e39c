"""The counts of the web processes behind one port add up, whichever process is asked."""

import multiprocessing

import pytest

from orderengine.execution.operations.counters import CounterName, ProcessMetrics, Sample
from orderengine.webserver.metrics_table import GAUGES, SAMPLES, MetricsRow, MetricsTable

ACCEPTED = Sample(CounterName.ACCEPTED)
OPEN = Sample(CounterName.OPEN_SOCKETS)


@pytest.fixture
def counts() -> MetricsTable:
    return MetricsTable(SAMPLES, processes=2, gauges=GAUGES)


def row_of(counts: MetricsTable) -> MetricsRow:
    row = counts.take_row()
    assert row is not None
    return row


def metrics_of(row: MetricsRow) -> ProcessMetrics:
    metrics = ProcessMetrics()
    metrics.share(row)
    return metrics


def test_each_process_tells_the_sum_of_all(counts: MetricsTable) -> None:
    all_metrics = [metrics_of(row_of(counts)), metrics_of(row_of(counts))]
    context = multiprocessing.get_context("fork")
    children = [
        context.Process(target=metrics.count, args=(CounterName.ACCEPTED, "", number))
        for metrics, number in zip(all_metrics, (3, 4), strict=True)
    ]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert [metrics.counts()[ACCEPTED] for metrics in all_metrics] == [7, 7]


def test_a_counter_outlives_its_process_and_a_gauge_does_not(counts: MetricsTable) -> None:
    row = row_of(counts)
    row.add(ACCEPTED, 3)
    row.add(OPEN, 2)
    counts.give_back(row)
    assert (counts.totals()[ACCEPTED], counts.totals()[OPEN]) == (3, 0)
    row_of(counts).add(ACCEPTED, 1)
    assert counts.totals()[ACCEPTED] == 4


def test_a_process_without_a_row_counts_for_itself(counts: MetricsTable) -> None:
    row_of(counts), row_of(counts)
    assert counts.take_row() is None


def test_a_sample_without_a_column_is_counted_in_its_process(counts: MetricsTable) -> None:
    metrics = metrics_of(row_of(counts))
    metrics.count(CounterName.REFUSALS, "OF_ANOTHER_RELEASE")
    assert metrics.counts()[Sample(CounterName.REFUSALS, "OF_ANOTHER_RELEASE")] == 1
    assert Sample(CounterName.REFUSALS, "OF_ANOTHER_RELEASE") not in counts.totals()


def test_what_was_counted_before_the_table_was_there_is_kept(counts: MetricsTable) -> None:
    metrics = ProcessMetrics()
    metrics.count(CounterName.ACCEPTED, by=2)
    metrics.share(row_of(counts))
    metrics.count(CounterName.ACCEPTED)
    assert metrics.counts()[ACCEPTED] == counts.totals()[ACCEPTED] == 3
