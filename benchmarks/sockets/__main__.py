"""`python -m benchmarks.sockets [--sockets N] [--seconds N] [--only PART] [--processes N]`.

All figures of a part come from one run, so that a busy machine changes both sides of a ratio.
`--before COMMIT` measures 200 sockets on that commit and on this checkout in turn, as it must be
below 200 sockets for the earlier one.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

from benchmarks.accounting import Neighbors
from benchmarks.bench import one_process
from benchmarks.sockets.desk import Desk, Faulty, WebStack
from benchmarks.sockets.parts import OLD, OTHERS, PARTS, Figure, Size
from benchmarks.stack import Servers, temporary_folder
from harness.processes import ROOT

AGAINST = {"commit to socket, p50": 1.0, "POST p99": 0.9, "memory of the sockets": 0.7}
"""The most that each figure may be, as a part of what it was before."""

Run = Mapping[str, float]


def main() -> int:
    """Measure and print; 1 if a socket missed something or a limit is broken."""
    options = _parse()
    if options.before:
        return _against(options)
    size = Size(options.sockets, options.seconds)
    names = [options.only] if options.only else list(PARTS)
    neighbors = Neighbors()
    figures: list[Figure] = []
    try:
        for name in names:
            for figure in measured(name, size, options.processes):
                figures.append(figure)
                if not options.json:
                    print(_line(name, figure), flush=True)
    except Faulty as error:
        print(f"no figures: {error}", file=sys.stderr)
        return 1
    if options.json:
        json.dump({figure.name: figure.value for figure in figures}, sys.stdout)
    else:
        print(f"{os.cpu_count()} cores; CPU used by others: {neighbors.share():.0%}")
    return 0 if all(figure.holds for figure in figures) else 1


def measured(name: str, size: Size, processes: int) -> Iterator[Figure]:
    """The figures of a part, measured on servers of its own; raises Faulty."""
    settings = {
        "AUTH": "off",
        "MAX_QUEUED_ORDERS": "0",
        "LOG_LEVEL": "WARNING",
        "WS_MAX_SOCKETS": str(max(size.sockets, OLD) if name in PARTS else OLD),
    }
    if processes > 1:
        settings["WEB_CONCURRENCY"] = str(processes)
    with (
        temporary_folder() as folder,
        Servers(folder) as servers,
        one_process() as load,
        WebStack(servers, **settings) as stack,
        closing(Desk(servers, stack, load)) as desk,
    ):
        yield from {**PARTS, **OTHERS}[name](desk, size)


def _line(part: str, figure: Figure) -> str:
    limit = "" if figure.limit is None else f"   at most {figure.limit:g}"
    broken = "" if figure.holds else "   BROKEN"
    return f"{part:<10} {figure.name:<40} {figure.value:>9.2f} {figure.unit}{limit}{broken}"


def _against(options: argparse.Namespace) -> int:
    """Measure both in turn, and print the median ratio of the pairs."""
    pairs: list[tuple[Run, Run]] = []
    with temporary_folder() as folder:
        tree = folder / "before"
        _git("worktree", "add", "--quiet", "--detach", str(tree), options.before)
        try:
            shutil.copytree(Path(__file__).parent, tree / "benchmarks" / "sockets")
            for number in range(options.pairs):
                order = (tree, ROOT) if number % 2 == 0 else (ROOT, tree)
                found = {each: _run(each, options.seconds) for each in order}
                pairs.append((found[tree], found[ROOT]))
        finally:
            _git("worktree", "remove", "--force", str(tree))
    holds = True
    for name in pairs[0][0]:
        before, after = ([run[name] for run in side] for side in zip(*pairs, strict=True))
        ratio = statistics.median(b / a for a, b in zip(before, after, strict=True))
        figure = Figure(name, ratio, "x", AGAINST.get(name))
        holds = holds and figure.holds
        medians = f"{statistics.median(before):.2f} before, {statistics.median(after):.2f} after"
        print(_line(medians, figure))
    return 0 if holds else 1


def _run(checkout: Path, seconds: float) -> Run:
    command = [sys.executable, "-m", "benchmarks.sockets", "--only", "old", "--json"]
    command += ["--seconds", str(seconds), "--sockets", str(OLD)]
    environ = {**os.environ, "PYTHONPATH": str(checkout)}
    done = subprocess.run(command, check=True, cwd=checkout, env=environ, stdout=subprocess.PIPE)
    figures: Run = json.loads(done.stdout)
    return figures


def _git(*arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=ROOT, check=True)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sockets", description=__doc__)
    parser.add_argument("--sockets", type=int, default=5000, help="(default: 5000)")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each stretch (default: 10)")
    parser.add_argument("--only", choices=[*PARTS, *OTHERS], help="one part")
    parser.add_argument("--processes", type=int, default=1, help="web processes (default: 1)")
    parser.add_argument("--before", metavar="COMMIT", help="compare 200 sockets with this commit")
    parser.add_argument("--pairs", type=int, default=5, help="with --before (default: 5)")
    parser.add_argument("--json", action="store_true", help="the figures as one line of JSON")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
