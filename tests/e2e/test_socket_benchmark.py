"""A small form of the benchmark of sockets: each part runs, and no socket misses anything."""

import pytest

from benchmarks.sockets.__main__ import measured
from benchmarks.sockets.parts import PARTS, Size

SMALL = Size(sockets=40, seconds=0.5)


@pytest.mark.parametrize("part", PARTS)
def test_each_part_measures_what_it_limits(part: str) -> None:
    figures = list(measured(part, SMALL, processes=1))
    assert [figure for figure in figures if figure.limit is not None]
    assert all(figure.value > 0 for figure in figures if figure.unit in {"s", "ms", "x"})


def test_two_processes_behind_one_port_serve_them_too() -> None:
    figures = {figure.name: figure for figure in measured("again", SMALL, processes=2)}
    assert figures["all caught up"].holds
