"""PostgreSQL: restarted, with backends ended, unreachable, with answers lost."""

from chaos import acts
from chaos.fault import Fault, Scale, once, repeatedly

FAULTS = (
    Fault(
        name="postgres_restarts",
        what="immediate shutdown of PostgreSQL, and a start with crash recovery",
        inject=repeatedly(acts.restart_postgres),
        full=Scale(orders=2000, times=15),
        quick=None,  # power_losses covers the crash recovery, postgres_failover the outage
    ),
    Fault(
        name="postgres_backends",
        what="pg_terminate_backend of a busy connection",
        inject=repeatedly(acts.terminate_backend),
        full=Scale(orders=1000, times=200),
        quick=None,  # commit_answers and postgres_read_only end connections
    ),
    Fault(
        name="postgres_link",
        what="the connections to PostgreSQL reset, or dead for seconds",
        inject=repeatedly(acts.break_postgres_link),
        full=Scale(orders=900, times=15),
        quick=None,
    ),
    Fault(
        name="commit_answers",
        what="the answer to a COMMIT swallowed, the connection reset",
        inject=once(lambda times: acts.swallow_commits(times, limit_s=120.0)),
        full=Scale(orders=400, times=200),
        quick=Scale(orders=60, times=20),
    ),
)
