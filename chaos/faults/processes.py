"""Processes that die, freeze or leave, and too many of them."""

from chaos import acts
from chaos.fault import Fault, Scale, repeatedly

FAULTS = (
    Fault(
        name="worker_kills",
        what="SIGKILL of a worker at random",
        inject=repeatedly(acts.kill_worker),
        full=Scale(orders=3000, times=100, workers=2),
        quick=Scale(orders=80, times=3, workers=2),
    ),
    Fault(
        name="web_kills",
        what="SIGKILL of the web, with its sockets",
        inject=repeatedly(acts.kill_web),
        full=Scale(orders=600, times=20),
        quick=None,  # fail_points and power_losses cover it
    ),
    Fault(
        name="worker_frozen",
        what="a worker frozen for 20 s, longer than its transactions are valid; others take over",
        inject=repeatedly(acts.freeze_worker),
        full=Scale(orders=1500, times=6, workers=2),
        quick=Scale(orders=100, times=1, workers=2),
        settings={"SIM_CHAIN_ERROR_RATE": "0.1", "SIM_VALIDITY_MS": "5000"},
    ),
    Fault(
        name="deploys",
        what="SIGTERM to everything, half of the times twice, then new processes",
        inject=repeatedly(acts.deploy),
        full=Scale(orders=1200, times=20),
        quick=Scale(orders=80, times=2),
        tells_sockets=True,
    ),
    Fault(
        name="many_reconcilers",
        what="ten workers, ten reconcilers (quick: four); Redis is flushed",
        inject=repeatedly(acts.flush_redis),
        full=Scale(orders=1000, times=10, workers=10),
        quick=Scale(orders=60, times=2, workers=4),
        settings={"ORDER_CONCURRENCY": "2"},
    ),
    Fault(
        name="no_reconciler",
        what="no worker and no reconciler for 30 s",
        inject=repeatedly(acts.stop_all_workers(30.0)),
        full=Scale(orders=1000, times=2),
        quick=None,
    ),
    Fault(
        name="power_losses",
        what="SIGKILL of all processes, PostgreSQL and Redis at once",
        inject=repeatedly(acts.lose_power),
        full=Scale(orders=1200, times=20),
        quick=Scale(orders=60, times=1),
    ),
)
