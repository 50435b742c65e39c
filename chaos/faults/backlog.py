"""No worker for long, while orders come in: what waits, and what is left when it has been done."""

import time

from benchmarks.stack import wait_until
from chaos.evidence import Backlog
from chaos.fault import Fault, Scale
from chaos.load import Load
from chaos.queues import QueueWatch
from chaos.rig import Rig

USUAL_S = 5.0
BEHIND_S = 5.0
DRAIN_LIMIT_S = 600.0


def leave_without_workers(rig: Rig, load: Load, scale: Scale) -> int:
    """SIGKILL every worker for as long as the orders come in, and start them again."""
    del scale
    usual_from = time.time()
    rig.pause(USUAL_S)
    with QueueWatch(rig):
        began_at = time.time()
        for name in rig.workers:
            rig.kill(name)
        rig.pause(load.lasts_s)
        for name in rig.workers:
            rig.restart(name)
        rig.healed()
        ended_at = time.time()
        wait_until(lambda: _is_drained(rig, ended_at), DRAIN_LIMIT_S, "a backlog is left")
        rig.backlogs.append(Backlog(usual_from, began_at, time.time()))
        rig.pause(BEHIND_S)
    return 1


def _is_drained(rig: Rig, accepted_before: float) -> bool:
    time.sleep(0.1)
    statement = """
SELECT NOT EXISTS (SELECT FROM orders
                   WHERE due_at IS NOT NULL AND created_at < to_timestamp(:accepted_before))"""
    return bool(rig.scalar(statement, accepted_before=accepted_before))


FAULTS = (
    Fault(
        name="long_backlog",
        what="no worker for ten minutes while orders come in",
        inject=leave_without_workers,
        full=Scale(orders=3000, times=1),
        quick=Scale(orders=150, times=1),
        rate_per_s=5.0,
        recovery_limit_s=300.0,
        settings={"SIM_QUOTE_LATENCY_MS": "300-400"},  # so that the backlog lasts
    ),
)
