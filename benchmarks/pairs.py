"""Compare this checkout with an earlier commit: `python -m benchmarks.pairs COMMIT [--pairs N]`.

`--set NAME=VALUE` changes a setting of this checkout alone: `HEAD --set ORDER_CONCURRENCY=5`
measures that setting.

Both are measured alternately, in pairs whose order changes, so that a slow minute hits both. The
spread of the commit against itself (each of its runs divided by its run before) tells how much of a
ratio is noise.
"""

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from benchmarks.accounting import Neighbors
from harness.processes import ROOT

PAIRS = 7
TRIES = 2
WIDTH = 46

Run = Mapping[str, float]


def main() -> None:
    """Measure, and print a line for each figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("commit", help="the commit to compare with")
    parser.add_argument("--pairs", type=int, default=PAIRS, help=f"(default: {PAIRS})")
    parser.add_argument("--set", action="append", default=[], help="NAME=VALUE for this checkout")
    options = parser.parse_args()
    neighbors = Neighbors()
    with _checkout(options.commit) as old:
        runs = _measure(old, options.set, options.pairs)
    print("\n".join(table(*runs)))
    print(f"CPU used by others: {neighbors.share():.0%}", file=sys.stderr)


def table(before: Sequence[Run], after: Sequence[Run]) -> list[str]:
    """One line per figure: both medians, the median ratio of the pairs, and the spread."""
    lines = [f"{'':<{WIDTH}} {'before':>9} {'after':>9} {'ratio':>7}   before against itself"]
    for name in before[0]:
        old, new = [run[name] for run in before], [run[name] for run in after]
        ratio = statistics.median(b / a for a, b in zip(old, new, strict=True))
        itself = [second / first for first, second in pairwise(old)] or [1.0]
        lines.append(
            f"{name:<{WIDTH}} {statistics.median(old):>9.2f} {statistics.median(new):>9.2f}"
            f" {ratio:>6.3f}x   {min(itself):.3f} to {max(itself):.3f}"
        )
    return lines


@contextlib.contextmanager
def _checkout(commit: str) -> Iterator[Path]:
    """A temporary work tree of the commit."""
    with tempfile.TemporaryDirectory(prefix="orderengine-pairs-") as folder:
        Path(folder).chmod(0o711)
        tree = Path(folder, "before")
        _git("worktree", "add", "--quiet", "--detach", str(tree), commit)
        try:
            yield tree
        finally:
            _git("worktree", "remove", "--force", str(tree))


def _measure(old: Path, settings: Sequence[str], pairs: int) -> tuple[list[Run], list[Run]]:
    before: list[Run] = []
    after: list[Run] = []
    for number in range(pairs):
        for is_new in (False, True) if number % 2 == 0 else (True, False):
            if is_new:
                after.append(_run(ROOT, settings))
            else:
                before.append(_run(old, []))
        print(f"pair {number + 1}: {before[-1]} {after[-1]}", file=sys.stderr, flush=True)
    return before, after


def _run(checkout: Path, settings: Sequence[str]) -> Run:
    # -P: the folder of the script is no place to import from, its modules are this checkout's.
    script = Path(__file__).with_name("one_side.py")
    command = [sys.executable, "-P", str(script), *settings]
    environ = {**os.environ, "PYTHONPATH": str(checkout)}
    for _ in range(TRIES):
        done = subprocess.run(
            command, check=False, cwd=checkout, env=environ, stdout=subprocess.PIPE
        )
        if done.returncode == 0:
            figures: Run = json.loads(done.stdout)
            return figures
    raise SystemExit(f"no figures: {checkout} could not be measured")


def _git(*arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=ROOT, check=True)


if __name__ == "__main__":
    main()
