"""The demo against a running stack, and with a stack that it starts itself."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from harness.processes import ROOT
from orderengine.local.runfile import load_run, state_folder
from tests.e2e.foreign import FOREIGN_TO_ALL, FOREIGN_TO_LINES
from tests.e2e.stack import Stack
from tests.folders import new_checkout

DEMO_TIMEOUT_S = 90.0


@pytest.fixture(scope="module")
def stack_environ() -> Mapping[str, str]:
    limits = {"MAX_OPEN_ORDERS": "3", "RATE_PER_ADDRESS": "12"}
    return {"SIM_SETTLEMENT_MS": "300-500", "SIM_DRIFT_BPS": "20-20", **limits}


@pytest.fixture
def checkout() -> Iterator[Path]:
    """Another checkout of this code, without a running stack."""
    with new_checkout() as root:
        yield root


def run(
    *arguments: str, environ: Mapping[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        timeout=DEMO_TIMEOUT_S,
        check=False,
    )


def test_the_demo_follows_its_orders_to_their_end_within_the_limits(stack: Stack) -> None:
    ran = run("orderengine", "demo", "--orders", "8", "--plain", "--url", stack.url)
    assert (ran.returncode, ran.stderr) == (0, "")
    lines = ran.stdout.splitlines()
    assert "7 confirmed, 1 failed (1 as intended), of 8 orders" in lines
    assert "attempts: 10 for 8 orders" in lines
    assert lines[-1].endswith("with a tolerance of 0: SLIPPAGE_EXCEEDED, attempts 3")
    orders = stack.get("/api/orders?limit=100")["orders"]
    assert len({(each["symbol"], each["side"]) for each in orders}) == 8


def test_where_nothing_runs_the_demo_brings_a_stack_and_takes_it_away(checkout: Path) -> None:
    """No variable of another tool keeps it from that."""
    environ = {"PATH": os.environ["PATH"], "SIM_SETTLEMENT_MS": "300-500"}
    environ |= {**FOREIGN_TO_ALL, **FOREIGN_TO_LINES}
    command = ("orderengine.local", "demo", "--root", str(checkout))
    ran = run(*command, "--", "--orders", "2", environ=environ)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "2 confirmed, 0 failed, of 2 orders" in ran.stdout
    assert ran.stdout.endswith("the stack is stopped\n")
    assert load_run(state_folder(checkout)) is None


def test_a_stack_that_does_not_start_is_explained(checkout: Path) -> None:
    nowhere = "postgresql://me:secret@127.0.0.1:1/none"
    environ = {"PATH": os.environ["PATH"], "DATABASE_URL": nowhere}
    ran = run("orderengine.local", "demo", "--root", str(checkout), environ=environ)
    assert ran.returncode == 1
    assert "is DATABASE_URL right, and the server up?" in ran.stderr
    assert "secret" not in ran.stderr + ran.stdout
