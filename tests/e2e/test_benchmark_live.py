"""The benchmark of the live path runs, in its small form, and the limits of requests are kept.

The limits are of counts at the node. Its other parts (`near`, `far`) compare times, and take
minutes.
"""

import re
import subprocess
import sys

from harness.processes import ROOT

LIMIT_S = 300
FIGURE = re.compile(r"^ +\S.* +\d+\.\d{3}\b", re.MULTILINE)


def test_a_stack_asks_its_node_for_little() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.live", "--quick", "--only", "questions"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    head, *figures = done.stdout.splitlines()
    assert re.fullmatch(r"questions: \d+ s, \d+ cores, load [\d.]+ before, .* \d+%", head)
    assert len(FIGURE.findall(done.stdout)) == len(figures)
    idle, waiting = (
        next(line for line in figures if line.startswith(f"  {name}"))
        for name in ("no order and no page", "orders of 5 symbols wait")
    )
    assert idle.endswith("(at most 2)"), done.stdout
    assert waiting.endswith("(at most 6)"), done.stdout
