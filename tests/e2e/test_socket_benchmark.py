"""A small form of the benchmark of sockets: parts of it run, and no socket misses anything."""

import pytest

from benchmarks.sockets.__main__ import measured
from benchmarks.sockets.parts import Size

SMALL = Size(sockets=40, seconds=0.5, idle_s=0.5)


@pytest.mark.parametrize(("part", "processes"), [("again", 2)])
def test_each_part_measures_what_it_limits(part: str, processes: int) -> None:
    figures = list(measured(part, SMALL, processes))
    assert [figure for figure in figures if figure.limit is not None]
    assert all(figure.value > 0 for figure in figures if figure.unit in {"s", "ms", "x"})
    assert figures[0].name.startswith("all ")
    assert figures[0].holds
