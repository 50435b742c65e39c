"""Copies of the product without a guard, in which the faults must notice something."""

import subprocess
import sys
from pathlib import Path

import pytest

from chaos import sabotage
from chaos.evidence import Evidence
from chaos.fault import Scale
from chaos.invariants import GETS_THROUGH, Violation
from chaos.resources import Resources
from chaos.trial import Verdict
from harness.processes import base_environ

ROOT = Path(__file__).parents[2]
NOTHING_SEEN = Evidence({}, {}, {}, {}, {})
HEALED_AT = 100.0
QUIET = Resources(threads={"web": 30, "worker": 40}, sockets={"web": 9}, connections=10, queued=0)


def a_verdict(name: str, *violations: Violation) -> Verdict:
    verdict = Verdict(
        name, seed=7, scale=Scale(10, 1), orders=10, sockets=4, injected=1, recovery_s=1.25
    )
    verdict.violations += violations
    return verdict


@pytest.mark.parametrize("name", sabotage.GUARDS)
def test_each_guard_can_be_removed_from_a_copy(tmp_path: Path, name: str) -> None:
    sabotage.copy_tree(tmp_path)
    sabotage.remove_guard(tmp_path, sabotage.PATCHES / f"{name}.patch")
    changed = [
        path
        for path in (ROOT / "orderengine").rglob("*.py")
        if path.read_text("utf-8") != (tmp_path / path.relative_to(ROOT)).read_text("utf-8")
    ]
    assert changed


def test_a_guard_that_is_not_found_is_an_error(tmp_path: Path) -> None:
    sabotage.copy_tree(tmp_path)
    for path in (tmp_path / "orderengine" / "execution").rglob("*.py"):
        path.write_text("")
    for name in ("write_ahead", "reconciler"):
        with pytest.raises(sabotage.DoesNotApply, match=name):
            sabotage.remove_guard(tmp_path, sabotage.PATCHES / f"{name}.patch")


def test_a_sabotaged_run_that_does_not_get_through_has_noticed_nothing() -> None:
    broken = a_verdict("soak", Violation(GETS_THROUGH, None, "no module named 'harness'"))
    assert sabotage.noticed([broken.document()]) == []
    broken.violations.append(Violation("no_gaps", "a", "is at version 3"))
    assert sabotage.noticed([broken.document()]) == ["no_gaps"]


def test_a_copy_for_sabotage_can_be_imported(tmp_path: Path) -> None:
    sabotage.copy_tree(tmp_path)
    command = [sys.executable, "-c", "import chaos.runner; print(chaos.__path__[0])"]
    environ = base_environ(tmp_path)
    told = subprocess.run(command, cwd=tmp_path, env=environ, stdout=subprocess.PIPE, check=True)
    assert Path(told.stdout.decode().strip()) == tmp_path / "chaos"
