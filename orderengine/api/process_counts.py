"""Counts that the web processes behind one port share, so that any of them can tell the sum."""

import mmap
import threading
from collections.abc import Collection, Mapping, Sequence

from orderengine.execution.meter import Sample

CELL_BYTES = 8


class ProcessCounts:
    """A table in shared memory: a column for each sample, a row for each process.

    The master makes it before it forks, and hands out and takes back the rows; each process writes
    its own row alone. The next process goes on in the row of one that has ended, so that a sum
    never falls. `gauges` are the samples that end with their process, such as open sockets.
    `processes` is how many may live at the same time.
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
        self._lock = threading.Lock()

    def take_row(self) -> int:
        """A row for a process that is about to start; raises RuntimeError if none is free."""
        if not self._free:
            raise RuntimeError("more web processes than rows for their counts")
        return self._free.pop()

    def give_back(self, row: int) -> None:
        """Take back the row of a process that has ended: its gauges end, its counters stay."""
        for sample in self._gauges:
            self._cells[self._at(row, self._columns[sample])] = 0
        self._free.append(row)

    def add(self, row: int, sample: Sample, by: int) -> None:
        """Add to a cell of this process's row; a sample without a column is left out."""
        column = self._columns.get(sample)
        if column is not None:
            with self._lock:
                self._cells[self._at(row, column)] += by

    def totals(self) -> Mapping[Sample, int]:
        """The sums over all processes, those that have ended included."""
        return {
            sample: sum(self._cells[self._at(row, column)] for row in self._rows)
            for sample, column in self._columns.items()
        }

    def _at(self, row: int, column: int) -> int:
        return row * len(self._columns) + column
