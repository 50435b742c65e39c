"""Counts that the web processes behind one port share, so that any of them can report the sum."""

import mmap
from collections.abc import Collection, Sequence

from orderengine.api.answers.problems import ErrorCode
from orderengine.api.updates.census import KINDS_BY_AGE, LATENCY_SAMPLES, QUEUES
from orderengine.api.updates.connection import SocketEnd
from orderengine.execution.operations.counters import CounterName, Counts, Sample
from orderengine.execution.waiting.cancel import Outcome

CELL_BYTES = 8

PROCESSES = 64
"""The number of web processes that can share their counts; any further one counts for itself."""

SAMPLES = (
    *(
        Sample(counter)
        for counter in (
            CounterName.ACCEPTED,
            CounterName.DISPATCH_FAILURES,
            CounterName.PUBLISH_FAILURES,
            CounterName.OPEN_SOCKETS,
            CounterName.HUB_REREADS,
            CounterName.SUBSCRIPTION_LOSSES,
        )
    ),
    *(Sample(CounterName.REFUSALS, code) for code in ErrorCode),
    *(Sample(CounterName.CANCELS, outcome) for outcome in Outcome),
    *(Sample(CounterName.SOCKETS_CLOSED, end) for end in SocketEnd),
    *KINDS_BY_AGE,
    *QUEUES,
    *LATENCY_SAMPLES,
)
"""Every sample that a web process counts."""

GAUGES = (Sample(CounterName.OPEN_SOCKETS), *KINDS_BY_AGE, *QUEUES)


class MetricsTable:
    """A table in shared memory: a column for each sample, a row for each process.

    The master makes it before it forks, and hands out and takes back the rows; each process writes
    only its own row. A new process continues in the row of one that has ended, so that a sum never
    falls. `gauges` are the samples that are reset when their process ends, such as open sockets.
    `processes` is the number of rows.
    """

    def __init__(
        self, samples: Sequence[Sample], processes: int, gauges: Collection[Sample] = ()
    ) -> None:
        self._columns = {sample: number for number, sample in enumerate(samples)}
        self._gauges = frozenset(gauges)
        self._rows = range(processes)
        shared = mmap.mmap(-1, processes * len(samples) * CELL_BYTES)
        self._cells = memoryview(shared).cast("q")
        self._free = list(reversed(self._rows))

    def take_row(self) -> "MetricsRow | None":
        """A row for a process that is about to start; None if none is free."""
        return MetricsRow(self, self._free.pop()) if self._free else None

    def give_back(self, row: "MetricsRow") -> None:
        """Take back the row of a process that has ended: reset its gauges, keep its counters."""
        for sample in self._gauges:
            self._cells[self._at(row.number, self._columns[sample])] = 0
        self._free.append(row.number)

    def add(self, row: int, sample: Sample, by: int) -> bool:
        """Add to a cell; False for a sample without a column. One thread at a time per row."""
        column = self._columns.get(sample)
        if column is None:
            return False
        self._cells[self._at(row, column)] += by
        return True

    def totals(self) -> Counts:
        """The sums over all processes, those that have ended included."""
        return {
            sample: sum(self._cells[self._at(row, column)] for row in self._rows)
            for sample, column in self._columns.items()
        }

    def _at(self, row: int, column: int) -> int:
        return row * len(self._columns) + column


class MetricsRow:
    """Implements `execution.operations.counters.SharedTable` for one process."""

    def __init__(self, table: MetricsTable, number: int) -> None:
        self.number = number
        self._table = table

    def add(self, sample: Sample, by: int) -> bool:
        """Add for this process; False if the table has no place for this sample."""
        return self._table.add(self.number, sample, by)

    def totals(self) -> Counts:
        """The sums over all processes."""
        return self._table.totals()
