"""The benchmark of orders that wait runs, in its small form, and loses no order.

Its other parts (`crowd`, `drain`, `snipers`, `crossing`) take minutes even so.
"""

import re
import subprocess
import sys

import pytest

from harness.processes import ROOT

LIMIT_S = 200
FIGURE = re.compile(r"^  \S.* +\d+\.\d{3}\b", re.MULTILINE)
WRITTEN = re.compile(r"events that they wrote in .* ([\d.]+) +\(at most 0\)")


@pytest.mark.parametrize("part", ["unfit"])
def test_each_part_has_figures(part: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.waiting", "--quick", "--only", part],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    head, *figures = done.stdout.splitlines()
    assert re.fullmatch(rf"{part}: \d+ s, \d+ cores, load [\d.]+ before, .* \d+%", head)
    assert len(figures) >= 2
    assert len(FIGURE.findall(done.stdout)) == len(figures)
    if part == "unfit":
        assert WRITTEN.search(done.stdout), done.stdout
