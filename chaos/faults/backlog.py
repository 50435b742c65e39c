"""No worker for a long time while orders come in: the backlog, and the time after it."""

import time

from chaos.evidence import Backlog
from chaos.fault import Fault, Scale
from chaos.load import Load, place
from chaos.queues import QueueWatch
from chaos.rig import Rig
from harness.waiting import wait_until

USUAL_S = 5.0
BEHIND = 5
DRAIN_LIMIT_S = 600.0


def leave_without_workers(rig: Rig, load: Load, scale: Scale) -> int:
    """SIGKILL every worker while the orders come in, then start them again."""
    del scale
    usual_from = time.time()
    rig.pause(USUAL_S)
    with QueueWatch(rig):
        began_at = time.time()
        for name in rig.workers:
            rig.kill(name)
        rig.pause(load.lasts_s)
        load.stop()  # orders that come later would also have to wait behind the backlog
        for name in rig.workers:
            rig.restart(name)
        rig.healed()
        wait_until(lambda: not rig.has_open_orders(), DRAIN_LIMIT_S, "a backlog is left")
        rig.backlogs.append(Backlog(usual_from, began_at, time.time()))
        load.answers += place(rig.port, BEHIND, load.rate_per_s)
    return 1


FAULTS = (
    Fault(
        name="long_backlog",
        what="no worker for ten minutes while orders come in",
        inject=leave_without_workers,
        full=Scale(orders=3000, times=1),
        quick=Scale(orders=100, times=1),
        rate_per_s=5.0,
        recovery_limit_s=300.0,
        settings={"SIM_QUOTE_LATENCY_MS": "300-400"},  # so that the backlog lasts
    ),
)
