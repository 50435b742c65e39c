"""Runs the faults, each in a process of its own, several at a time; reports their results."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from chaos import results, trial
from chaos.fault import Scale
from chaos.faults import FAULTS
from chaos.invariants import GETS_THROUGH, Violation
from harness.processes import ROOT

POLL_S = 0.2
LONGEST = ("soak", "fail_points", "redis_refuses_writes", "long_backlog", "network_unreliable")
"""They start first, so that the others run beside them."""
QUICK_JOBS = 4
FULL_JOBS = 2
"""Faults that run at once. On two processors a quick fault takes 0.3 to 0.5 of one. A full one that
starts workers all the time takes a whole one: three at once broke limits on time, nothing else."""

QUICK_PATIENCE = 1.5
"""For recovery, which is slower beside three other faults. An order that nothing recovers is still
late, and the full run applies the plain limits."""

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Plan:
    """The faults to run, their sizes, and the seed of all random choices."""

    names: Sequence[str]
    seed: int
    quick: bool
    factor: float
    jobs: int

    @property
    def is_full(self) -> bool:
        """True for a run whose figures are documented."""
        return not self.quick and self.factor == 1.0

    def scale(self, name: str) -> Scale | None:
        """The size of a fault; None if it is left out."""
        fault = FAULTS[name]
        if not self.quick:
            return fault.full.scaled(self.factor)
        return fault.quick and replace(fault.quick.scaled(self.factor), patience=QUICK_PATIENCE)

    def arguments(self, name: str) -> list[str]:
        """The arguments that repeat one fault of this plan."""
        arguments = ["--only", name, "--seed", str(self.seed)]
        arguments += ["--quick"] if self.quick else []
        return arguments + ([] if self.factor == 1.0 else ["--scale", str(self.factor)])


def run(plan: Plan) -> int:
    """Run all faults and report; 1 if anything was broken."""
    print(f"seed {plan.seed}", flush=True)
    started = time.monotonic()
    verdicts = run_apart(plan, ROOT, lambda found: _tell(plan, found))
    if not verdicts:
        print("nothing was run: --quick leaves it out")
        return 2
    print(results.table(verdicts))
    failed = [each["name"] for each in verdicts if each["broken"]]
    for found in verdicts:
        _explain(plan, found)  # once more, for readers who see only the end of a long log
    print(f"\n{time.monotonic() - started:.0f} s; " + (f"failed: {failed}" if failed else "passed"))
    return 1 if failed else 0


def run_here(plan: Plan, path: Path) -> int:
    """Run one fault in this process and write its result."""
    name = plan.names[0]
    scale = plan.scale(name)
    if scale is None:
        return 2
    document = trial.run(FAULTS[name], scale, plan.seed).document()
    path.write_text(json.dumps(document), "utf-8")
    return 0


def run_apart(plan: Plan, root: Path, tell: Callable[[Document], None]) -> list[Document]:
    """Run each fault in a process of its own, on the engine in `root`; returns the results."""
    waiting = [name for name in plan.names if plan.scale(name) is not None]
    waiting.sort(key=_turn)
    running: dict[str, subprocess.Popen[bytes]] = {}
    found: dict[str, Document] = {}
    with tempfile.TemporaryDirectory(prefix="orderengine-chaos-") as folder:
        try:
            while waiting or running:
                while waiting and _has_place(waiting[0], running, plan.jobs):
                    name = waiting.pop(0)
                    running[name] = _start(plan, name, root, Path(folder) / name)
                time.sleep(POLL_S)
                for name in [name for name, child in running.items() if child.poll() is not None]:
                    running.pop(name)
                    found[name] = _verdict(plan, name, Path(folder) / name)
                    tell(found[name])
        finally:
            for child in running.values():
                child.terminate()
                child.wait()
    return [found[name] for name in plan.names if name in found]


def _turn(name: str) -> tuple[bool, int]:
    rank = LONGEST.index(name) if name in LONGEST else len(LONGEST)
    return FAULTS[name].runs_alone, rank


def _has_place(name: str, running: Collection[str], jobs: int) -> bool:
    """Whether a fault may start now, beside others or after they have ended."""
    if any(FAULTS[each].runs_alone for each in (name, *running)):
        return not running
    return len(running) < jobs


def _start(plan: Plan, name: str, root: Path, path: Path) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "chaos", *plan.arguments(name), "--child", str(path)]
    return subprocess.Popen(command, cwd=root)


def _verdict(plan: Plan, name: str, path: Path) -> Document:
    if path.exists():
        document: Document = json.loads(path.read_text("utf-8"))
        return document
    scale = plan.scale(name) or FAULTS[name].full
    verdict = trial.Verdict(name, plan.seed, scale)
    detail = "the fault's own process ended without a word"
    verdict.violations.append(Violation(GETS_THROUGH, None, detail))
    return verdict.document()


def _tell(plan: Plan, found: Document) -> None:
    if plan.is_full:
        results.record([found])  # at once, because a run of an hour may be interrupted
    print(f"{results.line(found)}", flush=True)
    _explain(plan, found)


def _explain(plan: Plan, found: Document) -> None:
    """Print the violations, the folder that was kept, and the command that repeats the run."""
    for each in found["violations"][:5]:
        detail = f"{found['name']}: {each['invariant']}: {each['order_id'] or ''} {each['detail']}"
        print(f"    {detail}", flush=True)
    if found["broken"]:
        arguments = " ".join(plan.arguments(found["name"]))
        print(f"    kept: {found['folder']}; again: make chaos ARGS='{arguments}'", flush=True)
