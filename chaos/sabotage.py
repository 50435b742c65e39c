"""Checks that the suite can fail: runs it on a copy of the engine without one guard."""

import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from chaos import results, runner
from chaos.invariants import GETS_THROUGH
from harness.processes import ROOT, base_environ

PATCHES = Path(__file__).with_name("patches")
COPIED = ("orderengine", "benchmarks", "chaos", "harness", "alembic")
COPIED_FILES = ("alembic.ini", "celeryconfig.py", "Procfile")


@dataclass(frozen=True, slots=True)
class Guard:
    """A guard of the engine, and the faults that must notice its removal.

    `factor` multiplies their quick sizes.
    """

    what: str
    faults: Sequence[str]
    factor: float = 1.0


GUARDS: Mapping[str, Guard] = {
    # Copies of messages show nothing: a stage reads the version before it moves an order. Only what
    # happens between the two, as in this fault, needs the check in the statement itself.
    "version": Guard("the version check of every move", ("half_superseded",), factor=2.0),
    "group_version": Guard(
        "the version check of the second order of a group", ("half_superseded",), factor=2.0
    ),
    "cancel": Guard("the fence of a cancel by the order's status", ("cancel_storm",)),
    "write_ahead": Guard("the commit ahead of the sending", ("fail_points",)),
    "reconciler": Guard("the reconciler", ("worker_kills",)),
}


class DoesNotApply(Exception):
    """The code differs from a patch: the guard was not removed, and nothing is shown."""


def run(name: str, seed: int) -> int:
    """Remove each named guard and run the suite; 1 unless every removal was noticed."""
    names = list(GUARDS) if name == "all" else [name]
    caught = {each: _broken(each, seed) for each in names}
    for each, broken in caught.items():
        print(f"without {GUARDS[each].what}: {', '.join(broken) or 'NOT NOTICED'} (seed {seed})")
    if name == "all":
        results.write_block("sabotage", _table(caught, seed))
    return 0 if all(caught.values()) else 1


def _broken(name: str, seed: int) -> list[str]:
    """The broken invariants; a run that did not get through has noticed nothing."""
    with tempfile.TemporaryDirectory(prefix="orderengine-sabotage-") as folder:
        copy = Path(folder)
        copy_tree(copy)
        remove_guard(copy, PATCHES / f"{name}.patch")
        guard = GUARDS[name]
        plan = runner.Plan(guard.faults, seed, quick=True, factor=guard.factor, jobs=1)
        verdicts = runner.run_apart(plan, copy, lambda found: print(results.line(found)))
    for each in verdicts:
        if each["folder"]:
            shutil.rmtree(each["folder"], ignore_errors=True)
    return noticed(verdicts)


def noticed(verdicts: Sequence[runner.Document]) -> list[str]:
    """The invariants that the runs found broken."""
    return sorted({broken for each in verdicts for broken in each["broken"]} - {GETS_THROUGH})


def copy_tree(target: Path) -> None:
    """Copy the files that a stack and the suite need."""
    target.chmod(0o711)
    for name in COPIED:
        shutil.copytree(ROOT / name, target / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in COPIED_FILES:
        shutil.copy(ROOT / name, target / name)


def remove_guard(tree: Path, patch: Path) -> None:
    """Apply a patch to a tree; raises DoesNotApply."""
    command = ["git", "apply", str(patch)]
    # Inside a repository, git would silently skip files that are not below its root.
    environ = {**base_environ(tree), "GIT_CEILING_DIRECTORIES": str(tree.parent)}
    applied = subprocess.run(
        command, cwd=tree, env=environ, capture_output=True, text=True, check=False
    )
    if applied.returncode != 0:
        message = f"{patch.name} does not apply: {applied.stderr.strip()}"
        raise DoesNotApply(message)


def _table(caught: Mapping[str, Sequence[str]], seed: int) -> str:
    rows = [
        f"| {GUARDS[name].what} | {', '.join(GUARDS[name].faults)} |"
        f" {', '.join(f'`{each}`' for each in broken) or 'nothing'} |"
        for name, broken in caught.items()
    ]
    header = f"Seed {seed}.\n\n| removed | fault | broken invariants |\n|---|---|---|"
    return "\n".join([header, *rows])
